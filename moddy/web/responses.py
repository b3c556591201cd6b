"""Answers in JSON."""

from __future__ import annotations

import time
from collections.abc import Mapping
from email.utils import formatdate
from functools import lru_cache

from aiohttp import HttpVersion10, HttpVersion11, hdrs, web
from aiohttp.abc import AbstractStreamWriter


class JsonResponse(web.StreamResponse):
    """An answer whose body is JSON, encoded already.

    It writes itself: `web.Response` can send much that is never sent here, and looks for it at a
    tenth of a request's cost.
    """

    _writer: AbstractStreamWriter | None = None
    _keeps_alive = False

    def __init__(
        self, status: int, body: bytes, *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status=status, headers=headers)
        self._json = body
        # JSON is UTF-8 by definition (RFC 8259) and takes no charset.
        self.headers[hdrs.CONTENT_TYPE] = "application/json"

    @property
    def keep_alive(self) -> bool:
        """Whether the connection serves another request after this one."""
        return self._keeps_alive

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter:
        """Write the head; aiohttp keeps it until the body follows."""
        headers, version = self.headers, request.version
        headers[hdrs.CONTENT_LENGTH] = str(len(self._json))
        headers[hdrs.DATE] = _http_date(int(time.time()))
        self._keeps_alive = request.keep_alive
        if not self._keeps_alive and version == HttpVersion11:
            headers[hdrs.CONNECTION] = "close"
        elif self._keeps_alive and version == HttpVersion10:
            headers[hdrs.CONNECTION] = "keep-alive"
        self._writer = writer = request.writer
        status_line = f"HTTP/{version.major}.{version.minor} {self.status} {self.reason}"
        await writer.write_headers(status_line, headers)
        if request.method == hdrs.METH_HEAD:
            self._json = b""
        return writer

    async def write_eof(self, data: bytes = b"") -> None:
        """Write the body."""
        assert self._writer is not None  # noqa: S101 (aiohttp has prepared it)
        await self._writer.write_eof(self._json)


@lru_cache(maxsize=1)
def _http_date(second: int) -> str:
    """Return a Unix time as RFC 9110 writes it."""
    return formatdate(second, usegmt=True)
