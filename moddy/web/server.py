"""Serving an application on a port, over IPv6 and IPv4 alike."""

from __future__ import annotations

import errno
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from aiohttp import web

from moddy.errors import AddressInUse

log = structlog.get_logger(__name__)

BACKLOG = 512
KEEP_ALIVE = 75.0  # seconds
# Seconds for requests in hand when the server stops; they are told to finish before.
SHUTDOWN_TIMEOUT = 2.5
# Seconds during which the rest of a refused body is read and dropped.
LINGERING = 2.0


@asynccontextmanager
async def serve(
    app: web.Application, port: int, *, setting: str, loopback: bool = False
) -> AsyncIterator[web.AppRunner]:
    """Serve `app` on `port` while the body runs; 0 lets the system choose one.

    With `loopback` only this machine reaches it.

    Raises:
        AddressInUse: the port is taken; names `setting`, the variable to change.
    """
    sock = _open_socket(port, setting, loopback=loopback)
    runner = web.AppRunner(
        app,
        access_log=None,
        auto_decompress=False,
        keepalive_timeout=KEEP_ALIVE,
        lingering_time=LINGERING,
        shutdown_timeout=SHUTDOWN_TIMEOUT,
    )
    try:
        await runner.setup()
        await web.SockSite(runner, sock, backlog=BACKLOG).start()
        log.info("serving", setting=setting, port=sock.getsockname()[1])
        yield runner
    finally:
        await runner.cleanup()
        sock.close()


def bound_port(runner: web.AppRunner) -> int:
    """Return the port that is served."""
    port: int = runner.addresses[0][1]
    return port


def _open_socket(port: int, setting: str, *, loopback: bool) -> socket.socket:
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
