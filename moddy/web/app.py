"""The two web applications: the internal API and the public page."""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler

from moddy.metrics import Metrics
from moddy.services.deliveries import Deliveries
from moddy.services.health import Health
from moddy.services.notifications import Notifications
from moddy.services.premium import Premium
from moddy.services.roles import RoleUpdates
from moddy.services.status import Status
from moddy.signing import Signer
from moddy.web import keys, openapi, root
from moddy.web.auth import make_authenticator
from moddy.web.bodies import MAX_BODY
from moddy.web.dispatch import ANSWER_LIMIT, ANSWER_WITHIN, make_dispatch
from moddy.web.endpoints import ENDPOINTS
from moddy.web.places import Places
from moddy.web.server import request_limit


def make_app(
    *,
    secret: str | None,
    previous_secret: str | None,
    notifications: Notifications,
    role_updates: RoleUpdates,
    premium_service: Premium,
    deliveries: Deliveries,
    health_service: Health,
    status_service: Status,
    metrics: Metrics,
    signer: Signer | None = None,
    answer_within: float = ANSWER_WITHIN,
    max_requests: int | None = None,
) -> web.Application:
    """Return the internal API, as sections 1 and 2 of the wire contract describe it.

    `answer_within` is how long a request waits for its body and its first attempt, in seconds,
    `max_requests` how many may do so at once, `request_limit` when it is None. With `signer`
    every call must be signed.
    """
    app = _make_app()
    app[keys.DISPATCH] = make_dispatch(
        make_authenticator(secret, previous_secret),
        app.router,
        places=Places(
            request_limit() if max_requests is None else max_requests, seconds=ANSWER_LIMIT
        ),
        signer=signer,
        answer_within=answer_within,
        observe=metrics.add_request,
    )
    app[keys.NOTIFICATIONS] = notifications
    app[keys.ROLE_UPDATES] = role_updates
    app[keys.PREMIUM] = premium_service
    app[keys.DELIVERIES] = deliveries
    app[keys.HEALTH] = health_service
    app[keys.STATUS] = status_service
    for endpoint in ENDPOINTS:
        # aiohttp's own pattern for a part would not match every text.
        path = endpoint.path.replace("}", ":[^/]+}")
        _add(app, endpoint.method, path, endpoint.handler)
    _add(app, "GET", "/internal/openapi.json", openapi.serve)
    return app


def make_public_app() -> web.Application:
    """Return what the public port serves: liveness, and nothing of the internal API."""
    app = _make_app()
    places = Places(request_limit(), seconds=ANSWER_LIMIT)
    app[keys.DISPATCH] = make_dispatch(None, app.router, places=places)
    _add(app, "GET", "/", root.describe)
    _add(app, "GET", "/healthz", root.live)
    return app


def _make_app() -> web.Application:
    app = web.Application(client_max_size=MAX_BODY)
    app.on_startup.append(_require_dispatch)
    return app


async def _require_dispatch(app: web.Application) -> None:
    """Refuse to be served by anything but `moddy.web.server.serve`: nobody asked for the secret."""
    if not app.get(keys.SERVED):
        raise RuntimeError("without its dispatch, this application would be open to everybody")


def _add(app: web.Application, method: str, path: str, handler: Handler) -> None:
    resource = app.router.add_resource(path)
    for one in ("GET", "HEAD") if method == "GET" else (method,):
        resource.add_route(one, handler, expect_handler=_leave_to_handler)


async def _leave_to_handler(_request: web.Request) -> None:
    """Do nothing about an Expect header yet: aiohttp would ask for the body before authentication.

    `moddy.web.bodies` asks for it, when it is wanted.
    """
