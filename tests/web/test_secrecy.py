"""Personal data and secrets: not in the log, not in the store, not in an answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from moddy.errors import DirectMessagesClosed, DiscordRefused, DiscordUnavailable
from moddy.store.database import Database
from tests.web.api import SECRET, Api, Setup, open_api
from tests.web.conftest import Log
from tests.web.raw import exchange, request

EMAIL = "planted.person@example.org"
PHONE = "+33612345678"
MESSAGE = "planted words for one reader"
WRONG_SECRET = "planted-wrong-secret"
PERSONAL = (EMAIL, PHONE)
PLANTED = (*PERSONAL, MESSAGE, WRONG_SECRET, SECRET)
METADATA: Mapping[str, Any] = {
    "email": EMAIL,
    "phone": PHONE,
    "message": MESSAGE,
    "customer_id": f"cus {EMAIL}",
    "subscription_id": f"sub {PHONE}",
    "unknown": {"nested": [EMAIL, PHONE]},
    EMAIL: PHONE,
}
NOTIFY: Mapping[str, Any] = {
    "discord_id": "42",
    "action": "subscription_updated",
    "plan": "moddy_max",
    "metadata": METADATA,
    "email": EMAIL,
    PHONE: MESSAGE,
}
ROLES: Mapping[str, Any] = {"discord_id": "42", "plan": "x", "email": EMAIL, PHONE: MESSAGE}


def places_of(planted: tuple[str, ...], text: str) -> list[str]:
    """Return which of the planted texts are in a text, in any of their spellings."""
    return [
        one
        for one in planted
        if any(spelling in text for spelling in (one, json.dumps(one)[1:-1], one.encode().hex()))
    ]


async def test_valid_requests(api: Api, log: Log) -> None:
    api.roles.add_member("42")
    errors = [
        None,
        DirectMessagesClosed("closed"),
        DiscordRefused("no"),
        DiscordUnavailable("down"),
    ]
    for error in errors:
        api.messenger.errors = {} if error is None else {"42": error}
        response = await api.notify(NOTIFY)
        assert response.status_code in (200, 202, 500)
        assert not places_of(PLANTED, response.text)
    assert (await api.update_roles(ROLES)).status_code == 200
    assert api.messenger.sent[0].notice.metadata.message == MESSAGE
    assert not places_of(PLANTED, log.text)


async def test_an_unforeseen_fault(api: Api, log: Log) -> None:
    log.errors_expected = True
    api.messenger.errors["42"] = ValueError(f"{EMAIL} {PHONE} {MESSAGE} {SECRET}")
    assert (await api.notify(NOTIFY)).status_code == 202
    assert log.errors()
    assert not places_of(PLANTED, log.text)


async def test_invalid_requests(lite: Api, log: Log) -> None:
    wrong: dict[str, list[dict[str, Any]]] = {
        "/internal/notify": [
            {**NOTIFY, "discord_id": EMAIL},
            {**NOTIFY, "discord_id": {MESSAGE: EMAIL}},
            {**NOTIFY, "action": EMAIL},
            {**NOTIFY, "plan": {EMAIL: PHONE}},
            {**NOTIFY, "metadata": [EMAIL]},
            {**NOTIFY, "metadata": {**METADATA, "event_id": MESSAGE}},
        ],
        "/internal/roles/update": [
            {**ROLES, "discord_id": {MESSAGE: EMAIL}},
            {**ROLES, "plan": [EMAIL]},
            {**ROLES, "add_roles": [EMAIL]},
            {**ROLES, "remove_roles": {EMAIL: PHONE}},
        ],
    }
    for path, bodies in wrong.items():
        for body in bodies:
            response = await lite.client.post(path, json=body)
            assert response.status_code == 422
            assert not places_of(PLANTED, response.text)
        text = json.dumps(NOTIFY)
        for broken in (text[:-1], text.replace(":", "="), text + "}", "x" + text, "\x00" + text):
            headers = {"Content-Type": "application/json"}
            response = await lite.client.post(path, content=broken, headers=headers)
            assert response.status_code == 400
            assert not places_of(PLANTED, response.text)
    assert not places_of(PLANTED, log.text)


async def test_headers_and_paths(lite: Api, log: Log) -> None:
    for target in (f"/internal/users/{EMAIL}/premium", f"/internal/{EMAIL}", f"/{PHONE}?x={EMAIL}"):
        for secret in (SECRET, WRONG_SECRET, None):
            response = await exchange(lite.port, request("GET", target, secret=secret))
            assert response.status in (401, 403, 404, 422)
            assert not places_of(PLANTED, response.body.decode())
    headers = (b"X-Request-ID: " + EMAIL.encode(), b"Idempotency-Key: " + MESSAGE.encode())
    body = json.dumps(NOTIFY).encode()
    data = request("POST", "/internal/notify", *headers, secret=SECRET, body=body)
    response = await exchange(lite.port, data)
    assert response.status == 422
    assert not places_of(PLANTED, response.body.decode() + str(response.headers))
    assert not places_of(PLANTED, without_httpx(log))


@pytest.mark.parametrize(
    "broken",
    [
        f"GET /internal/health HTTP/1.1\r\nAuthorization: Bearer {SECRET}\x01\r\n\r\n",
        f"GET /internal/health HTTP/1.1\r\nAuthorization Bearer {SECRET}\r\n\r\n",
        f"GET /internal/{EMAIL} HTTP/9.9\r\nAuthorization: Bearer {SECRET}\r\n\r\n",
        f"{EMAIL} {PHONE}\r\n\r\n",
        f"GET / HTTP/1.1\r\nAuthorization: Bearer {SECRET}{'x' * 9000}\r\n\r\n",
        f"POST / HTTP/1.1\r\nContent-Length: {PHONE}\r\n\r\n",
    ],
)
async def test_what_the_parser_refuses(lite: Api, log: Log, broken: str) -> None:
    response = await exchange(lite.port, broken.encode())
    assert response.status in (400, 431)
    assert not places_of(PLANTED, without_httpx(log))


async def test_the_store_keeps_no_address(api: Api, log: Log) -> None:
    """A message's own text is kept with the delivery, for as long as it may be sent again."""
    await api.notify(NOTIFY, {"Idempotency-Key": "evt_1"})
    await api.notify({**NOTIFY, "metadata": {**METADATA, "event_created": 5}})
    await api.notify({**NOTIFY, "metadata": {**METADATA, "event_created": 4}})  # stale
    await api.update_roles(ROLES)
    rows = await api.rows()
    assert len(rows) == 4
    for row in rows:
        for column, value in row.items():
            text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
            planted = PERSONAL if column == "payload" else PLANTED
            assert not places_of((*planted, SECRET), text), column


async def test_secrets_are_logged_at_no_time(sqlite_database: Database, log: Log) -> None:
    setup = Setup(previous_secret=WRONG_SECRET)
    async with open_api(sqlite_database, setup) as api:
        for secret in (SECRET, WRONG_SECRET, "x"):
            headers = {"Authorization": f"Bearer {secret}"}
            await api.client.get("/internal/health", headers=headers)
    assert not places_of(PLANTED, log.text)


def without_httpx(log: Log) -> str:
    """Return the log without the lines of the tests' own client, which names addresses."""
    return "\n".join(str(line) for line in log.lines() if line["logger"] != "httpx")
