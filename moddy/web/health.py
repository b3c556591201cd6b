"""``GET /internal/health``."""

from __future__ import annotations

from aiohttp import web

from moddy import __version__
from moddy.models import InternalHealthResponse, encode
from moddy.web.keys import HEALTH
from moddy.web.refusals import json_response


async def check(request: web.Request) -> web.StreamResponse:
    """Tell the health; 200 in both cases."""
    status = await request.app[HEALTH].status()
    body = InternalHealthResponse(status=status, service="discord-bot", version=__version__)
    return json_response(200, encode(body))
