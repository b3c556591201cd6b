"""Building the bot and the services from the settings; `moddy.app` runs and stops them."""

from __future__ import annotations

from datetime import timedelta

from discord.ext import commands
from msgspec import Struct

from moddy.bot import ModdyBot, use_api_base
from moddy.cogs.command_lines import CommandLines
from moddy.cogs.config import Config
from moddy.cogs.customers import Customers
from moddy.cogs.events import EventListeners
from moddy.cogs.listeners import Listeners
from moddy.cogs.member_events import MemberEvents
from moddy.cogs.presses import Presses, gather_presses
from moddy.messenger import (
    Connection,
    DiscordMessenger,
    DiscordRoles,
    DiscordStaffLog,
    trace_calls,
)
from moddy.metrics import Metrics
from moddy.models import Snowflake
from moddy.modules.listeners import ModuleListeners
from moddy.services.deliveries import Deliveries
from moddy.services.discord_gate import DiscordGate
from moddy.services.event_recorder import EventRecorder
from moddy.services.events import Events
from moddy.services.health import Health
from moddy.services.notifications import Notifications
from moddy.services.premium import Premium
from moddy.services.roles import RoleUpdates
from moddy.services.status import EventCounts, Status
from moddy.services.sweeps import Sweeps
from moddy.store.deliveries import LEASE, DeliveryKind
from moddy.views.notifications import fallback_text, notification_view
from moddy.views.staff.audit import audit_entry_view
from moddy.views.translator import CatalogueTranslator
from moddy.wiring.carriers import make_carriers
from moddy.wiring.ground import Ground
from moddy.wiring.guild_modules import GuildModuleParts, make_guild_modules
from moddy.wiring.reconcilers import Reconcilers, make_reconcilers
from moddy.wiring.staff import StaffParts, make_staff, make_staff_cogs
from moddy.wiring.sweeps import make_sweeps


class Services(Struct, frozen=True, kw_only=True):
    """Everything between the store and the doors."""

    notifications: Notifications
    role_updates: RoleUpdates
    premium: Premium
    deliveries: Deliveries
    sweeps: Sweeps
    reconcilers: Reconcilers
    recorder: EventRecorder
    health: Health
    status: Status
    guild_modules: GuildModuleParts
    staff: StaffParts


def build(
    ground: Ground, metrics: Metrics, *, lease: timedelta = LEASE
) -> tuple[ModdyBot, Services]:
    """Return the bot, not connected yet, and the services around it."""
    settings = ground.settings
    if settings.discord_api_base_url is not None:
        use_api_base(settings.discord_api_base_url)
    gate = DiscordGate()

    def note_answer(call: int, status: int | None) -> None:
        gate.answered(call, status)
        metrics.add_discord_call(status)

    bot = ModdyBot(
        database=ground.database,
        make_cogs=lambda bot: _make_cogs(ground, bot, services),
        translator=CatalogueTranslator(),
        shard_count=settings.shard_count,
        shard_ids=settings.shard_ids,
        http_trace=trace_calls(gate.asked, note_answer),
        note_session=metrics.gateway_sessions.add,
    )
    services = _make_services(ground, bot, gate, metrics, lease=lease)
    return bot, services


def _make_cogs(ground: Ground, bot: ModdyBot, services: Services) -> list[commands.Cog]:
    settings, clock = ground.settings, ground.clock
    modules = services.guild_modules
    cogs: list[commands.Cog] = [
        CommandLines(),
        Customers(
            backend=ground.backend,
            notifications=services.notifications,
            premium=services.premium,
            clock=clock,
            website_url=settings.moddy_website_url,
        ),
        Listeners(
            notifications=services.notifications,
            deliveries=services.deliveries,
            guild_id=settings.moddy_guild_id,
            newcomers=services.reconcilers.newcomers,
        ),
        EventListeners(
            recorder=services.recorder,
            clock=clock,
            guild_id=settings.moddy_guild_id,
            reports_messages=settings.report_messages,
        ),
        MemberEvents(
            bot=bot, recorder=services.recorder, clock=clock, guild_id=settings.moddy_guild_id
        ),
        ModuleListeners(active=modules.active, preparations=modules.preparations),
        Config(desk=modules.desk, preview=modules.preview, premium_gate=modules.gate),
        *make_staff_cogs(ground, services.staff),
    ]
    return [*cogs, Presses(gather_presses(cogs))]


def _make_services(
    ground: Ground, bot: ModdyBot, gate: DiscordGate, metrics: Metrics, *, lease: timedelta
) -> Services:
    settings, database, clock = ground.settings, ground.database, ground.clock

    def is_gateway_ready() -> bool:
        return bot.gateway_ready

    def wake() -> None:
        deliveries.wake()

    connection = Connection(bot, bot.logged_in.is_set)
    roles = DiscordRoles(connection, is_gateway_ready=is_gateway_ready)
    messenger = DiscordMessenger(
        connection,
        guild_id=settings.moddy_guild_id,
        render=notification_view,
        render_fallback=fallback_text,
        locales=("en-US", "fr"),
        is_gateway_ready=is_gateway_ready,
    )
    premium = Premium(
        database=database,
        clock=clock,
        premium_plans=settings.premium_plans,
        grace=timedelta(days=settings.past_due_grace_days),
        guild_id=settings.moddy_guild_id,
        role_id=settings.moddy_premium_role_id,
        wake_deliveries=wake,
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
    staff_log = DiscordStaffLog(
        connection,
        render=lambda entry, locale: audit_entry_view(entry, locale=locale),
        guild_locale=messenger.guild_locale,
    )
    staff = make_staff(
        ground, staff_log, moddy_id=lambda: Snowflake(bot.user.id if bot.user else 0)
    )
    events = Events(database=database, clock=clock, backend=ground.backend, wake=wake)
    recorder = EventRecorder(store=events.store)
    deliveries = Deliveries(
        database=database,
        clock=clock,
        lease=lease,
        checkpoint=database.checkpoint,
        observe=metrics.add_attempt,
        carriers=make_carriers(
            ground,
            gate=gate,
            is_logged_in=bot.logged_in.is_set,
            messenger=messenger,
            notifications=notifications,
            role_updates=role_updates,
            audit=staff.audit,
            events=events,
        ),
    )
    reconcilers = make_reconcilers(
        ground,
        roles=roles,
        premium=premium,
        brake=staff.brake,
        is_ready=lambda: bot.logged_in.is_set() and gate.allows(DeliveryKind.ROLES),
        wake=wake,
    )
    return Services(
        notifications=notifications,
        role_updates=role_updates,
        premium=premium,
        deliveries=deliveries,
        sweeps=make_sweeps(
            ground,
            premium=premium,
            events=events,
            refunds=staff.refunds,
            reconcilers=reconcilers,
        ),
        reconcilers=reconcilers,
        recorder=recorder,
        health=Health(database=database, is_gateway_ready=is_gateway_ready),
        status=Status(
            database=database,
            clock=clock,
            metrics=metrics,
            look_at_gateway=lambda: (bot.gateway_ready, len(bot.guilds), bot.shard_latencies()),
            breakers={
                "backend": lambda: ground.backend.breaker_state.value,
                "discord": lambda: gate.state.value,
                "discord_dms": lambda: gate.dm_state.value,
            },
            look_at_events=lambda: EventCounts(
                held=recorder.held, dropped={"memory": recorder.dropped, "backlog": events.dropped}
            ),
            reconciliation=reconcilers.counters,
        ),
        guild_modules=make_guild_modules(ground, connection, premium),
        staff=staff,
    )
