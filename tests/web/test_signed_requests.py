"""Signed requests to Moddy, over a real socket; any implementation of the standard may sign."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import httpx
import msgspec
import pytest
from standardwebhooks import Webhook
from yarl import URL

from moddy.sandbox.backend.moddy_client import ModdyClient
from moddy.signing import Signer
from moddy.store.database import Database
from tests.web.api import SECRET, Api, Setup, open_api
from tests.web.conftest import Log
from tests.web.posting import NOTIFY, ROLES
from tests.web.raw import connect, exchange, request

OLD = "whsec_" + base64.b64encode(b"the old signing secret of the test").decode()
NEW = "whsec_" + base64.b64encode(b"the new signing secret of the test").decode()
OTHER = "whsec_" + base64.b64encode(b"a signing secret of somebody else").decode()
INVALID = {"error": "Invalid webhook signature"}

CALLS: list[tuple[str, str, Any, int]] = [
    ("GET", "/internal/health", None, 200),
    ("HEAD", "/internal/health", None, 200),
    ("GET", "/internal/users/42/premium", None, 200),
    ("GET", "/internal/openapi.json", None, 200),
    ("GET", "/internal/nowhere", None, 404),
    ("GET", "/internal/notify", None, 405),
    ("POST", "/internal/notify", NOTIFY, 200),
    ("POST", "/internal/roles/update", ROLES, 200),
    ("POST", "/internal/nowhere", NOTIFY, 404),
    ("PUT", "/internal/notify", NOTIFY, 405),
    ("DELETE", "/internal/health", None, 405),
]


def signature(
    body: bytes,
    message_id: str = "msg_1",
    *,
    secret: str = NEW,
    ago: timedelta = timedelta(),
) -> dict[str, str]:
    """Return the headers of an attempt made some time ago."""
    moment = datetime.now(UTC) - ago
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": Webhook(secret).sign(message_id, moment, body.decode()),
    }


@pytest.fixture
async def signed(sqlite_database: Database, log: Log) -> AsyncIterator[Api]:
    """An API that asks for signatures while its secret is changed."""
    async with open_api(sqlite_database, Setup(signer=Signer([NEW, OLD]))) as api:
        yield api


async def send(
    api: Api, body: Any, headers: dict[str, str], path: str = "/internal/notify"
) -> httpx.Response:
    """POST a body as it was signed."""
    content = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return await api.client.post(
        path, content=content, headers={"Content-Type": "application/json", **headers}
    )


@pytest.mark.parametrize(("method", "path", "body", "status"), CALLS)
async def test_every_call_is_to_be_signed(
    signed: Api, method: str, path: str, body: Any, status: int
) -> None:
    signed.roles.add_member("42")
    signed.roles.add_role("11")
    content = b"" if body is None else msgspec.json.encode(body)
    headers = {"Content-Type": "application/json"} if content else {}
    unsigned = await signed.client.request(method, path, content=content, headers=headers)
    assert unsigned.status_code == 401
    assert unsigned.headers["WWW-Authenticate"] == "Bearer"
    assert unsigned.content == (b"" if method == "HEAD" else msgspec.json.encode(INVALID))
    assert not await signed.rows()
    headers |= signature(content)
    answer = await signed.client.request(method, path, content=content, headers=headers)
    assert answer.status_code == status


async def test_outside_of_the_internal_paths_nothing_is_signed(signed: Api) -> None:
    assert (await signed.client.get("/")).status_code == 200


async def test_without_signing_secrets_nothing_is_looked_at(lite: Api) -> None:
    headers = signature(b"", secret=OTHER) | {"Idempotency-Key": "k"}
    assert (await send(lite, NOTIFY, headers)).status_code == 200
    [row] = await lite.rows()
    assert row["idempotency_key"] == "k"


async def test_the_bearer_secret_comes_first(signed: Api) -> None:
    """And the body of somebody without it is not waited for."""
    for secret, status, error in (
        (None, 401, "Missing Authorization header"),
        ("wrong", 403, "Invalid internal API secret"),
    ):
        lines = [f"{name}: {text}".encode() for name, text in signature(b"{}").items()]
        data = request("POST", "/internal/notify", *lines, b"Content-Length: 2", secret=secret)
        answer = await exchange(signed.port, data)
        assert (answer.status, answer.json()) == (status, {"error": error})


BODY = msgspec.json.encode(NOTIFY)
Change = Callable[[dict[str, str]], dict[str, str]]
WRONG: dict[str, Change] = {
    "no id": lambda headers: headers | {"webhook-id": ""},
    "no timestamp": lambda headers: headers | {"webhook-timestamp": ""},
    "no signature": lambda headers: headers | {"webhook-signature": ""},
    "another id": lambda headers: headers | {"webhook-id": "msg_2"},
    "another time": lambda headers: headers | {"webhook-timestamp": _later(headers)},
    "no number": lambda headers: headers | {"webhook-timestamp": "yesterday"},
    "not a number": lambda headers: headers | {"webhook-timestamp": "nan"},
    "no version": lambda headers: headers | {"webhook-signature": "abcd"},
    "another version": lambda headers: (
        headers | {"webhook-signature": headers["webhook-signature"].replace("v1,", "v2,")}
    ),
    "another secret": lambda _: signature(BODY, secret=OTHER),
    "another body": lambda _: signature(b"{}"),
    "too old": lambda _: signature(BODY, ago=timedelta(minutes=5, seconds=5)),
    "too new": lambda _: signature(BODY, ago=timedelta(minutes=-5, seconds=-5)),
}


def _later(headers: dict[str, str]) -> str:
    return str(int(headers["webhook-timestamp"]) + 1)


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
async def test_every_refusal_reads_the_same(signed: Api, log: Log, change: Change) -> None:
    headers = change(signature(BODY))
    answer = await send(signed, BODY, headers)
    assert (answer.status_code, answer.json()) == (401, INVALID)
    assert not await signed.rows()
    # Moddy's own log says why, and neither what came nor what would have been right.
    [line] = log.lines(message="signature refused")
    assert line["level"] == "warning"
    assert line["reason"]
    right = signature(BODY)["webhook-signature"].removeprefix("v1,")
    for hidden in (right, headers["webhook-signature"] or right, NEW, OLD, SECRET):
        assert hidden not in log.text


async def test_the_age_is_the_attempts_and_not_the_events(signed: Api) -> None:
    """An event of last week is taken, when the attempt to tell it is of now."""
    week_ago = int((datetime.now(UTC) - timedelta(days=7)).timestamp())
    for minutes in (-4, 0, 4):
        body = msgspec.json.encode(
            {**NOTIFY, "discord_id": str(50 + minutes), "metadata": {"event_created": week_ago}}
        )
        headers = signature(body, f"msg{minutes}", ago=timedelta(minutes=minutes))
        answer = await send(signed, body, headers)
        assert (answer.status_code, answer.json()["notification_sent"]) == (200, True)


async def test_the_id_is_the_idempotency_key(signed: Api) -> None:
    first = await send(signed, BODY, signature(BODY, ago=timedelta(minutes=2)))
    # A later attempt has another time, and so another signature.
    again = await send(signed, BODY, signature(BODY))
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    # White space is no other JSON.
    spaced = msgspec.json.format(BODY, indent=2)
    assert (await send(signed, spaced, signature(spaced))).content == first.content
    other = msgspec.json.encode(NOTIFY | {"plan": "another"})
    assert (await send(signed, other, signature(other))).status_code == 422
    [row] = await signed.rows()
    assert row["idempotency_key"] == "msg_1"
    assert len(signed.messenger.sent) == 1


async def test_the_id_wins_over_what_nobody_signed(signed: Api) -> None:
    body = msgspec.json.encode(NOTIFY | {"metadata": {"event_id": "evt_1"}})
    for message_id, key, replayed in (
        ("msg_1", "key_1", False), ("msg_1", "key_2", True), ("msg_2", "key_1", False)
    ):  # fmt: skip
        headers = signature(body, message_id) | {"Idempotency-Key": key}
        answer = await send(signed, body, headers)
        assert answer.status_code == 200
        assert ("Idempotent-Replayed" in answer.headers) is replayed
    assert [row["idempotency_key"] for row in await signed.rows()] == ["msg_1", "msg_2"]


async def test_an_id_that_is_no_key(signed: Api) -> None:
    for message_id in ("two words", "x" * 256):
        answer = await send(signed, BODY, signature(BODY, message_id))
        assert (answer.status_code, answer.json()["field"]) == (422, "webhook-id")
    assert (await send(signed, BODY, signature(BODY, "x" * 255))).status_code == 200


async def test_secrets_are_changed_without_a_pause(signed: Api) -> None:
    for number, secret in enumerate((OLD, NEW)):
        answer = await send(signed, BODY, signature(BODY, f"msg_{number}", secret=secret))
        assert answer.status_code == 200
    # A sender that knows both signs with both.
    both = [signature(BODY, "msg_3", secret=secret) for secret in (OTHER, OLD)]
    texts = " ".join(one["webhook-signature"] for one in both)
    answer = await send(signed, BODY, both[0] | {"webhook-signature": texts})
    assert answer.status_code == 200


async def test_bodies_that_cannot_be_verified(signed: Api) -> None:
    large = b'"' + b"x" * 65_536 + b'"'
    assert (await send(signed, large, signature(large))).status_code == 413
    # What is signed has to be text, as the standard's libraries have it.
    assert (await send(signed, b"\xff", signature(b""))).json() == INVALID
    for content, status in ((b"{", 400), (b"[]", 422)):
        assert (await send(signed, content, signature(content))).status_code == status


async def test_the_body_may_be_asked_for(signed: Api) -> None:
    lines = [f"{name}: {text}".encode() for name, text in signature(BODY).items()]
    length = b"Content-Length: %d" % len(BODY)
    head = request(
        "POST",
        "/internal/notify",
        *lines,
        b"Content-Type: application/json",
        b"Expect: 100-continue",
        length,
        secret=SECRET,
    )
    async with connect(signed.port) as connection:
        await connection.send(head)
        assert (await connection.receive()).status == 100
        await connection.send(BODY)
        assert (await connection.receive()).status == 200


async def test_the_reference_backend_signs(signed: Api) -> None:
    url = URL(f"http://127.0.0.1:{signed.port}")
    async with aiohttp.ClientSession() as session:
        for secrets, status in (((OLD,), 200), ((NEW, OLD), 200), ((OTHER,), 401), ((), 401)):
            moddy = ModdyClient(session, secret=SECRET, signing_secrets=secrets, base_url=url)
            health = await moddy.health()
            told = await moddy.notify("42", "plan_upgraded", plan="moddy_max", metadata={})
            assert (health.status, told.status) == (status, status)


async def test_prometheus_which_cannot_sign_reads_the_metrics(signed: Api) -> None:
    response = await signed.client.get("/internal/metrics")
    assert response.status_code == 200
    response = await signed.client.get("/internal/metrics", headers={"Authorization": "Bearer x"})
    assert response.status_code == 403
    assert (await signed.client.get("/internal/status")).status_code == 401
