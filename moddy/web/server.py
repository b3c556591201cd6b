"""Serving an application on a port, over IPv6 and IPv4 alike."""

from __future__ import annotations

import asyncio
import errno
import resource
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, cast

import structlog
from aiohttp import web
from aiohttp.http import HttpRequestParser
from aiohttp.typedefs import Handler

from moddy.errors import AddressInUse, HttpParserMissing
from moddy.web.connections import Connections
from moddy.web.keys import DISPATCH, SERVED

log = structlog.get_logger(__name__)

BACKLOG = 512
# Connections that are taken before those taken already are served; the system keeps the others.
ACCEPTED_AT_ONCE = 16
# Of one port. At most a quarter of the files that this process may have open: so the two ports
# together leave half of them to Discord, the store and the backend.
MAX_CONNECTIONS = 1000
# Of which requests in hand; each waits for Discord for seconds when Discord is slow.
MAX_REQUESTS = 256
KEEP_ALIVE = 75.0  # seconds
# Seconds for requests in hand when the server stops; they are told to finish before.
SHUTDOWN_TIMEOUT = 2.5
# Seconds during which the rest of a refused body is read and dropped.
LINGERING = 2.0


@asynccontextmanager
async def serve(
    app: web.Application,
    port: int,
    *,
    setting: str,
    loopback: bool = False,
    max_connections: int | None = None,
) -> AsyncIterator[web.AppRunner]:
    """Serve `app` on `port` while the body runs; 0 lets the system choose one.

    What `app` has as its `DISPATCH` is put around it. With `loopback` only this machine reaches
    it. `max_connections` is `connection_limit` when it is None.

    Raises:
        AddressInUse: the port is taken; names `setting`, the variable to change.
        HttpParserMissing: aiohttp would parse requests in Python.
    """
    require_compiled_parser()
    sock = open_socket(port, setting, loopback=loopback)
    runner = web.AppRunner(app, shutdown_timeout=SHUTDOWN_TIMEOUT)
    if not app.get(SERVED):  # it may be served on several ports
        app[SERVED] = True
    try:
        await runner.setup()
        _put_around(runner, app)
        limit = connection_limit() if max_connections is None else max_connections
        await _Site(runner, sock, setting=setting, limit=limit).start()
        log.info("serving", setting=setting, port=sock.getsockname()[1])
        yield runner
    finally:
        await runner.cleanup()
        sock.close()


def _put_around(runner: web.AppRunner, app: web.Application) -> None:
    dispatch = app.get(DISPATCH)
    if dispatch is not None:
        assert runner.server is not None  # noqa: S101 (it was set up)
        handler = cast("Handler", runner.server.request_handler)
        runner.server.request_handler = partial(cast("Any", dispatch), handler=handler)


class _Site(web.BaseSite):
    """A listening socket whose connections are bounded, in number and in time."""

    def __init__(
        self, runner: web.AppRunner, sock: socket.socket, *, setting: str, limit: int
    ) -> None:
        super().__init__(runner)
        self._sock = sock
        self._setting = setting
        self._limit = limit

    @property
    def name(self) -> str:
        """What it is called in aiohttp's messages."""
        return self._setting

    async def start(self) -> None:
        """Begin to accept connections."""
        await super().start()
        assert self._runner.server is not None  # noqa: S101 (BaseSite has made sure)
        connections = Connections(
            self._runner.server,
            limit=self._limit,
            setting=self._setting,
            options={
                "access_log": None,
                "auto_decompress": False,
                "keepalive_timeout": KEEP_ALIVE,
                "lingering_time": LINGERING,
            },
        )
        self._server = await asyncio.get_running_loop().create_server(
            connections, sock=self._sock, backlog=ACCEPTED_AT_ONCE
        )
        # asyncio has one number for how many the system keeps and how many it takes at once.
        self._sock.listen(BACKLOG)


def connection_limit() -> int:
    """Return how many connections one port may have, by the limit of open files."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return max(1, min(MAX_CONNECTIONS, files // 4))


def request_limit() -> int:
    """Return how many requests may be in hand: connections are left to refuse the others on."""
    return max(1, min(MAX_REQUESTS, connection_limit() // 2))


def require_compiled_parser() -> None:
    """Make sure of aiohttp's parser in C: the other one takes several times the processor time.

    Raises:
        HttpParserMissing: it is not there.
    """
    if HttpRequestParser.__module__ != "aiohttp._http_parser":
        raise HttpParserMissing(
            "aiohttp's compiled HTTP parser is missing: unset AIOHTTP_NO_EXTENSIONS, or install "
            "an aiohttp wheel for this Python"
        )


def bound_port(runner: web.AppRunner) -> int:
    """Return the port that is served."""
    port: int = runner.addresses[0][1]
    return port


def open_socket(port: int, setting: str, *, loopback: bool) -> socket.socket:
    """Return a listening socket for IPv6 and IPv4. Raises AddressInUse."""
    try:
        if loopback:
            return socket.create_server(("127.0.0.1", port), backlog=BACKLOG)
        if socket.has_dualstack_ipv6():
            # Plain `::` would not answer IPv4; their peers read ::ffff:… here.
            return socket.create_server(
                ("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=BACKLOG
            )
        log.warning("no dual-stack sockets here: serving IPv4 only", setting=setting)
        return socket.create_server(("0.0.0.0", port), backlog=BACKLOG)  # noqa: S104
    except OSError as error:
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            raise AddressInUse(
                f"{setting}: port {port} cannot be opened ({error.strerror}); end what holds it, "
                f"or set {setting} to another port"
            ) from error
        raise
