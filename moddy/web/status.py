"""``GET /internal/status`` and ``GET /internal/metrics``: how Moddy stands."""

from __future__ import annotations

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from moddy.models import encode
from moddy.web.keys import STATUS
from moddy.web.refusals import json_response


async def show(request: web.Request) -> web.StreamResponse:
    """Tell people how Moddy stands."""
    return json_response(200, encode(await request.app[STATUS].look()))


async def metrics(request: web.Request) -> web.StreamResponse:
    """Tell Prometheus."""
    body = await request.app[STATUS].render_metrics()
    return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})
