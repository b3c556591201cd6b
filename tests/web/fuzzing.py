"""Requests made at random: from pure noise to nearly right."""

from __future__ import annotations

import copy
import random
import string
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

ENDPOINTS = ("/internal/notify", "/internal/roles/update")
ACTIONS = [
    "subscription_created", "subscription_updated", "subscription_cancelled", "plan_upgraded",
    "plan_downgraded", "subscription_exploded", "",
]  # fmt: skip
TEMPLATES: dict[str, dict[str, Any]] = {
    "/internal/notify": {
        "discord_id": "123456789012345678",
        "action": "subscription_created",
        "plan": "moddy_max",
        "metadata": {
            "subscription_id": "sub_1",
            "subscription_type": "monthly",
            "amount": 999,
            "currency": "eur",
            "message": "hello",
            "canceled_at": 1735689600,
            "cancel_at_period_end": True,
            "current_period_end": "2025-02-01T00:00:00Z",
            "changes": ["a", "b"],
            "event_id": "evt_1",
            "event_created": 1735689600,
        },
    },
    "/internal/roles/update": {
        "discord_id": "123456789012345678",
        "plan": "moddy_max",
        "add_roles": ["11"],
        "remove_roles": ["12"],
    },
}
ODD: list[Any] = [
    None, True, False, 0, -1, 1, 2**53, 2**63, 2**64, -(2**63) - 1, 10**40, 1.5, -0.0, 1e308,
    5e-324, "", " ", "0", "1", "-1", "x", "\u0000", "\ud7ff", "\ufffe", "😀" * 9, "é", "\u202e",
    "a" * 3000, "18446744073709551615", "18446744073709551616", "9999-12-31T23:59:59Z",
    "0001-01-01T00:00:00Z", "2025-01-01T00:00:00+23:59", "moddy_max", "%s%n{}",
    "'; DROP TABLE users; --", "../../etc",
    [], [[]], [None], ["1", 1], {}, {"": {}}, {"$ref": "#"}, {"__proto__": 1},
]  # fmt: skip
HEADERS: list[tuple[str, str]] = [
    ("Content-Type", "application/json; charset=utf-16"),
    ("Content-Type", "text/plain"),
    ("Content-Type", "application/x+json"),
    ("Content-Encoding", "gzip"),
    ("Content-Encoding", "identity"),
    ("Idempotency-Key", "one-for-many"),
    ("Idempotency-Key", ""),
    ("Idempotency-Key", "not visible"),
    ("Idempotency-Key", "x" * 256),
    ("X-Request-ID", "mine"),
    ("X-Request-ID", "{}"),
    ("Accept", "text/html"),
    ("Accept-Encoding", "br;q=x"),
    ("Expect", "100-continue"),
    ("Range", "bytes=0-1"),
    ("Origin", "null"),
    ("Cookie", "=;;="),
    ("Connection", "close"),
    ("If-None-Match", "*"),
    ("X-HTTP-Method-Override", "DELETE"),
    ("X-Forwarded-For", "::1"),
]


class RandomRequest(Struct, frozen=True, kw_only=True):
    """A request's body and headers beside the authentication."""

    path: str
    body: bytes
    headers: dict[str, str]


def make_requests(seed: int, number: int) -> Iterator[RandomRequest]:
    """Make `number` requests; the same for the same seed."""
    chance = random.Random(seed)  # noqa: S311  # nothing depends on its secrecy
    for _ in range(number):
        path = chance.choice(ENDPOINTS)
        headers = {"Content-Type": "application/json"}
        if chance.random() < 0.2:
            headers.update([chance.choice(HEADERS)])
        yield RandomRequest(path=path, body=_body(chance, path), headers=headers)


def _body(chance: random.Random, path: str) -> bytes:
    kind = chance.random()
    if kind < 0.1:
        return chance.randbytes(chance.randrange(200))
    if kind < 0.2:
        return msgspec.json.encode(_value(chance, 4))
    body = _mutated(chance, path)
    if kind < 0.6:
        return body
    return _damaged(chance, body)


def _mutated(chance: random.Random, path: str) -> bytes:
    """Return a request with some of its values, at any depth, replaced, lost or added."""
    value = msgspec.json.decode(msgspec.json.encode(TEMPLATES[path]))
    for _ in range(chance.randrange(4)):
        place = value
        while True:
            inner = [one for one in _children(place) if isinstance(one, dict | list) and one]
            if not inner or chance.random() < 0.5:
                break
            place = chance.choice(inner)
        _change(chance, place)
    if "action" in value and chance.random() < 0.3:
        value["action"] = chance.choice(ACTIONS)
    return msgspec.json.encode(value)


def _children(place: Any) -> list[Any]:
    return list(place.values()) if isinstance(place, dict) else list(place)


def _change(chance: random.Random, place: Any) -> None:
    keys: list[Any] = list(place) if isinstance(place, dict) else list(range(len(place)))
    if not keys:
        return
    key = chance.choice(keys)
    what = chance.random()
    if what < 0.7:
        place[key] = _value(chance, 0) if chance.random() < 0.7 else _value(chance, 3)
    elif what < 0.85:
        del place[key]
    elif isinstance(place, dict):
        place["".join(chance.choices(string.printable, k=5))] = _value(chance, 2)
    else:
        place.append(_value(chance, 2))


def _damaged(chance: random.Random, body: bytes) -> bytes:
    """Return a body with some bytes lost, doubled or changed."""
    damaged = bytearray(body)
    for _ in range(chance.randrange(1, 5)):
        at = chance.randrange(len(damaged) + 1)
        what = chance.random()
        if what < 0.3:
            damaged[at:at] = chance.randbytes(chance.randrange(4))
        elif what < 0.6:
            del damaged[at : at + chance.randrange(1, 8)]
        elif what < 0.7:
            del damaged[at:]
        elif what < 0.8:
            damaged[at:at] = damaged[: chance.randrange(40)]
        else:
            damaged[at : at + 1] = chance.choice(b'{}[]",:\\0nte-.\x00\xff').to_bytes(1, "big")
    return bytes(damaged)


def _value(chance: random.Random, depth: int) -> Any:
    what = chance.random()
    if depth == 0 or what < 0.5:
        return copy.deepcopy(chance.choice(ODD))  # it may be changed next
    if what < 0.75:
        return [_value(chance, depth - 1) for _ in range(chance.randrange(4))]
    names = [*TEMPLATES[ENDPOINTS[0]], *TEMPLATES[ENDPOINTS[1]], "x", "", "\u0000"]
    return {chance.choice(names): _value(chance, depth - 1) for _ in range(chance.randrange(4))}
