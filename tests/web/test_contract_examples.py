"""Each row of the wire contract is an example of the OpenAPI document, and what the API says."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from msgspec import Struct, structs

from moddy import __version__
from moddy.signing import Signer
from moddy.store.database import Database
from moddy.web.endpoints import ENDPOINTS
from moddy.web.examples import METHOD_NOT_ALLOWED, NOT_FOUND, Example
from moddy.web.openapi import document
from tests.web.api import EVERYTHING, SECRET, Api, Setup, open_api
from tests.web.conftest import Log
from tests.web.posting import NOTIFY as NOTIFY_BODY
from tests.web.posting import ROLES as ROLES_BODY
from tests.web.raw import connect, request

HEALTH, STATUS, METRICS = "/internal/health", "/internal/status", "/internal/metrics"
NOTIFY, ROLES = "/internal/notify", "/internal/roles/update"
PREMIUM = "/internal/users/{discord_id}/premium"
POSTS = (NOTIFY, ROLES)
INTERNAL = (*POSTS, HEALTH, STATUS, METRICS, PREMIUM)
# Where the contract leaves something open: any text or number may stand there.
ANY = object()


def health(status: str) -> dict[str, Any]:
    return {"status": status, "service": "discord-bot", "version": __version__}


def premium(is_premium: bool, until: str | None) -> dict[str, Any]:
    return {"discord_id": ANY, "premium": is_premium, "premium_until": until}


def notify(message: str, success: bool = False, sent: bool = False) -> dict[str, Any]:
    return {"success": success, "message": message, "notification_sent": sent}


def roles(
    message: str, success: bool = False, updated: bool = False, guild_id: object = ANY
) -> dict[str, Any]:
    return {
        "success": success,
        "message": message,
        "roles_updated": updated,
        "guild_id": guild_id,
    }


def error(text: object = ANY, field: object = None) -> dict[str, Any]:
    return {"error": text} if field is None else {"error": text, "field": field}


# Sections 1 and 2 of the wire contract, row by row: where, which status, which body.
ROWS: list[tuple[tuple[str, ...], int, dict[str, Any]]] = [
    (INTERNAL, 401, error("Missing Authorization header")),
    (INTERNAL, 401, error("Invalid Authorization format")),
    (INTERNAL, 403, error("Invalid internal API secret")),
    (INTERNAL, 503, error("Internal API secret not configured")),
    ((HEALTH,), 200, health("healthy")),
    ((HEALTH,), 200, health("unhealthy")),
    ((PREMIUM,), 200, premium(True, "2025-01-01T00:00:00Z")),
    ((PREMIUM,), 200, premium(True, None)),
    ((PREMIUM,), 200, premium(False, None)),
    (("/",), 200, {"service": "moddy-bot-internal", "status": "running"}),
    ((NOTIFY,), 200, notify("User notified successfully", success=True, sent=True)),
    ((NOTIFY,), 200, notify("User notified in the fallback channel", success=True, sent=True)),
    ((NOTIFY,), 200, notify("Cannot send DM to user (DMs disabled)")),
    ((NOTIFY,), 404, notify("User not found in Discord server")),
    ((NOTIFY,), 202, notify("Notification queued for delivery", success=True)),
    (POSTS, 422, error("Idempotency-Key reused with a different body", "Idempotency-Key")),
    ((NOTIFY,), 200, notify("Stale event ignored", success=True)),
    ((NOTIFY,), 500, notify("Failed to send Discord message")),
    ((NOTIFY,), 503, notify("Store unavailable")),
    ((ROLES,), 200, roles("Roles updated successfully", success=True, updated=True)),
    ((ROLES,), 200, roles("User not found in Discord server")),
    ((ROLES,), 200, roles("Role not found in server")),
    ((ROLES,), 500, roles("Failed to update roles: Role cannot be assigned")),
    ((ROLES,), 500, roles("Failed to update roles: Missing permissions")),
    ((ROLES,), 202, roles("Role update queued", success=True)),
    ((ROLES,), 503, roles("MODDY_GUILD_ID not configured", guild_id=None)),
    ((ROLES,), 503, roles("MODDY_PREMIUM_ROLE_ID not configured")),
    ((ROLES,), 404, roles("Guild not found")),
    ((ROLES,), 503, roles("Store unavailable")),
    ((ROLES,), 422, error(field="$.plan")),
    (POSTS, 400, error()),
    (POSTS, 408, error()),
    (POSTS, 413, error()),
    (POSTS, 415, error()),
    ((*POSTS, PREMIUM), 422, error(field="$.discord_id")),
    ((NOTIFY,), 422, error(field="$.action")),
    ((ROLES,), 422, error(field="$.remove_roles")),
    (INTERNAL, 500, {"error": "Internal server error", "request_id": ANY}),
    (("NotFound",), 404, error()),
    (("MethodNotAllowed",), 405, error()),
]
CELLS = [(where, status, body) for places, status, body in ROWS for where in places]


def documented(where: str, status: int) -> list[Any]:
    """Return the examples of a path, or of a response that is of none, that have a status."""
    if not where.startswith("/"):
        response = document()["components"]["responses"][where]
    else:
        [operation] = document()["paths"][where].values()
        response = operation["responses"][str(status)]
    return [one["value"] for one in response["content"]["application/json"]["examples"].values()]


def fits(body: Any, row: dict[str, Any]) -> bool:
    """Tell whether a body has a row's keys and values."""
    return body.keys() == row.keys() and all(
        bool(body[key]) if value is ANY else body[key] == value for key, value in row.items()
    )


@pytest.mark.parametrize(
    ("where", "status", "row"), CELLS, ids=[f"{status} {where}" for where, status, _ in CELLS]
)
def test_the_row_is_an_example(where: str, status: int, row: dict[str, Any]) -> None:
    assert [body for body in documented(where, status) if fits(body, row)]


def test_the_headers_of_the_contract_are_documented() -> None:
    wanted = {401: "WWW-Authenticate", 503: "Retry-After", 200: "Idempotent-Replayed"}
    [operation] = document()["paths"][NOTIFY].values()
    for status, name in wanted.items():
        assert name in operation["responses"][str(status)]["headers"]
    for response in operation["responses"].values():
        assert "X-Request-ID" in response["headers"]
    unrouted = document()["components"]["responses"]
    assert "Allow" in unrouted["MethodNotAllowed"]["headers"]
    # A final answer is replayed whatever its status; one that was never stored is not.
    replayed = {
        status
        for status, response in operation["responses"].items()
        if "Idempotent-Replayed" in response["headers"]
    }
    assert replayed == {"200", "202", "404", "500"}


class Provoked(Struct, frozen=True, kw_only=True):
    """A request that is refused as an example says."""

    path: str = NOTIFY
    method: str = "POST"
    body: bytes = msgspec.json.encode(NOTIFY_BODY)
    headers: dict[str, str] = {}
    setup: Setup = EVERYTHING


def changed(good: dict[str, Any], **fields: Any) -> bytes:
    return msgspec.json.encode(good | fields)


SIGNER = Signer(["whsec_" + base64.b64encode(b"the signing secret of the test").decode()])
PROVOKED = {
    "no_authorization": Provoked(headers={"Authorization": ""}),
    "no_bearer": Provoked(headers={"Authorization": "Basic x"}),
    "not_signed": Provoked(setup=Setup(signer=SIGNER)),
    "wrong_bearer": Provoked(headers={"Authorization": "Bearer x"}),
    "not_configured": Provoked(setup=Setup(secret=None)),
    "too_busy": Provoked(setup=Setup(max_requests=0)),
    "not_json": Provoked(body=b"nonsense"),
    "truncated": Provoked(body=b'{"discord_id": "4'),
    "wrong_encoding": Provoked(body='{"plan": "é"}'.encode("latin-1")),
    "too_large": Provoked(body=b" " * 65_537),
    "no_json_type": Provoked(headers={"Content-Type": "text/plain"}),
    "compressed": Provoked(headers={"Content-Encoding": "gzip"}),
    "wrong_type": Provoked(body=changed(NOTIFY_BODY, discord_id=42)),
    "missing_field": Provoked(body=b"{}"),
    "bad_id": Provoked(body=changed(NOTIFY_BODY, discord_id="0")),
    "bad_key": Provoked(headers={"Idempotency-Key": "two words"}),
    "reused_key": Provoked(headers={"Idempotency-Key": "used"}),
    "unknown_action": Provoked(body=changed(NOTIFY_BODY, action="unheard_of")),
    "no_plan": Provoked(path=ROLES, body=changed(ROLES_BODY, plan=None)),
    "role_in_both_lists": Provoked(path=ROLES, body=changed(ROLES_BODY, remove_roles=["11"])),
    "unknown_path": Provoked(path="/internal/nowhere"),
    "unknown_method": Provoked(method="PUT"),
}


REFUSALS: dict[str, Example] = {
    one.name: one
    for refusals in (*(one.refusals for one in ENDPOINTS), NOT_FOUND, METHOD_NOT_ALLOWED)
    for one in refusals
}
# Those that have a test of their own: below, of bad bodies, and of a store that is away.
ELSEWHERE = {"too_slow", "unforeseen", "store_unavailable"}


def test_every_refusal_is_provoked() -> None:
    assert REFUSALS.keys() == PROVOKED.keys() | ELSEWHERE


@asynccontextmanager
async def open_prepared(database: Database, setup: Setup) -> AsyncIterator[Api]:
    async with open_api(database, setup) as api:
        if setup == EVERYTHING:
            other = changed(NOTIFY_BODY, plan="another")
            headers = {"Idempotency-Key": "used", "Content-Type": "application/json"}
            assert (await api.client.post(NOTIFY, content=other, headers=headers)).is_success
        yield api


@pytest.mark.parametrize("name", PROVOKED)
async def test_the_api_refuses_as_the_example_says(
    sqlite_database: Database, log: Log, name: str
) -> None:
    example, provoked = REFUSALS[name], PROVOKED[name]
    async with open_prepared(sqlite_database, provoked.setup) as api:
        headers = {"Content-Type": "application/json", **provoked.headers}
        if headers.get("Authorization") == "":
            del api.client.headers["Authorization"], headers["Authorization"]
        response = await api.client.request(
            provoked.method, provoked.path, content=provoked.body, headers=headers
        )
    assert (response.status_code, response.content) == (example.status, example.body)


async def test_a_body_that_does_not_come(sqlite_database: Database, log: Log) -> None:
    example = REFUSALS["too_slow"]
    setup = structs.replace(EVERYTHING, answer_within=0.1)
    async with open_api(sqlite_database, setup) as api, connect(api.port) as connection:
        headers = (b"Content-Type: application/json", b"Content-Length: 20")
        await connection.send(request("POST", NOTIFY, *headers, secret=SECRET) + b"{")
        answer = await asyncio.wait_for(connection.receive(), 5)
    assert (answer.status, answer.body) == (example.status, example.body)
