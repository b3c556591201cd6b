"""The cases that a test of the connection tells apart."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest
from yarl import URL

from moddy.backend import BackendClient, Case, Diagnosis
from moddy.backend.diagnosis import CAUSES
from tests.backend.stand_in import SECRET, NoSuchName, StandIn, client_for, raw_server, read_request
from tests.backend.test_endpoints import HEALTH


async def _silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read(-1)


async def _hang_up(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await read_request(reader)


async def test_success(client: BackendClient, stand_in: StandIn) -> None:
    stand_in.answer(HEALTH)
    diagnosis = await client.test_connection()
    assert (diagnosis.case, diagnosis.ok, diagnosis.causes) == (Case.OK, True, ())
    assert diagnosis.status == 200
    assert diagnosis.milliseconds >= 0
    assert stand_in.received[0].headers["Authorization"] == f"Bearer {SECRET}"


@pytest.mark.parametrize(
    ("status", "payload", "case"),
    [
        (401, {"error": "Missing Authorization header"}, Case.UNAUTHORIZED),
        (403, {"error": "Invalid internal API secret"}, Case.UNAUTHORIZED),
        (200, {"hello": "world"}, Case.CONTRACT_BROKEN),
        (200, ["not an object"], Case.CONTRACT_BROKEN),
        (302, {}, Case.CONTRACT_BROKEN),
        (404, {"detail": "Not Found"}, Case.CONTRACT_BROKEN),
        (405, {"detail": "Method Not Allowed"}, Case.CONTRACT_BROKEN),
        (429, {}, Case.UNAVAILABLE),
        (500, {"detail": "down"}, Case.UNAVAILABLE),
        (503, {}, Case.UNAVAILABLE),
    ],
)
async def test_answers(
    client: BackendClient, stand_in: StandIn, status: int, payload: Any, case: Case
) -> None:
    stand_in.answer(payload, status=status)
    diagnosis = await client.test_connection()
    assert (diagnosis.case, diagnosis.status, diagnosis.ok) == (case, status, False)
    assert len(stand_in.received) == 1  # a diagnosis is one call


async def test_the_name_does_not_resolve() -> None:
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(resolver=NoSuchName()))
    async with session:
        client = BackendClient(
            session=session, base_url=URL("http://typo.railway.internal:8080"), secret=SECRET
        )
        diagnosis = await client.test_connection()
    assert diagnosis.case is Case.NAME_NOT_RESOLVED
    assert any("project" in cause for cause in diagnosis.causes)
    assert any("first seconds after start" in cause for cause in diagnosis.causes)


async def test_connection_refused(unused_tcp_port: int) -> None:
    async with client_for(URL(f"http://127.0.0.1:{unused_tcp_port}")) as client:
        diagnosis = await client.test_connection()
    assert (diagnosis.case, diagnosis.status) == (Case.CONNECTION_REFUSED, None)
    assert any("port" in cause for cause in diagnosis.causes)


async def test_timeout() -> None:
    async with raw_server(_silent) as url, client_for(url, seconds=0.2) as client:
        diagnosis = await client.test_connection()
    assert diagnosis.case is Case.TIMEOUT
    assert diagnosis.timeout == 0.2
    assert 190 <= diagnosis.milliseconds < 3000


async def test_a_connection_that_is_closed() -> None:
    async with raw_server(_hang_up) as url, client_for(url) as client:
        assert (await client.test_connection()).case is Case.UNAVAILABLE


async def test_tls(stand_in: StandIn) -> None:
    async with client_for(stand_in.base_url.with_scheme("https")) as client:
        assert (await client.test_connection()).case is Case.TLS_FAILED


@pytest.mark.parametrize("secret", [None, "two\nlines"])
async def test_no_usable_secret(stand_in: StandIn, secret: str | None) -> None:
    async with client_for(stand_in.base_url, secret=secret) as client:
        diagnosis = await client.test_connection()
    assert diagnosis.case is Case.SECRET_NOT_SET
    assert diagnosis.secret_length == len(secret or "")
    assert stand_in.received == []


async def test_it_shows_url_timeout_and_the_secrets_length_only(
    client: BackendClient, stand_in: StandIn
) -> None:
    stand_in.answer({"error": f"Invalid secret: {SECRET}"}, status=403)
    base = stand_in.base_url.with_user("admin").with_password("hunter2").with_query(q="hidden")
    async with client_for(base) as odd:
        diagnosis = await odd.test_connection()
    text = str(diagnosis)
    for shown in (str(stand_in.base_url), "5 s", f"{len(SECRET)} characters", "unauthorized"):
        assert shown in text
    for hidden in (SECRET, "admin", "hunter2", "hidden"):
        assert hidden not in text + repr(diagnosis)


def test_the_lines() -> None:
    diagnosis = Diagnosis(
        case=Case.TLS_FAILED,
        url="https://backend.invalid",
        timeout=10.0,
        secret_length=32,
        milliseconds=7,
        found="the TLS handshake failed",
    )
    assert diagnosis.lines() == (
        "Backend connection: tls_failed (the TLS handshake failed; 7 ms)",
        "  URL: https://backend.invalid",
        "  timeout: 10 s",
        "  secret: 32 characters",
        "  likely cause: BACKEND_INTERNAL_URL says https:// and the backend speaks plain HTTP",
        "  likely cause: the backend's certificate is not valid for this name",
    )
    assert str(diagnosis) == "\n".join(diagnosis.lines())


@pytest.mark.parametrize("case", Case)
def test_each_trouble_has_likely_causes(case: Case) -> None:
    assert bool(CAUSES[case]) == (case is not Case.OK)
