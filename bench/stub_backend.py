"""A backend that answers every request with constant bytes: ``python -m bench.stub_backend``."""

from __future__ import annotations

import asyncio
from typing import cast

import click
import uvloop

BODY = (
    b'{"success":true,"message":"User found","user_found":true,"discord_id":"100000000000000001",'
    b'"email":"ada@example.com","created_at":"2025-01-01T00:00:00Z",'
    b'"updated_at":"2025-01-02T00:00:00Z"}'
)
ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(BODY)
) + BODY


class Connection(asyncio.Protocol):
    """Answers once a request's body, which is never empty, has come to its end."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is of no common class

    def data_received(self, data: bytes) -> None:
        """Read on, and answer."""
        self._received += data
        if self._received.endswith(b"}") and self._transport is not None:
            self._received = b""
            self._transport.write(ANSWER)


@click.command()
@click.option("--port", type=int, required=True)
def main(port: int) -> None:
    """Serve until SIGTERM."""

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Connection, "127.0.0.1", port)
        await server.serve_forever()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())


if __name__ == "__main__":
    main()
