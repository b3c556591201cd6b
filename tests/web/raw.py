"""HTTP as bytes, for what a well-behaved client never sends."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
from msgspec import Struct

TIMEOUT = 9.0  # seconds; within that Moddy always answers


class RawResponse(Struct, frozen=True, kw_only=True):
    """One answer; the names of `headers` are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> object:
        """Return the body's JSON value."""
        return msgspec.json.decode(self.body)


class Connection:
    """One connection to the API."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._writer.write(data)
        await self._writer.drain()

    def end(self) -> None:
        """Say that nothing more will be sent."""
        self._writer.write_eof()

    def pause(self) -> None:
        """Read nothing of what arrives."""
        self._writer.transport.pause_reading()  # type: ignore[attr-defined]

    def resume(self) -> None:
        """Read again."""
        self._writer.transport.resume_reading()  # type: ignore[attr-defined]

    async def rest(self, seconds: float) -> bytes:
        """Return what comes until the other side closes. Raises TimeoutError."""
        try:
            return await asyncio.wait_for(self._reader.read(), seconds)
        except ConnectionResetError:
            return b""

    async def receive(self) -> RawResponse:
        """Return the next answer. Raises TimeoutError, asyncio.IncompleteReadError."""
        async with asyncio.timeout(TIMEOUT):
            head = await self._reader.readuntil(b"\r\n\r\n")
            first, *lines = head.decode("latin-1").split("\r\n")[:-2]
            headers = {}
            for line in lines:
                name, _, value = line.partition(":")
                headers[name.strip().lower()] = value.strip()
            body = await self._reader.readexactly(int(headers.get("content-length", "0")))
            return RawResponse(status=int(first.split()[1]), headers=headers, body=body)


@asynccontextmanager
async def connect(
    port: int, host: str = "127.0.0.1", *, receive_buffer: int | None = None
) -> AsyncIterator[Connection]:
    """Open a connection and close it at the end; `receive_buffer` is the system's, in bytes."""
    if receive_buffer is None:
        reader, writer = await asyncio.open_connection(host, port)
    else:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, (host, port))
        reader, writer = await asyncio.open_connection(sock=sock)
    try:
        yield Connection(reader, writer)
    finally:
        writer.transport.abort()


async def exchange(port: int, data: bytes) -> RawResponse:
    """Send one request on a connection of its own and return the answer."""
    async with connect(port) as connection:
        await connection.send(data)
        return await connection.receive()


def request(
    method: str, path: str, *headers: bytes, secret: str | None = None, body: bytes | None = None
) -> bytes:
    """Return a request; `headers` are whole lines without their end."""
    lines = [f"{method} {path} HTTP/1.1".encode(), b"Host: moddy.railway.internal", *headers]
    if secret is not None:
        lines.append(f"Authorization: Bearer {secret}".encode())
    if body is not None:
        lines += [b"Content-Type: application/json", f"Content-Length: {len(body)}".encode()]
    return b"\r\n".join([*lines, b"", body or b""])
