"""A light HTTP client in a process of its own, so that the server is what is measured.

``python -m bench.load`` writes prepared bytes to keep-alive connections and looks no closer at
an answer than its status and length. Its last line on standard output is a `Report` as JSON.
"""

from __future__ import annotations

import asyncio
import re
import statistics
import time
from collections.abc import Iterator
from typing import Any, cast

import click
import msgspec
import uvloop
from msgspec import Struct

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
# Customers whom the notifications are about, where it is not a new one each time.
CUSTOMERS = 1000


class Report(Struct, frozen=True, kw_only=True):
    """What came of a load: requests a second, and milliseconds until the answer."""

    rate: float
    p50: float
    p99: float
    longest: float


def make_requests(kind: str, secret: str, prefix: str) -> Iterator[bytes]:
    """Yield requests without end: ``health``, ``notify`` or ``notify-new`` (customers)."""
    head = f"Host: localhost\r\nAuthorization: Bearer {secret}\r\n"
    if kind == "health":
        request = f"GET /internal/health HTTP/1.1\r\n{head}\r\n".encode()
        while True:
            yield request
    head = f"POST /internal/notify HTTP/1.1\r\n{head}Content-Type: application/json\r\n"
    body = '{"discord_id":"%018d","action":"subscription_created","plan":"moddy_max"}'
    length = len(body % 1)
    text = f"{head}Content-Length: {length}\r\nIdempotency-Key: {prefix}-%d\r\n\r\n{body}"
    form = text.encode()
    number = 0
    first = int(time.time() * 1000) if kind == "notify-new" else 10**17
    customers = 10**12 if kind == "notify-new" else CUSTOMERS
    while True:
        number += 1
        yield form % (number, first + number % customers)


class Connection(asyncio.Protocol):
    """One connection, with one request at a time; an answer starts the next one, if any."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is of no common class

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the load: nobody closes a connection while it is measured."""
        self._load.fail("a connection was closed")

    def ask(self, since: float | None = None) -> None:
        """Send the next request; `since` is when it was to be sent, on the monotonic clock."""
        if self._transport is None:
            raise RuntimeError("not connected")
        self._since = time.monotonic() if since is None else since
        self._transport.write(next(self._load.requests))

    def data_received(self, data: bytes) -> None:
        """Read an answer."""
        self._received += data
        received = self._received
        end = received.find(b"\r\n\r\n")
        found = LENGTH.search(received, 0, end + 2) if end >= 0 else None
        if found is None or len(received) < end + 4 + int(found[1]):
            return
        self._received = b""
        if received[9:12] != self._load.status:
            self._load.fail(received.decode(errors="replace"))
        self._load.answered(self, time.monotonic() - self._since)


class Load:
    """Requests over some connections: one after the other on each, or at a given rate."""

    def __init__(self, requests: Iterator[bytes], status: bytes, *, rate: float | None) -> None:
        self.requests = requests
        self.status = status
        self._rate = rate
        self._seconds: list[float] = []
        self._idle: list[Connection] = []
        self._late: list[float] = []  # requests that found no free connection yet
        self._counting = self._stopping = False
        self._failed = asyncio.get_running_loop().create_future()

    def fail(self, reason: str) -> None:
        """End the load with an error."""
        if not self._stopping and not self._failed.done():
            self._failed.set_exception(RuntimeError(reason))

    def answered(self, connection: Connection, seconds: float) -> None:
        """Take one answer, and go on."""
        if self._counting:
            self._seconds.append(seconds)
        if self._stopping:
            return
        if self._rate is None:
            connection.ask()
        elif self._late:
            connection.ask(self._late.pop(0))
        else:
            self._idle.append(connection)

    async def run(self, port: int, connections: int, *, warm: float, seconds: float) -> Report:
        """Load a port of this machine, and count after the first `warm` seconds."""
        loop = asyncio.get_running_loop()
        made = [
            await loop.create_connection(lambda: Connection(self), "127.0.0.1", port)
            for _ in range(connections)
        ]
        pace = None
        if self._rate is None:
            for _, connection in made:
                connection.ask()
        else:
            self._idle = [connection for _, connection in made]
            pace = asyncio.create_task(self._pace(self._rate))
        await self._wait(warm)
        self._counting, started = True, time.monotonic()
        await self._wait(seconds)
        self._counting, lasted = False, time.monotonic() - started
        self._stopping = True
        if pace is not None:
            pace.cancel()
        for transport, _ in made:
            transport.close()
        await asyncio.sleep(0)
        cuts = statistics.quantiles(self._seconds, n=100)
        return Report(
            rate=len(self._seconds) / lasted,
            p50=cuts[49] * 1000,
            p99=cuts[98] * 1000,
            longest=max(self._seconds) * 1000,
        )

    async def _wait(self, seconds: float) -> None:
        await asyncio.wait({self._failed}, timeout=seconds)
        if self._failed.done():
            self._failed.result()

    async def _pace(self, rate: float) -> None:
        """Start requests when they are due; an answer's time counts from then, not from later."""
        due = time.monotonic()
        while True:
            now = time.monotonic()
            while due <= now:
                if self._idle:
                    self._idle.pop().ask(due)
                else:
                    self._late.append(due)
                due += 1 / rate
            await asyncio.sleep(due - now)


class Options(Struct, frozen=True, kw_only=True):
    """What to do to whom; see `main`."""

    kind: str
    port: int
    secret: str
    status: str
    connections: int
    seconds: float
    warm: float
    rate: float | None


@click.command()
@click.argument("kind", type=click.Choice(["health", "notify", "notify-new"]))
@click.option("--port", type=int, required=True)
@click.option("--secret", required=True)
@click.option("--status", default="200", show_default=True, help="The only one that is right.")
@click.option("--connections", default=16, show_default=True)
@click.option("--seconds", default=2.0, show_default=True)
@click.option("--warm", default=0.5, show_default=True, help="Seconds before it counts.")
@click.option("--rate", type=float, help="Requests a second; none: as many as are answered.")
def main(**given: Any) -> None:
    """Load a server and report."""
    options = Options(**given)

    async def run() -> Report:
        requests = make_requests(options.kind, options.secret, f"{time.time_ns():x}")
        load = Load(requests, options.status.encode(), rate=options.rate)
        return await load.run(
            options.port, options.connections, warm=options.warm, seconds=options.seconds
        )

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        click.echo(msgspec.json.encode(runner.run(run())))


if __name__ == "__main__":
    main()
