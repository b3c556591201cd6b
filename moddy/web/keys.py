"""What handlers find in the application, by typed keys."""

from __future__ import annotations

from aiohttp import web

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

# What a signed request was signed as.
MESSAGE_ID = web.RequestKey("message_id", str)

# When the answer to this request has to be on its way, on the loop's clock.
DEADLINE = web.RequestKey("deadline", float)
