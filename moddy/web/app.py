"""The two web applications: the internal API and the public page."""

from __future__ import annotations

from aiohttp import web

from moddy.services.deliveries import Deliveries
from moddy.services.health import Health
from moddy.services.notifications import Notifications
from moddy.services.premium import Premium
from moddy.services.roles import RoleUpdates
from moddy.web import health, keys, notify, premium, roles, root
from moddy.web.auth import make_authenticator
from moddy.web.bodies import MAX_BODY
from moddy.web.dispatch import make_dispatch


def make_app(
    *,
    secret: str | None,
    previous_secret: str | None,
    notifications: Notifications,
    role_updates: RoleUpdates,
    premium_service: Premium,
    deliveries: Deliveries,
    health_service: Health,
) -> web.Application:
    """Return the internal API, as sections 1 and 2 of the wire contract describe it."""
    authenticate = make_authenticator(secret, previous_secret)
    app = web.Application(middlewares=[make_dispatch(authenticate)], client_max_size=MAX_BODY)
    app[keys.NOTIFICATIONS] = notifications
    app[keys.ROLE_UPDATES] = role_updates
    app[keys.PREMIUM] = premium_service
    app[keys.DELIVERIES] = deliveries
    app[keys.HEALTH] = health_service
    app.router.add_get("/", root.describe)
    app.router.add_get("/internal/health", health.check)
    app.router.add_get("/internal/users/{discord_id}/premium", premium.read)
    app.router.add_post("/internal/notify", notify.notify)
    app.router.add_post("/internal/roles/update", roles.update)
    return app


def make_public_app() -> web.Application:
    """Return what the public port serves: liveness, and nothing of the internal API."""
    app = web.Application(middlewares=[make_dispatch(None)], client_max_size=MAX_BODY)
    app.router.add_get("/", root.describe)
    app.router.add_get("/healthz", root.live)
    return app
