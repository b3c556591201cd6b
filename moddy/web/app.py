"""The two web applications: the internal API and the public page."""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler

from moddy.services.deliveries import Deliveries
from moddy.services.health import Health
from moddy.services.notifications import Notifications
from moddy.services.premium import Premium
from moddy.services.roles import RoleUpdates
from moddy.web import health, keys, notify, premium, roles, root
from moddy.web.auth import make_authenticator
from moddy.web.bodies import MAX_BODY
from moddy.web.dispatch import ANSWER_WITHIN, make_dispatch


def make_app(
    *,
    secret: str | None,
    previous_secret: str | None,
    notifications: Notifications,
    role_updates: RoleUpdates,
    premium_service: Premium,
    deliveries: Deliveries,
    health_service: Health,
    answer_within: float = ANSWER_WITHIN,
) -> web.Application:
    """Return the internal API, as sections 1 and 2 of the wire contract describe it.

    `answer_within` is how long a request waits for its first attempt, in seconds.
    """
    authenticate = make_authenticator(secret, previous_secret)
    dispatch = make_dispatch(authenticate, answer_within=answer_within)
    app = web.Application(middlewares=[dispatch], client_max_size=MAX_BODY)
    app[keys.NOTIFICATIONS] = notifications
    app[keys.ROLE_UPDATES] = role_updates
    app[keys.PREMIUM] = premium_service
    app[keys.DELIVERIES] = deliveries
    app[keys.HEALTH] = health_service
    _add(app, "GET", "/", root.describe)
    _add(app, "GET", "/internal/health", health.check)
    _add(app, "GET", "/internal/users/{discord_id:[^/]+}/premium", premium.read)
    _add(app, "POST", "/internal/notify", notify.notify)
    _add(app, "POST", "/internal/roles/update", roles.update)
    return app


def make_public_app() -> web.Application:
    """Return what the public port serves: liveness, and nothing of the internal API."""
    app = web.Application(middlewares=[make_dispatch(None)], client_max_size=MAX_BODY)
    _add(app, "GET", "/", root.describe)
    _add(app, "GET", "/healthz", root.live)
    return app


def _add(app: web.Application, method: str, path: str, handler: Handler) -> None:
    resource = app.router.add_resource(path)
    for one in ("GET", "HEAD") if method == "GET" else (method,):
        resource.add_route(one, handler, expect_handler=_leave_to_handler)


async def _leave_to_handler(_request: web.Request) -> None:
    """Do nothing about an Expect header yet: aiohttp would ask for the body before authentication.

    `moddy.web.bodies` asks for it, when it is wanted.
    """
