"""Authentication: every row of the contract's table, and what a row leaves open."""

from __future__ import annotations

import time

import pytest
from aiohttp import web

from moddy.store.database import Database
from moddy.web.app import make_public_app
from tests.web.api import EVERYTHING, PREVIOUS, SECRET, Api, Setup, open_api, open_client
from tests.web.raw import connect, exchange, request

PATHS = [
    ("GET", "/internal/health"),
    ("GET", "/internal/users/1/premium"),
    ("POST", "/internal/notify"),
    ("POST", "/internal/roles/update"),
    ("GET", "/internal"),
    ("GET", "/internal/"),
    ("GET", "/internal/no-such-thing"),
    ("DELETE", "/internal/notify"),
    ("GET", "/%69nternal/health"),
    ("GET", "/internal%2Fhealth"),
    ("GET", "/internal/../internal/health"),
]
MISSING = {"error": "Missing Authorization header"}
BAD_FORMAT = {"error": "Invalid Authorization format"}
WRONG = {"error": "Invalid internal API secret"}
NOT_CONFIGURED = {"error": "Internal API secret not configured"}


async def test_no_path_under_internal_answers_without_the_secret(lite: Api) -> None:
    bad = {"Authorization": "Bearer wrong"}
    async with open_client(lite.port, {}) as client:
        for method, path in PATHS:
            missing = await client.request(method, path)
            assert (missing.status_code, missing.json()) == (401, MISSING), path
            assert missing.headers["WWW-Authenticate"] == "Bearer"
            wrong = await client.request(method, path, headers=bad)
            assert (wrong.status_code, wrong.json()) == (403, WRONG), path


OTHER_FORMATS = [
    b"", b"Bearer", b"Bearer ", b"Basic " + SECRET.encode(), SECRET.encode(), b"Bearer\tx", b"\xff",
]  # fmt: skip
OTHER_SECRETS = [
    b"wrong", b"\xff\xfe\x80", "cl\xe9".encode(), SECRET.encode() + b"x", SECRET.encode()[:-1],
    SECRET.encode() + b" " + SECRET.encode(), SECRET.upper().encode(), b"a" * 8000,
    PREVIOUS.encode(),
]  # fmt: skip


async def test_another_format_is_refused(lite: Api) -> None:
    for value in OTHER_FORMATS:
        data = request("GET", "/internal/health", b"Authorization: " + value)
        response = await exchange(lite.port, data)
        assert (response.status, response.json()) == (401, BAD_FORMAT), value
        assert response.headers["www-authenticate"] == "Bearer"


async def test_another_secret_of_any_bytes_is_refused(lite: Api) -> None:
    for value in OTHER_SECRETS:
        data = request("GET", "/internal/health", b"Authorization: Bearer " + value)
        response = await exchange(lite.port, data)
        assert (response.status, response.json()) == (403, WRONG), value


async def test_the_scheme_is_case_insensitive(lite: Api) -> None:
    for scheme in ("Bearer", "bearer", "BEARER", "bEaReR"):
        headers = {"Authorization": f"{scheme} {SECRET}"}
        assert (await lite.client.get("/internal/health", headers=headers)).status_code == 200


@pytest.mark.parametrize("secret", ["clé-€-秘密", "\udcff\udc80 raw bytes", "a b c", "x" * 4000])
async def test_a_secret_of_any_characters_is_accepted(
    sqlite_database: Database, secret: str
) -> None:
    # As the environment gives bytes that are not UTF-8: as surrogates.
    as_bytes = secret.encode("utf-8", "surrogateescape")
    async with open_api(sqlite_database, Setup(secret=secret)) as api:
        good = request("GET", "/internal/health", b"Authorization: Bearer " + as_bytes)
        assert (await exchange(api.port, good)).status == 200
        for other in (as_bytes[:-1], bytes([as_bytes[0] ^ 1]) + as_bytes[1:]):
            bad = request("GET", "/internal/health", b"Authorization: Bearer " + other)
            assert (await exchange(api.port, bad)).status == 403


async def test_the_previous_secret_is_accepted_during_a_rotation(sqlite_database: Database) -> None:
    async with open_api(sqlite_database, Setup(previous_secret=PREVIOUS)) as api:
        for secret, status in ((SECRET, 200), (PREVIOUS, 200), ("neither", 403)):
            headers = {"Authorization": f"Bearer {secret}"}
            response = await api.client.get("/internal/health", headers=headers)
            assert response.status_code == status


@pytest.mark.parametrize("previous", [None, PREVIOUS])
async def test_without_a_configured_secret_nothing_is_served(
    sqlite_database: Database, previous: str | None
) -> None:
    async with open_api(sqlite_database, Setup(secret=None, previous_secret=previous)) as api:
        for header in (None, "Bearer", f"Bearer {SECRET}", f"Bearer {PREVIOUS}", "Basic x"):
            headers = {"Authorization": header} if header else {}
            for method, path in PATHS:
                response = await api.client.request(method, path, headers=headers)
                assert (response.status_code, response.json()) == (503, NOT_CONFIGURED)
        assert (await api.client.get("/")).status_code == 200


async def test_the_answer_does_not_wait_for_the_body(lite: Api) -> None:
    started = time.monotonic()
    async with connect(lite.port) as connection:
        length = b"Content-Length: 60000"
        await connection.send(request("POST", "/internal/notify", length, secret="wrong"))
        assert (await connection.receive()).json() == WRONG
    assert time.monotonic() - started < 2.5  # a body may take 3 s


async def test_a_body_is_asked_for_only_with_the_secret(lite: Api) -> None:
    body = b'{"discord_id": "1", "action": "plan_upgraded"}'
    expect = (
        b"Expect: 100-continue",
        b"Content-Type: application/json",
        f"Content-Length: {len(body)}".encode(),
    )
    refused = await exchange(
        lite.port, request("POST", "/internal/notify", *expect, secret="wrong")
    )
    assert (refused.status, refused.json()) == (403, WRONG)
    async with connect(lite.port) as connection:
        await connection.send(request("POST", "/internal/notify", *expect, secret=SECRET))
        assert (await connection.receive()).status == 100
        await connection.send(body)
        assert (await connection.receive()).status == 200


async def test_an_unknown_expectation_changes_nothing(lite: Api) -> None:
    expect = b"Expect: the-unexpected"
    refused = await exchange(lite.port, request("GET", "/internal/health", expect))
    assert (refused.status, refused.json()) == (401, MISSING)
    accepted = await exchange(lite.port, request("GET", "/internal/health", expect, secret=SECRET))
    assert accepted.status == 200


async def test_absolute_and_odd_targets_do_not_go_round_the_check(lite: Api) -> None:
    for target in (
        "http://moddy.railway.internal:3000/internal/health",
        "//internal/health",
        "/./internal/health",
        "/x/../internal/health",
        "/internal;x/health",
        "/internal?x/health",
        "/INTERNAL/health",
        "/internal/health/",
        "*",
    ):
        response = await exchange(lite.port, request("GET", target))
        assert response.status in (400, 401, 404), target


async def test_nothing_but_our_server_serves_it(sqlite_database: Database) -> None:
    """Whatever else served it would ask nobody for the secret."""
    for app in (Api(sqlite_database, EVERYTHING).app, make_public_app()):
        runner = web.AppRunner(app)
        with pytest.raises(RuntimeError, match="dispatch"):
            await runner.setup()
        await runner.cleanup()


async def test_both_address_families_reach_the_port(lite: Api) -> None:
    for host in ("127.0.0.1", "::1"):
        async with connect(lite.port, host) as connection:
            await connection.send(request("GET", "/internal/health", secret=SECRET))
            assert (await connection.receive()).status == 200
