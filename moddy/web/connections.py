"""The connections of a port: how many there may be, and how long a request may take to arrive.

aiohttp alone has no bound on either: it would hold a request whose headers never end for as long
as it is connected.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

import structlog
from aiohttp import web

log = structlog.get_logger(__name__)

# Seconds from the connection, or from the first byte of a later request, to the headers' end.
HEAD_TIMEOUT = 5.0
# Seconds for which a client may leave so many answers unread that no more can be written.
WRITE_TIMEOUT = 10.0
# Seconds between two lines about the same trouble.
SAY_AGAIN_AFTER = 60.0


class Connection(web.RequestHandler):
    """One connection, which tells its `Connections` what happens on it."""

    __slots__ = ("_connections", "_writing")

    def __init__(self, connections: Connections, server: web.Server, **options: Any) -> None:
        super().__init__(server, **options)
        self._connections = connections
        self._writing: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a place."""
        super().connection_made(transport)
        self._connections.opened(self, cast("asyncio.Transport", transport))

    def connection_lost(self, exc: BaseException | None) -> None:
        """Give the place back."""
        self.resume_writing_in_time()
        self._connections.closed(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take a part of a request; aiohttp also calls this with nothing."""
        if data:
            self._connections.heard(self)
        super().data_received(data)

    def pause_writing(self) -> None:
        """Wait for the client to read its answers, but not for ever."""
        super().pause_writing()
        if self.transport is not None:
            loop = asyncio.get_running_loop()
            self._writing = loop.call_later(WRITE_TIMEOUT, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on."""
        self.resume_writing_in_time()
        super().resume_writing()

    def resume_writing_in_time(self) -> None:
        """Wait for the client no longer."""
        if self._writing is not None:
            self._writing.cancel()
            self._writing = None


class Connections:
    """All connections of a server, at most `limit`.

    Beyond that a new one takes the place of another: of the one that has been waited for longest
    without its headers, else of the one that has been idle longest. So whoever sends a request
    at once is served, however many hold on to connections without asking for anything.

    Calling it makes a connection; `options` are those of `aiohttp.web.RequestHandler`.
    """

    def __init__(
        self, server: web.Server, *, limit: int, setting: str, options: dict[str, Any]
    ) -> None:
        self._server = server
        self._limit = limit
        self._setting = setting
        self._options = options
        self._loop = asyncio.get_running_loop()
        self._open: dict[Connection, asyncio.Transport] = {}
        # Since when, on the loop's clock; the oldest comes first in both.
        self._arriving: dict[Connection, float] = {}
        self._idle: dict[Connection, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._said_at = -SAY_AGAIN_AFTER
        self._handle = server.request_handler
        server.request_handler = self._answer

    def __call__(self) -> Connection:
        """Return the protocol of a new connection."""
        return Connection(self, self._server, loop=self._loop, **self._options)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._open)

    def opened(self, connection: Connection, transport: asyncio.Transport) -> None:
        """Wait for a new connection's first request, if there is a place for it."""
        if len(self._open) >= self._limit:
            self._make_room()
        self._open[connection] = transport
        if len(self._open) > self._limit:
            self._drop(connection)
            return
        self._expect(connection)

    def heard(self, connection: Connection) -> None:
        """Expect the rest of a request that begins on an idle connection."""
        if self._idle.pop(connection, None) is not None:
            self._expect(connection)

    def closed(self, connection: Connection) -> None:
        """Forget a connection."""
        for known in (self._open, self._arriving, self._idle):
            known.pop(connection, None)
        if not self._open and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expect(self, connection: Connection) -> None:
        self._arriving[connection] = self._loop.time()
        self._watch()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = cast("Connection", request.protocol)
        self._arriving.pop(connection, None)
        self._idle.pop(connection, None)
        try:
            return await self._handle(request)
        finally:
            if connection in self._open:
                self._idle[connection] = self._loop.time()

    def _watch(self) -> None:
        if self._timer is None and self._arriving:
            oldest = next(iter(self._arriving.values()))
            self._timer = self._loop.call_at(oldest + HEAD_TIMEOUT, self._drop_late)

    def _drop_late(self) -> None:
        self._timer = None
        late_since = self._loop.time() - HEAD_TIMEOUT
        late = []
        for connection, since in self._arriving.items():
            if since > late_since:
                break
            late.append(connection)
        for connection in late:
            self._drop(connection)
        self._watch()

    def _make_room(self) -> None:
        now = self._loop.time()
        if now - self._said_at >= SAY_AGAIN_AFTER:
            self._said_at = now
            log.warning("connections at their limit", setting=self._setting, limit=self._limit)
        victim = next(iter(self._arriving or self._idle), None)
        if victim is not None:
            self._drop(victim)

    def _drop(self, connection: Connection) -> None:
        transport = self._open[connection]
        self.closed(connection)
        # Not close(): that waits until the client has read everything.
        transport.abort()
