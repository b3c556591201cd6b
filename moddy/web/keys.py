"""What handlers and the server find in the application, by typed keys."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.typedefs import Handler
from msgspec import Struct

from moddy.services.deliveries import Deliveries
from moddy.services.health import Health
from moddy.services.notifications import Notifications
from moddy.services.premium import Premium
from moddy.services.roles import RoleUpdates
from moddy.services.status import Status

HEALTH = web.AppKey("health", Health)
NOTIFICATIONS = web.AppKey("notifications", Notifications)
ROLE_UPDATES = web.AppKey("role_updates", RoleUpdates)
PREMIUM = web.AppKey("premium", Premium)
DELIVERIES = web.AppKey("deliveries", Deliveries)
STATUS = web.AppKey("status", Status)
# Answers a request by means of a handler.
Dispatch = Callable[[web.Request, Handler], Awaitable[web.StreamResponse]]
# What `moddy.web.server.serve` puts around the application.
DISPATCH: web.AppKey[Dispatch] = web.AppKey("dispatch")
# Whether it does.
SERVED = web.AppKey("served", bool)


class Call(Struct):
    """What is found out about a request on its way.

    `deadline` is when its answer has to be on its way, on the loop's clock; `body` is there once
    it was read, and `message_id`, what the request was signed as, once that was checked.
    """

    deadline: float
    body: bytes | None = None
    message_id: str | None = None


CALL = web.RequestKey("call", Call)
