"""One websocket of the gateway: framing, compression, sending in order."""

import asyncio
import json
import zlib
from typing import TYPE_CHECKING, Any

from aiohttp import WSMsgType, web

if TYPE_CHECKING:
    from tests.standins.discord.sessions import Session

ABRUPT = 1006


class Connection:
    """A client's websocket.

    Compresses as ``zlib-stream`` when asked to. A client that asks for another compression gets
    plain text frames, which discord.py takes whatever it asked for.
    """

    def __init__(self, request: web.Request) -> None:
        self._request = request
        self._socket = web.WebSocketResponse(timeout=1.0, max_msg_size=0)
        wants_zlib = request.query.get("compress") == "zlib-stream"
        self._compressor = zlib.compressobj() if wants_zlib else None
        self._outbox: asyncio.Queue[str] = asyncio.Queue()
        self.session: Session | None = None
        self.client_close_code: int | None = None

    async def prepare(self) -> web.WebSocketResponse:
        """Finish the websocket handshake."""
        await self._socket.prepare(self._request)
        return self._socket

    def send(self, op: int, data: Any = None) -> None:
        """Queue a frame that is not a dispatch."""
        self.send_text(json.dumps({"op": op, "d": data, "s": None, "t": None}))

    def send_text(self, frame: str) -> None:
        """Queue a frame."""
        self._outbox.put_nowait(frame)

    async def write_out(self) -> None:
        """Send what is queued, until the socket is gone."""
        while True:
            frame = await self._outbox.get()
            try:
                await self._write(frame)
            except ConnectionError:
                return

    async def _write(self, frame: str) -> None:
        if self._compressor is None:
            await self._socket.send_str(frame)
            return
        packed = self._compressor.compress(frame.encode())
        await self._socket.send_bytes(packed + self._compressor.flush(zlib.Z_SYNC_FLUSH))

    async def receive(self) -> dict[str, Any] | None:
        """The client's next payload (some clients send it as bytes); None at the end."""
        message = await self._socket.receive()
        if message.type is WSMsgType.CLOSE:
            self.client_close_code = message.data
        if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
            return None
        payload = json.loads(message.data)
        return payload if isinstance(payload, dict) else {}

    async def close(self, code: int) -> None:
        """Close with a code; 1006 cuts the connection without a word, as a broken line does."""
        if code == ABRUPT:
            if self._request.transport is not None:
                self._request.transport.abort()
        else:
            await self._socket.close(code=code)
