"""What happens around every handler: request id, authentication, errors, one log line.

One middleware does it all: several would each cost a call per request.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from structlog.typing import FilteringBoundLogger

from moddy.errors import StoreUnavailable
from moddy.models import ErrorResponse, encode
from moddy.request_ids import current_request_id, new_request_id
from moddy.signing import Signer
from moddy.web.auth import Authenticator, is_internal
from moddy.web.bodies import too_large
from moddy.web.keys import DEADLINE
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
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
# Takes an answered request's method, route, status and seconds.
Observe = Callable[[str, str, int, float], None]


def _unmeasured(_method: str, _route: str, _status: int, _seconds: float) -> None:
    """Nobody wants to know."""


def make_dispatch(
    authenticate: Authenticator | None,
    *,
    places: Places,
    signer: Signer | None = None,
    answer_within: float = ANSWER_WITHIN,
    observe: Observe = _unmeasured,
) -> Middleware:
    """Return the middleware; `authenticate` guards ``/internal``, None where that is not served.

    With `signer` everything under ``/internal`` but `SCRAPED` has to be signed as well. Only who
    has passed `authenticate` takes one of the `places`.
    """

    lines = log.bind()  # once, instead of once for each line

    @web.middleware
    async def dispatch(request: web.Request, handler: Handler) -> web.StreamResponse:
        started = time.perf_counter()
        given = request.headers.get("X-Request-ID", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else new_request_id()
        token = current_request_id.set(request_id)
        request[DEADLINE] = asyncio.get_running_loop().time() + answer_within
        try:
            response = await _answer(
                request, handler, authenticate, signer, places, request_id=request_id
            )
            response.headers["X-Request-ID"] = request_id
            # Instead of aiohttp's and Python's versions.
            response.headers["Server"] = "Moddy"
            seconds, route = time.perf_counter() - started, _route(request)
            observe(request.method, route, response.status, seconds)
            _log_request(lines, request.method, route, response.status, seconds)
            return response
        finally:
            current_request_id.reset(token)

    return dispatch


async def _answer(
    request: web.Request,
    handler: Handler,
    authenticate: Authenticator | None,
    signer: Signer | None,
    places: Places,
    *,
    request_id: str,
) -> web.StreamResponse:
    try:
        guarded = authenticate is not None and is_internal(request.path)
        if authenticate is not None and guarded:
            authenticate(request)
        with places:
            async with asyncio.timeout(ANSWER_LIMIT):
                if signer is not None and guarded and request.path != SCRAPED:
                    await require_signature(request, signer)
                return await handler(request)
    except Refusal as refusal:
        return refusal.response()
    except web.HTTPException as error:
        return _http_error(error)
    except (StoreUnavailable, TimeoutError):
        return store_unavailable().response()
    except Exception:  # the edge: the caller learns an id to look for, and nothing else
        log.exception("request failed unexpectedly", route=_route(request))
        body = ErrorResponse(error="Internal server error", request_id=request_id)
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


def _http_error(error: web.HTTPException) -> web.Response:
    """Return aiohttp's own answer (404, 405, 413 …) in the contract's form."""
    if error.status == 413:
        return too_large().response()
    allow = error.headers.get("Allow")
    headers = {"Allow": allow} if allow else None
    return Refusal(error.status, error.reason, headers=headers).response()


def _route(request: web.Request) -> str:
    """Return the route's pattern: a path that nobody knows may hold anything."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "unmatched"
