"""Building the bot and the services from the settings; `moddy.app` runs and stops them."""

from __future__ import annotations

from datetime import timedelta

import structlog
from aiolimiter import AsyncLimiter
from discord.ext import commands
from msgspec import Struct

from moddy.backend import BackendClient
from moddy.bot import ModdyBot, use_api_base
from moddy.breaker import BreakerState
from moddy.cogs.customers import Customers
from moddy.cogs.events import EventListeners
from moddy.cogs.listeners import Listeners
from moddy.config import Settings
from moddy.messenger import Connection, DiscordMessenger, DiscordRoles, trace_calls
from moddy.models import Snowflake
from moddy.ports import Clock
from moddy.services import answers
from moddy.services.deliveries import Carrier, Deliveries
from moddy.services.discord_gate import DiscordGate
from moddy.services.events import Events
from moddy.services.health import Health
from moddy.services.housekeeping import Housekeeping
from moddy.services.notifications import Notifications
from moddy.services.premium import Premium
from moddy.services.roles import RoleUpdates
from moddy.services.sweeps import Sweep, Sweeps
from moddy.store.database import Database
from moddy.store.deliveries import LEASE, DeliveryKind
from moddy.views.notifications import fallback_text, notification_view
from moddy.views.translator import CatalogueTranslator

log = structlog.get_logger(__name__)


# Premium has to be off within 60 s of its end, also when a process dies that has just claimed the
# sweep: then the next one comes an interval (and its jitter) after the claim's end at the latest.
PREMIUM_SWEEP_INTERVAL = 15.0
PREMIUM_SWEEP_CLAIM = timedelta(seconds=20)
HOUSEKEEPING_INTERVAL = 3600.0
HOUSEKEEPING_CLAIM = timedelta(minutes=10)
EVENT_SWEEP_INTERVAL = 20.0
EVENT_SWEEP_CLAIM = timedelta(minutes=2)
# Seconds. Railway's private DNS is not ready for the first seconds after a start.


class Services(Struct, frozen=True, kw_only=True):
    """Everything between the store and the doors."""

    notifications: Notifications
    role_updates: RoleUpdates
    premium: Premium
    deliveries: Deliveries
    sweeps: Sweeps
    health: Health


def build(
    settings: Settings,
    database: Database,
    backend: BackendClient,
    clock: Clock,
    *,
    lease: timedelta = LEASE,
) -> tuple[ModdyBot, Services]:
    """Return the bot, not connected yet, and the services around it."""
    if settings.discord_api_base_url is not None:
        use_api_base(settings.discord_api_base_url)

    def make_cogs(bot: ModdyBot) -> list[commands.Cog]:
        return [
            Customers(backend=backend, notifications=notifications, premium=premium),
            Listeners(
                notifications=notifications,
                deliveries=deliveries,
                guild_id=settings.moddy_guild_id,
            ),
            EventListeners(bot=bot, events=events, clock=clock, guild_id=settings.moddy_guild_id),
        ]

    gate = DiscordGate()
    bot = ModdyBot(
        database=database,
        make_cogs=make_cogs,
        translator=CatalogueTranslator(),
        shard_count=settings.shard_count,
        shard_ids=settings.shard_ids,
        http_trace=trace_calls(gate.asked, gate.answered),
    )
    connection = Connection(bot, bot.logged_in.is_set)
    roles = DiscordRoles(connection, is_gateway_ready=lambda: bot.gateway_ready)
    messenger = DiscordMessenger(
        connection,
        guild_id=settings.moddy_guild_id,
        render=notification_view,
        render_fallback=fallback_text,
        locales=("en-US", "fr"),
        is_gateway_ready=lambda: bot.gateway_ready,
    )

    def wake_deliveries() -> None:
        deliveries.wake()

    premium = Premium(
        database=database,
        clock=clock,
        premium_plans=settings.premium_plans,
        grace=timedelta(days=settings.past_due_grace_days),
        guild_id=settings.moddy_guild_id,
        role_id=settings.moddy_premium_role_id,
        wake_deliveries=wake_deliveries,
    )
    notifications = Notifications(
        database=database,
        clock=clock,
        messenger=messenger,
        premium=premium,
        fallback_channel_id=settings.moddy_notify_channel_id,
    )
    role_updates = RoleUpdates(
        database=database,
        clock=clock,
        roles=roles,
        guild_id=settings.moddy_guild_id,
        premium_role_id=settings.moddy_premium_role_id,
        premium_plans=settings.premium_plans,
    )
    guild_id = settings.moddy_guild_id
    new_dms = AsyncLimiter(settings.dm_opens_per_minute, 60)

    async def pace_dm(user_id: Snowflake) -> None:
        if not messenger.has_open_dm(user_id):
            await new_dms.acquire()

    events = Events(database=database, clock=clock, backend=backend, wake=wake_deliveries)
    deliveries = Deliveries(
        database=database,
        clock=clock,
        lease=lease,
        checkpoint=database.checkpoint,
        carriers={
            DeliveryKind.NOTIFY: Carrier(
                attempt=notifications.attempt,
                is_ready=lambda: bot.logged_in.is_set() and gate.allows(DeliveryKind.NOTIFY),
                pace=pace_dm,
                guard=gate.attempt,
                given_up=answers.NOTIFY_REFUSED,
            ),
            DeliveryKind.ROLES: Carrier(
                attempt=role_updates.attempt,
                is_ready=lambda: bot.logged_in.is_set() and gate.allows(DeliveryKind.ROLES),
                guard=gate.attempt,
                given_up=answers.roles_refused(guild_id) if guild_id else None,
            ),
            DeliveryKind.EVENT: Carrier(
                attempt=events.attempt,
                is_ready=lambda: backend.breaker_state is not BreakerState.OPEN,
                pace=events.pace,
            ),
        },
    )
    return bot, Services(
        notifications=notifications,
        role_updates=role_updates,
        premium=premium,
        deliveries=deliveries,
        sweeps=_make_sweeps(settings, database, clock, premium, events),
        health=Health(database=database, is_gateway_ready=lambda: bot.gateway_ready),
    )


def _make_sweeps(
    settings: Settings, database: Database, clock: Clock, premium: Premium, events: Events
) -> Sweeps:
    housekeeping = Housekeeping(
        database=database,
        clock=clock,
        retention=timedelta(days=settings.delivery_retention_days),
    )
    return Sweeps(
        database=database,
        clock=clock,
        sweeps=[
            Sweep(
                name="premium",
                work=premium.end_due,
                interval=PREMIUM_SWEEP_INTERVAL,
                claim=PREMIUM_SWEEP_CLAIM,
            ),
            Sweep(
                name="housekeeping",
                work=housekeeping.remove_finished,
                interval=HOUSEKEEPING_INTERVAL,
                claim=HOUSEKEEPING_CLAIM,
            ),
            Sweep(
                name="event backlog",
                work=events.trim,
                interval=EVENT_SWEEP_INTERVAL,
                claim=EVENT_SWEEP_CLAIM,
            ),
            Sweep(
                name="event revival",
                work=events.revive,
                interval=EVENT_SWEEP_INTERVAL,
                claim=EVENT_SWEEP_CLAIM,
            ),
        ],
    )
