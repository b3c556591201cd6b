"""Moddy's internal API over its real services, with Discord stubbed."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from moddy.metrics import Metrics
from moddy.models import InternalNotifyUserRequest, Snowflake
from moddy.notices import Notice, NotifyMetadata
from moddy.ports import Messenger, SystemClock
from moddy.services import answers
from moddy.services.deliveries import Carrier, Deliveries
from moddy.services.health import Health
from moddy.services.intake import Accepted, new_delivery_id
from moddy.services.notifications import Notifications
from moddy.services.passes import Counters
from moddy.services.premium import Premium
from moddy.services.roles import RoleUpdates
from moddy.services.status import EventCounts, Status
from moddy.store.database import Database
from moddy.store.deliveries import DeliveryKind, RequestContext
from moddy.web.app import make_app
from tests.fakes import FakeRoles

SECRET = "bench"  # noqa: S105 (of a process that lives for seconds)
PLANS = frozenset({"moddy_max"})


class QuietMessenger:
    """Sends nothing, at once."""

    async def send_notice(self, user_id: Snowflake, notice: object, *, nonce: str) -> str:
        """Say that it is sent."""
        return nonce


class ForgetfulNotifications(Notifications):
    """Sends without storing anything: what the comparator does."""

    quiet = QuietMessenger()

    async def accept(self, request: InternalNotifyUserRequest, context: RequestContext) -> Accepted:
        """Send, and say that it is done."""
        notice = Notice(
            action=request.action,
            locale="en-US",
            plan=request.plan,
            ends_at=None,
            metadata=NotifyMetadata.read(request.metadata),
        )
        await self.quiet.send_notice(request.discord_id, notice, nonce=new_delivery_id())
        return Accepted(queued=answers.NOTIFY_QUEUED, answer=answers.NOTIFY_DELIVERED)


def make_endpoint(
    database: Database,
    messenger: Messenger,
    *,
    stored: bool,
    is_gateway_ready: Callable[[], bool] = lambda: True,
) -> web.Application:
    """Return the internal API; what is stored is never attempted, and answered with a 202."""
    clock = SystemClock()
    premium = Premium(database=database, clock=clock, premium_plans=PLANS)
    kind = Notifications if stored else ForgetfulNotifications
    notifications = kind(
        database=database,
        clock=clock,
        messenger=messenger,
        premium=premium,
        fallback_channel_id=None,
    )
    metrics = Metrics()
    carrier = Carrier(attempt=notifications.attempt, is_ready=lambda: False)
    return make_app(
        secret=SECRET,
        previous_secret=None,
        notifications=notifications,
        role_updates=RoleUpdates(
            database=database,
            clock=clock,
            roles=FakeRoles(Snowflake("1")),
            guild_id=None,
            premium_role_id=None,
            premium_plans=PLANS,
        ),
        premium_service=premium,
        deliveries=Deliveries(
            database=database,
            clock=clock,
            carriers={DeliveryKind.NOTIFY: carrier},
            observe=metrics.add_attempt,
        ),
        health_service=Health(database=database, is_gateway_ready=is_gateway_ready),
        status_service=Status(
            database=database,
            clock=clock,
            metrics=metrics,
            look_at_gateway=lambda: (is_gateway_ready(), 1, {}),
            breakers={},
            look_at_events=lambda: EventCounts(held=0, dropped={}),
            reconciliation=Counters(),
        ),
        metrics=metrics,
    )
