"""Bad bodies: not JSON, too large, of another type or broken on the way."""

from __future__ import annotations

import asyncio
import gzip
import time
from typing import Any

import msgspec
import pytest

from tests.web.api import SECRET, Api
from tests.web.conftest import Log
from tests.web.posting import ENDPOINTS, NOTIFY, refused, send
from tests.web.raw import RawResponse, connect, exchange, request

LIMIT = 65_536
SPECIMEN = b'{"discord_id":"42","action":"plan_upgraded","plan":"x","metadata":%s}'
NOT_JSON = [
    b"",
    b" ",
    b"{",
    b'{"discord_id":"42","action":"plan_upgraded"',
    b'{"discord_id":"42","action":"plan_upgraded"}}',
    b"{'discord_id': '42'}",
    b"discord_id=42&action=plan_upgraded",
    b'{"discord_id":"42","action":"plan_upgraded","metadata":{"amount":NaN}}',
    b'{"discord_id":"42","action":"plan_upgraded","plan":"\x01"}',
    b'{"discord_id":"42","action":"plan_upgraded","plan":"\\x"}',
    b"\xff\xfe" + '{"discord_id":"42"}'.encode("utf-16-le"),
    '{"discord_id":"42"}'.encode("utf-16"),
    '{"discord_id":"42"}'.encode("utf-32"),
    b'\xef\xbb\xbf{"discord_id":"42","action":"plan_upgraded"}',
    '{"discord_id":"42","action":"plan_upgraded","plan":"é"}'.encode("latin-1"),
    b'{"discord_id":"42","action":"plan_upgraded","unknown":"\xed\xa0\x80"}',
    b'{"discord_id":"42","action":"plan_upgraded","plan":"\\ud800"}',
    b'{"discord_id":"42","action":"plan_upgraded","plan":"\\udc00\\ud800"}',
    b'{"discord_id":"42","action":"plan_upgraded","\\ud800":1}',
    b'{"discord_id":"42","action":"plan_upgraded","plan":"\\u12"}',
    gzip.compress(b'{"discord_id":"42","action":"plan_upgraded"}'),
    bytes(range(256)),
    b"\x00",
]


@pytest.mark.parametrize("path", [path for path, _ in ENDPOINTS])
async def test_what_is_not_json_in_utf_8(lite: Api, path: str) -> None:
    for body in NOT_JSON:
        assert refused(await send(lite, body, path=path), 400), body
    assert not await lite.rows()


async def test_deep_nesting_is_no_fault_of_ours(lite: Api) -> None:
    for opening, closing in ((b"[", b"]"), (b'{"a":', b"}")):
        for wanted in (200, 480, 600, 900, 2_000, 32_000):
            depth = min(wanted, 60_000 // (len(opening) + len(closing)))
            nested = opening * depth + b"1" + closing * depth
            response = await send(lite, SPECIMEN % (b'{"x":' + nested + b"}"))
            assert response.status in ((200,) if depth <= 200 else (200, 400)), depth
            assert (await send(lite, nested)).status in (400, 422)


async def test_numbers_of_any_size(api: Api) -> None:
    for digits in (19, 20, 100, 4_300, 4_301, 5_000, 60_000):
        number = b"9" * digits
        for value in (number, b"-" + number, number + b".5", b"1e" + number, b"0." + number):
            response = await send(api, SPECIMEN % (b'{"amount":' + value + b"}"))
            assert response.status in (200, 400), (digits, response.body)
        response = await send(api, b'{"discord_id":' + number + b"}")
        assert response.status == (422 if digits <= 100 else response.status)
        assert response.status in (400, 422)


@pytest.mark.parametrize(("path", "body"), ENDPOINTS)
async def test_the_size_limit_is_exact(lite: Api, path: str, body: dict[str, Any]) -> None:
    lite.roles.add_member("42")
    lite.roles.add_role("11")
    empty = len(msgspec.json.encode(body | {"unknown": ""}))
    largest = msgspec.json.encode(body | {"unknown": "x" * (LIMIT - empty)})
    assert len(largest) == LIMIT
    assert (await send(lite, largest, path=path)).status == 200
    assert (await send_chunked(lite, path, largest)).status == 200
    assert refused(await send(lite, largest + b" ", path=path), 413)
    assert refused(await send_chunked(lite, path, largest + b" "), 413)
    assert refused(await send_chunked(lite, path, largest + b" " * 300_000), 413)
    assert len(await lite.rows()) == 2


async def test_an_announced_body_beyond_the_limit_is_not_waited_for(lite: Api) -> None:
    for length in (b"65537", b"99999999999"):
        headers = (b"Content-Type: application/json", b"Content-Length: " + length)
        data = request("POST", "/internal/notify", *headers, secret=SECRET)
        assert refused(await exchange(lite.port, data), 413)


OTHER_TYPES = [
    b"text/plain", b"application/x-www-form-urlencoded", b"application/jsonx", b"json", b"",
    b"text/json", b"multipart/form-data; boundary=x", b"application/octet-stream", b"\xff",
]  # fmt: skip


async def test_another_content_type(lite: Api) -> None:
    body = msgspec.json.encode(NOTIFY)
    for content_type in OTHER_TYPES:
        for path, _ in ENDPOINTS:
            response = await send(lite, body, b"Content-Type: " + content_type, path=path)
            assert refused(response, 415), content_type
    without = request("POST", "/internal/notify", b"Content-Length: 2", secret=SECRET)
    assert refused(await exchange(lite.port, without + b"{}"), 415)


async def test_the_content_types_of_json(lite: Api) -> None:
    body = msgspec.json.encode(NOTIFY)
    for content_type in (
        b"application/json",
        b"APPLICATION/JSON",
        b"application/json; charset=utf-8",
        b'application/json;charset="UTF-8"',
        b"application/problem+json",
    ):
        assert (await send(lite, body, b"Content-Type: " + content_type)).status == 200


async def test_a_compressed_body(lite: Api) -> None:
    body = gzip.compress(msgspec.json.encode(NOTIFY))
    for encoding in (b"gzip", b"deflate", b"br", b"GZIP", b"unheard-of"):
        assert refused(await send(lite, body, b"Content-Encoding: " + encoding), 415)
    plain = msgspec.json.encode(NOTIFY)
    assert (await send(lite, plain, b"Content-Encoding: identity")).status == 200


async def test_unknown_paths_and_methods(lite: Api) -> None:
    for path in ("/nowhere", "/internal/nowhere", "/internal/notify/", "/healthz", "/internal"):
        response = await lite.client.get(path)
        assert (response.status_code, response.json()) == (404, {"error": "Not Found"})
    for method, path, allow in (
        ("GET", "/internal/notify", "POST"),
        ("PUT", "/internal/roles/update", "POST"),
        ("POST", "/internal/health", "GET,HEAD"),
        ("DELETE", "/internal/users/1/premium", "GET,HEAD"),
        ("OPTIONS", "/internal/notify", "POST"),
        ("POST", "/", "GET,HEAD"),
    ):
        response = await lite.client.request(method, path)
        assert (response.status_code, response.headers["Allow"]) == (405, allow)
        assert response.json() == {"error": "Method Not Allowed"}


async def test_something_unforeseen_tells_nothing(lite: Api, log: Log) -> None:
    log.errors_expected = True
    del lite.gateway.ready  # what the handler needs is not there
    response = await lite.client.get("/internal/health")
    assert response.status_code == 500
    request_id = response.headers["X-Request-ID"]
    assert response.json() == {"error": "Internal server error", "request_id": request_id}
    (line,) = log.errors()
    assert (line["request_id"], line["error_type"]) == (request_id, "AttributeError")


@pytest.mark.slow
async def test_a_body_that_stops_arriving(lite: Api) -> None:
    started = time.monotonic()
    headers = (b"Content-Type: application/json", b"Content-Length: 100")
    data = request("POST", "/internal/notify", *headers, secret=SECRET) + b'{"discord_id"'
    assert refused(await exchange(lite.port, data), 408)
    assert time.monotonic() - started < 9


@pytest.mark.parametrize("how", ["abort", "end"])
async def test_a_caller_that_goes_away(lite: Api, how: str) -> None:
    for framing in (b"Content-Length: 100", b"Transfer-Encoding: chunked"):
        headers = (b"Content-Type: application/json", framing)
        data = request("POST", "/internal/notify", *headers, secret=SECRET)
        async with connect(lite.port) as connection:
            start = b"50\r\n" if b"chunked" in framing else b""
            await connection.send(data + start + b'{"discord_id"')
            await asyncio.sleep(0.05)
            if how == "end":
                connection.end()
                await asyncio.sleep(0.05)
    await asyncio.sleep(0.1)
    assert (await lite.notify(NOTIFY)).status_code == 200


CHUNKS = [b"zz\r\n", b"5\r\n{}\r\n", b"-1\r\n", b"2\r\n{}x\r\n", b"f" * 17 + b"\r\n", b"\x00"]


@pytest.mark.slow
async def test_broken_chunks(lite: Api) -> None:
    async def send_chunks(chunks: bytes, secret: str, pause: float) -> int:
        headers = (b"Content-Type: application/json", b"Transfer-Encoding: chunked")
        data = request("POST", "/internal/notify", *headers, secret=secret)
        async with connect(lite.port) as connection:
            await connection.send(data)
            await asyncio.sleep(pause)
            await connection.send(chunks + b"0\r\n\r\n")
            return (await connection.receive()).status

    for secret, expected in ((SECRET, {400, 408}), ("wrong", {400, 403})):
        cases = [send_chunks(one, secret, pause) for one in CHUNKS for pause in (0.0, 0.05)]
        assert set(await asyncio.gather(*cases)) <= expected
    assert (await lite.notify(NOTIFY)).status_code == 200


async def send_chunked(api: Api, path: str, body: bytes) -> RawResponse:
    """Send a body without saying how long it is."""
    headers = (b"Content-Type: application/json", b"Transfer-Encoding: chunked")
    data = request("POST", path, *headers, secret=SECRET)
    for start in range(0, len(body), 10_000):
        chunk = body[start : start + 10_000]
        data += f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n"
    return await exchange(api.port, data + b"0\r\n\r\n")
