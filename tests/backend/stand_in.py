"""The backend as tests need it: a real HTTP server on loopback, and one of raw bytes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from aiohttp.abc import AbstractResolver
from multidict import CIMultiDict
from yarl import URL

from moddy.backend import BackendClient, RetryPolicy, open_backend_client

SECRET = "s3cret-planted-by-the-test"
EMAIL = "planted@example.org"
QUICK = RetryPolicy(wait_initial=0.0, wait_max=0.01, wait_jitter=0.0)


class Received:
    """One request as it came in."""

    def __init__(self, request: web.Request, body: bytes) -> None:
        self.method = request.method
        self.path = request.path
        self.headers: CIMultiDict[str] = CIMultiDict(request.headers)
        self.body = body


Respond = Callable[[web.Request], web.StreamResponse]


class StandIn:
    """Answers each request with the next of `answers`, the last one for ever, and keeps it."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.answers: list[Respond] = []
        self.base_url = URL()

    def answer(
        self, *payloads: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] = {}
    ) -> None:
        """Add JSON answers."""
        for payload in payloads:
            self.answers.append(
                lambda _, payload=payload: web.json_response(  # type: ignore[misc]
                    payload, status=status, headers=headers
                )
            )

    def respond(self, **kwargs: Any) -> None:
        """Add an answer of any kind: the arguments of `web.Response`."""
        self.answers.append(lambda _: web.Response(**kwargs))

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.received.append(Received(request, await request.read()))
        respond = self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)
        return respond(request)

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self.handle)
        return app


RawHandler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def raw_server(handler: RawHandler, *, port: int = 0) -> AsyncIterator[URL]:
    """Serve raw connections on loopback; port 0 means a free one."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        finally:
            writer.close()

    def on_connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.create_task(serve(reader, writer)))

    server = await asyncio.start_server(on_connect, "127.0.0.1", port)
    port = server.sockets[0].getsockname()[1]
    try:
        yield URL.build(scheme="http", host="127.0.0.1", port=port)
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """Read one whole request and return it."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    return head + await reader.readexactly(length)


async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read a request and reset the connection."""
    await read_request(reader)
    raw: socket.socket = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    writer.transport.abort()


class NoSuchName(AbstractResolver):
    """Resolves nothing, as a DNS that is not ready."""

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> Any:
        raise OSError(socket.EAI_NONAME, "Name or service not known")

    async def close(self) -> None:
        """There is nothing to close."""


@asynccontextmanager
async def client_for(
    base_url: URL, *, secret: str | None = SECRET, seconds: float = 5.0
) -> AsyncIterator[BackendClient]:
    """A client that retries without waiting."""
    async with open_backend_client(
        base_url=base_url, secret=secret, seconds=seconds, retries=QUICK
    ) as client:
        yield client
