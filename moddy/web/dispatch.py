"""What happens around every handler: request id, authentication, errors, one log line.

It is one function around aiohttp's application, as each middleware would cost a request two calls.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
from structlog.typing import FilteringBoundLogger

from moddy.errors import StoreUnavailable
from moddy.models import ErrorResponse, encode
from moddy.request_ids import current_request_id, new_request_id
from moddy.signing import Signer
from moddy.web.auth import Authenticator, is_internal
from moddy.web.bodies import too_large
from moddy.web.keys import CALL, Call, Dispatch
from moddy.web.places import Places
from moddy.web.refusals import Refusal, json_response, store_unavailable
from moddy.web.signatures import require_signature

log = structlog.get_logger(__name__)

# Seconds. The backend waits 10 s and the contract promises 9; the body has to be there and a
# handler stops waiting for an attempt at the first mark, and at the second the answer is given
# for it.
ANSWER_WITHIN = 8.0
ANSWER_LIMIT = 8.8

# Prometheus reads it, which cannot sign; the secret it needs like everybody.
SCRAPED = "/internal/metrics"
_PROBES = {"/", "/healthz", "/internal/health"}
REQUEST_ID = "X-Request-ID"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
# Takes an answered request's method, route, status and seconds.
Observe = Callable[[str, str, int, float], None]


def _unmeasured(_method: str, _route: str, _status: int, _seconds: float) -> None:
    """Nobody wants to know."""


def make_dispatch(
    authenticate: Authenticator | None,
    router: web.UrlDispatcher,
    *,
    places: Places,
    signer: Signer | None = None,
    answer_within: float = ANSWER_WITHIN,
    observe: Observe = _unmeasured,
) -> Dispatch:
    """Return what is to be around the application of `router`.

    `authenticate` guards ``/internal``; it is None where that is not served. With `signer`
    everything under ``/internal`` but `SCRAPED` has to be signed as well. Only who has passed
    `authenticate` takes one of the `places`.
    """

    lines = log.bind()  # once, instead of once for each line

    async def dispatch(request: web.Request, handler: Handler) -> web.StreamResponse:
        loop = asyncio.get_running_loop()
        started = loop.time()
        request_id = request.headers.get(REQUEST_ID)
        if request_id is None or not _REQUEST_ID.fullmatch(request_id):
            request_id = new_request_id()
        # A request is a task of its own, and so needs not to take this back.
        current_request_id.set(request_id)
        request[CALL] = Call(deadline=started + answer_within)
        try:
            guarded = authenticate is not None and is_internal(request.path)
            if authenticate is not None and guarded:
                authenticate(request)
            with places:
                if signer is not None and guarded and request.path != SCRAPED:
                    await require_signature(request, signer)
                response = await handler(request)
            route = _route(request.match_info)
        except Exception as error:  # noqa: BLE001 (the edge)
            # It may have come before the application looked for a route.
            route = _route(await router.resolve(request))
            response = _refuse(error, route)
        headers = response.headers
        headers[REQUEST_ID] = request_id
        # Instead of aiohttp's and Python's versions.
        headers[hdrs.SERVER] = "Moddy"
        seconds = loop.time() - started
        observe(request.method, route, response.status, seconds)
        _log_request(lines, request.method, route, response.status, seconds)
        return response

    return dispatch


def _refuse(error: Exception, route: str) -> web.StreamResponse:
    """Return the answer to a request that a handler has not answered."""
    if isinstance(error, Refusal):
        return error.response()
    if isinstance(error, web.HTTPException):
        return _http_error(error)
    if isinstance(error, StoreUnavailable | TimeoutError):
        return store_unavailable().response()
    # The caller learns an id to look for, and nothing else.
    log.error("request failed unexpectedly", route=route, exc_info=error)
    body = ErrorResponse(error="Internal server error", request_id=current_request_id.get())
    return json_response(500, encode(body))


def _log_request(
    lines: FilteringBoundLogger, method: str, route: str, status: int, seconds: float
) -> None:
    # Probes come every few seconds and say nothing new while they are answered.
    write = lines.debug if route in _PROBES and status == 200 else lines.info
    write(
        "request",
        method=method,
        route=route,
        status=status,
        milliseconds=round(seconds * 1000, 1),
    )


def _http_error(error: web.HTTPException) -> web.StreamResponse:
    """Return aiohttp's own answer (404, 405, 413 …) in the contract's form."""
    if error.status == 413:
        return too_large().response()
    allow = error.headers.get("Allow")
    headers = {"Allow": allow} if allow else None
    return Refusal(error.status, error.reason, headers=headers).response()


def _route(found: web.UrlMappingMatchInfo) -> str:
    """Return the route's pattern: a path that nobody knows may hold anything."""
    resource = found.route.resource
    return resource.canonical if resource is not None else "unmatched"
