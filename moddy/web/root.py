"""What anyone may ask: who is there, and whether it lives."""

from __future__ import annotations

from aiohttp import web

from moddy.models import ServiceResponse, encode
from moddy.web.refusals import json_response

DESCRIPTION = encode(ServiceResponse(service="moddy-bot-internal", status="running"))
_LIVE = b'{"status":"ok"}'


async def describe(_request: web.Request) -> web.StreamResponse:
    """``GET /``."""
    return json_response(200, DESCRIPTION)


async def live(_request: web.Request) -> web.StreamResponse:
    """``GET /healthz``: the loop turns; says nothing of Discord or the store."""
    return json_response(200, _LIVE)
