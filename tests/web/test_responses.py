"""The answers' form in HTTP: head, body, and whether the connection goes on."""

from __future__ import annotations

import asyncio
import time
from email.utils import parsedate_to_datetime

import pytest

from tests.web.api import SECRET, Api
from tests.web.raw import connect, exchange, request

LARGE = 1_500_000  # bytes: more than what aiohttp takes before somebody reads


async def test_the_head_of_an_answer(lite: Api) -> None:
    answer = await exchange(lite.port, request("GET", "/internal/health", secret=SECRET))
    assert set(answer.headers) == {
        "content-type", "content-length", "date", "server", "x-request-id"
    }  # fmt: skip
    told = parsedate_to_datetime(answer.headers["date"])
    assert answer.headers["date"].endswith(" GMT")
    assert abs(told.timestamp() - time.time()) < 3


async def test_the_date_goes_on(lite: Api) -> None:
    dates: set[str] = set()
    async with asyncio.timeout(5), connect(lite.port) as connection:
        while len(dates) < 2:
            await connection.send(request("GET", "/"))
            dates.add((await connection.receive()).headers["date"])
            await asyncio.sleep(0.05)


async def test_head_is_get_without_a_body(lite: Api) -> None:
    for path in ("/", "/internal/health", "/nowhere"):
        got = await exchange(lite.port, request("GET", path, secret=SECRET))
        data = request("HEAD", path, b"Connection: close", secret=SECRET)
        async with connect(lite.port) as connection:
            await connection.send(data)
            head, _, rest = (await connection.rest(5)).partition(b"\r\n\r\n")
        assert rest == b""
        assert f"HTTP/1.1 {got.status} ".encode() in head + b" "
        assert f"content-length: {len(got.body)}".encode() in head.lower()


@pytest.mark.parametrize(
    ("version", "asked", "told", "goes_on"),
    [
        (b"1.1", None, None, True),
        (b"1.1", b"close", "close", False),
        (b"1.1", b"keep-alive", None, True),
        (b"1.0", None, None, False),
        (b"1.0", b"keep-alive", "keep-alive", True),
    ],
)
async def test_whether_a_connection_goes_on(
    lite: Api, version: bytes, asked: bytes | None, told: str | None, goes_on: bool
) -> None:
    headers = [] if asked is None else [b"Connection: " + asked]
    data = request("GET", "/", *headers).replace(b"HTTP/1.1", b"HTTP/" + version)
    async with connect(lite.port) as connection:
        for _ in range(3 if goes_on else 1):
            await connection.send(data)
            answer = await connection.receive()
            assert (answer.status, answer.headers.get("connection")) == (200, told)
        if not goes_on:
            assert await connection.rest(5) == b""


@pytest.mark.parametrize(("secret", "status"), [(SECRET, 413), ("wrong", 403)])
@pytest.mark.parametrize("chunked", [True, False])
async def test_what_comes_behind_a_body_that_nobody_wants(
    lite: Api, secret: str, status: int, chunked: bool
) -> None:
    """It is let in again once it had to wait, and what follows it is served."""
    body = b"x" * LARGE
    headers = [b"Content-Type: application/json"]
    if chunked:
        headers.append(b"Transfer-Encoding: chunked")
        body = b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n"
    else:
        headers.append(b"Content-Length: %d" % len(body))
    data = request("POST", "/internal/notify", *headers, secret=secret) + body
    async with connect(lite.port) as connection:
        sending = asyncio.create_task(connection.send(data + request("GET", "/") * 40))
        assert (await connection.receive()).status == status
        for _ in range(40):
            assert (await connection.receive()).status == 200
        await sending


async def test_many_bodies_behind_one_another(lite: Api) -> None:
    body = b'{"discord_id":"42","action":"plan_upgraded","metadata":{"x":"%s"}}' % (b"x" * 60_000)
    data = request("POST", "/internal/notify", secret=SECRET, body=body)
    async with connect(lite.port) as connection:
        sending = asyncio.create_task(connection.send(data * 50))
        for _ in range(50):
            assert (await connection.receive()).status == 200
        await sending
