"""How long a request may take to arrive, and how many connections and requests there may be."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from moddy.store.database import Database
from moddy.web.app import make_public_app
from moddy.web.server import MAX_CONNECTIONS, bound_port, connection_limit, request_limit, serve
from tests.web.api import SECRET, Api, Setup, open_api
from tests.web.conftest import Log
from tests.web.posting import NOTIFY, refused
from tests.web.raw import Connection, RawResponse, connect, exchange, request

HEAD = b"GET / HTTP/1.1\r\nHost: moddy\r\n"
LIMIT = 5.0  # seconds for the headers


@asynccontextmanager
async def public_page(*, max_connections: int | None = None) -> AsyncIterator[int]:
    """Serve the public page and return its port."""
    async with serve(
        make_public_app(), 0, setting="PORT", loopback=True, max_connections=max_connections
    ) as runner:
        yield bound_port(runner)


async def lifetime(port: int, *parts: bytes, pause: float, answers: int = 0) -> float:
    """Send parts with pauses between them, again and again the last one; return after how many
    seconds from the last answer, or from the connection, the server has closed it.
    """
    async with connect(port) as connection:
        started = time.monotonic()
        await connection.send(parts[0])
        for _ in range(answers):
            assert (await connection.receive()).status == 200
            started = time.monotonic()
        trickling = asyncio.create_task(trickle(connection, parts[1:], pause))
        try:
            assert await connection.rest(15) == b""
        finally:
            trickling.cancel()
        return time.monotonic() - started


async def receive_all(connection: Connection, count: int) -> None:
    """Read so many answers."""
    for _ in range(count):
        await connection.receive()


async def trickle(connection: Connection, parts: Sequence[bytes], pause: float) -> None:
    """Send parts with pauses before them, and the last one for ever."""
    for part in parts[:-1]:
        await asyncio.sleep(pause)
        await connection.send(part)
    while parts:
        await asyncio.sleep(pause)
        await connection.send(parts[-1])


@pytest.mark.slow
async def test_headers_have_five_seconds() -> None:
    async with public_page() as port:
        seconds = await asyncio.gather(
            lifetime(port, b"", pause=1),
            lifetime(port, HEAD, pause=1),
            lifetime(port, HEAD, b"X-More: x\r\n", pause=0.3),
            # On a connection that was served: from the next request's first byte.
            lifetime(port, HEAD + b"\r\n", HEAD, b"X", pause=0.5, answers=1),
        )
        assert all(LIMIT - 0.1 <= one < LIMIT + 1.5 for one in seconds), seconds
        # Who is within the time is served, and one that is idle is not closed.
        async with connect(port) as slow:
            for part in (HEAD, b"X-More: ", b"x\r\n", b"\r\n"):
                await slow.send(part)
                await asyncio.sleep(0.1)
            assert (await slow.receive()).status == 200
            await asyncio.sleep(LIMIT + 1)
            await slow.send(HEAD + b"\r\n")
            assert (await slow.receive()).status == 200


@pytest.mark.slow
async def test_a_body_has_until_the_answer_is_due(sqlite_database: Database) -> None:
    async with open_api(sqlite_database, Setup(answer_within=2.0)) as api:

        async def send(body: bytes, seconds: float, *, length: int = 44) -> RawResponse:
            headers = (b"Content-Type: application/json", b"Content-Length: %d" % length)
            async with connect(api.port) as connection:
                await connection.send(request("POST", "/internal/notify", *headers, secret=SECRET))
                for byte in body:
                    await asyncio.sleep(seconds / len(body))
                    await connection.send(bytes([byte]))
                started = time.monotonic()
                answer = await connection.receive()
                if answer.status == 408:
                    assert await connection.rest(5) == b""
                    # The lingering time.
                    assert time.monotonic() - started < 4.5
                return answer

        body = b'{"discord_id":"42","action":"plan_upgraded"}'
        assert len(body) == 44
        whole, part = await asyncio.gather(send(body, 1.2), send(body[:10], 0.5))
        assert whole.status == 200
        assert refused(part, 408)


async def test_requests_in_hand_are_bounded(sqlite_database: Database, log: Log) -> None:
    async with open_api(sqlite_database, Setup(max_requests=2)) as api:
        api.messenger.gate.close()
        body = b'{"discord_id":"%d","action":"plan_upgraded"}'
        waiting = [
            asyncio.create_task(
                exchange(
                    api.port, request("POST", "/internal/notify", secret=SECRET, body=body % user)
                )
            )
            for user in (1, 2)
        ]
        while len(api.messenger.asked) < 2:  # noqa: ASYNC110 (a fake, which tells nobody)
            await asyncio.sleep(0.01)
        answer = await api.client.get("/internal/health")
        assert (answer.status_code, answer.json()) == (503, {"error": "Too many requests in hand"})
        assert int(answer.headers["Retry-After"]) > 0
        assert answer.headers["X-Request-ID"]
        [line] = log.lines(message="request", status=503)
        assert line["request_id"] == answer.headers["X-Request-ID"]
        # Who does not know the secret learns nothing of it, and takes no place.
        refusal = await exchange(api.port, request("GET", "/internal/health", secret="wrong"))
        assert refused(refusal, 403)
        api.messenger.gate.open()
        assert [one.status for one in await asyncio.gather(*waiting)] == [200, 200]
        assert (await api.client.get("/internal/health")).status_code == 200


async def test_a_refused_request_gives_its_place_back(sqlite_database: Database) -> None:
    async with open_api(sqlite_database, Setup(max_requests=1)) as api:
        for _ in range(3):
            assert (await api.client.post("/internal/notify", content=b"{")).status_code == 415
            assert (await api.client.get("/internal/nowhere")).status_code == 404
            assert (await api.notify(NOTIFY)).status_code == 200


async def test_connections_are_bounded(log: Log) -> None:
    """A new one takes the place of one that sends nothing, and then of one that is idle."""
    async with public_page(max_connections=3) as port, AsyncExitStack() as stack:

        async def open_one() -> Connection:
            return await stack.enter_async_context(connect(port))

        async def ask(connection: Connection) -> int:
            await connection.send(HEAD + b"\r\n")
            return (await connection.receive()).status

        served = [await open_one(), await open_one()]
        assert [await ask(one) for one in served] == [200, 200]
        silent = await open_one()
        late = await open_one()
        assert await silent.rest(2) == b""
        assert await ask(late) == 200
        assert await ask(served[1]) == 200
        # Now served[0] is the one that has been idle longest.
        assert await ask(await open_one()) == 200
        assert await served[0].rest(2) == b""
        assert await ask(served[1]) == 200
        [line] = log.lines(message="connections at their limit")
        assert (line["setting"], line["limit"]) == ("PORT", 3)


async def test_a_request_in_hand_keeps_its_connection(api: Api) -> None:
    """Beyond the bound nobody is cut off whose request is being worked on."""
    api.messenger.gate.close()
    async with (
        serve(api.app, 0, setting="PORT", max_connections=1) as runner,
        connect(bound_port(runner)) as connection,
    ):
        body = b'{"discord_id":"1","action":"plan_upgraded"}'
        await connection.send(request("POST", "/internal/notify", secret=SECRET, body=body))
        await api.messenger.gate.reached.wait()
        async with connect(bound_port(runner)) as other:
            assert await other.rest(2) == b""
        api.messenger.gate.open()
        assert (await connection.receive()).status == 200


@pytest.mark.slow
async def test_answers_that_nobody_reads(lite: Api) -> None:
    """Whoever asks and does not read is cut off, and the others are served meanwhile."""
    asking = request("GET", "/internal/openapi.json", secret=SECRET)
    async with connect(lite.port, receive_buffer=4096) as connection:
        connection.pause()
        await connection.send(asking * 1000)
        await asyncio.sleep(8)
        assert (await lite.client.get("/internal/health")).status_code == 200
        await asyncio.sleep(4)
        connection.resume()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await receive_all(connection, 1000)


def test_the_bounds_follow_the_limit_of_open_files(monkeypatch: pytest.MonkeyPatch) -> None:
    for files, connections, requests in (
        (256, 64, 32), (1024, 256, 128), (20_000, MAX_CONNECTIONS, 256), (-1, MAX_CONNECTIONS, 256)
    ):  # fmt: skip
        monkeypatch.setattr("resource.getrlimit", lambda _which, found=files: (found, found))
        assert (connection_limit(), request_limit()) == (connections, requests)
