"""The one place that builds, runs and stops everything."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

import structlog
from aiohttp import web
from msgspec import Struct
from yarl import URL

from moddy import __version__
from moddy.backend import BackendClient, Case, open_backend_client
from moddy.bot import ModdyBot, use_api_base
from moddy.cogs.customers import Customers
from moddy.cogs.listeners import Listeners
from moddy.config import Settings
from moddy.errors import StoreUnavailable
from moddy.messenger import DiscordMessenger
from moddy.ports import Clock, SystemClock
from moddy.services.deliveries import Carrier, Deliveries
from moddy.services.health import Health
from moddy.services.notifications import Notifications
from moddy.services.premium import Premium
from moddy.services.roles import RoleUpdates
from moddy.store.database import Database, open_database
from moddy.store.deliveries import DeliveryKind
from moddy.store.migrate import migrate
from moddy.views.notifications import fallback_text, notification_view
from moddy.views.translator import CatalogueTranslator
from moddy.web.app import make_app, make_public_app
from moddy.web.server import bound_port, serve

log = structlog.get_logger(__name__)

Connector = Callable[[ModdyBot], AbstractAsyncContextManager[None]]

# Seconds. Premium has to be off within 60 s of its end.
PREMIUM_SWEEP_INTERVAL = 20.0
# Railway's private DNS is not ready for the first seconds after a start.
DNS_PATIENCE = 6.0


class Moddy(Struct, frozen=True, kw_only=True):
    """A running Moddy. The URLs are those of this machine, with the ports really bound."""

    settings: Settings
    bot: ModdyBot
    database: Database
    internal_url: URL
    public_url: URL | None


class Services(Struct, frozen=True, kw_only=True):
    """Everything between the store and the doors."""

    notifications: Notifications
    role_updates: RoleUpdates
    premium: Premium
    deliveries: Deliveries
    health: Health


@asynccontextmanager
async def open_moddy(
    settings: Settings,
    *,
    connect: Connector,
    clock: Clock | None = None,
    loopback: bool = False,
) -> AsyncIterator[Moddy]:
    """Run Moddy while the body runs; `connect` brings the bot to Discord.

    With `loopback` only this machine reaches the internal API.

    Raises:
        SchemaTooNew, StoreUnavailable: the store cannot be used.
        AddressInUse: a port is taken.
        DiscordLoginRefused: at any time, from `connect`.
    """
    log.info("starting", version=__version__)
    _warn_of_gaps(settings)
    async with AsyncExitStack() as stack:
        stack.callback(log.info, "stopped")
        database = await stack.enter_async_context(open_database(settings.database_url))
        log.info("store ready", revision=await migrate(database), sqlite=database.is_sqlite)
        backend = await stack.enter_async_context(
            open_backend_client(
                base_url=settings.backend_internal_url, secret=settings.internal_api_secret
            )
        )
        bot, services = _build(settings, database, backend, clock or SystemClock())
        internal = await stack.enter_async_context(
            serve(
                _internal_app(settings, services), settings.internal_port, setting="INTERNAL_PORT"
            )
        )
        public = None
        if settings.port is not None:
            public = await stack.enter_async_context(
                serve(make_public_app(), settings.port, setting="PORT")
            )
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        await stack.enter_async_context(connect(bot))
        running = [
            tasks.create_task(services.deliveries.run(), name="deliveries"),
            tasks.create_task(_sweep(services.premium.end_due), name="premium"),
            tasks.create_task(_explain_backend(backend), name="backend"),
        ]
        try:
            yield Moddy(
                settings=settings,
                bot=bot,
                database=database,
                internal_url=URL.build(scheme="http", host="127.0.0.1", port=bound_port(internal)),
                public_url=URL.build(scheme="http", host="127.0.0.1", port=bound_port(public))
                if public
                else None,
            )
        finally:
            # The other way round than it started would close Discord before the deliveries in
            # hand are done: first take nothing new, then finish, then let the stack unwind.
            log.info("stopping")
            services.deliveries.stop()
            for runner in filter(None, (internal, public)):
                await runner.cleanup()
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)


def _build(
    settings: Settings, database: Database, backend: BackendClient, clock: Clock
) -> tuple[ModdyBot, Services]:
    if settings.discord_api_base_url is not None:
        use_api_base(settings.discord_api_base_url)

    def make_cogs(_bot: ModdyBot) -> list[Customers | Listeners]:
        return [
            Customers(backend=backend, notifications=notifications, premium=premium),
            Listeners(
                notifications=notifications,
                deliveries=deliveries,
                guild_id=settings.moddy_guild_id,
            ),
        ]

    bot = ModdyBot(
        database=database,
        make_cogs=make_cogs,
        translator=CatalogueTranslator(),
        shard_count=settings.shard_count,
        shard_ids=settings.shard_ids,
    )
    messenger = DiscordMessenger(
        bot=bot,
        guild_id=settings.moddy_guild_id,
        render=notification_view,
        render_fallback=fallback_text,
        is_connected=bot.logged_in.is_set,
        is_gateway_ready=lambda: bot.gateway_ready,
    )
    premium = Premium(database=database, clock=clock, premium_plans=settings.premium_plans)
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
        roles=messenger,
        guild_id=settings.moddy_guild_id,
        premium_role_id=settings.moddy_premium_role_id,
        premium_plans=settings.premium_plans,
    )
    deliveries = Deliveries(
        database=database,
        clock=clock,
        carriers={
            DeliveryKind.NOTIFY: Carrier(
                attempt=notifications.attempt, is_ready=bot.logged_in.is_set
            ),
            DeliveryKind.ROLES: Carrier(
                attempt=role_updates.attempt, is_ready=bot.logged_in.is_set
            ),
        },
    )
    return bot, Services(
        notifications=notifications,
        role_updates=role_updates,
        premium=premium,
        deliveries=deliveries,
        health=Health(database=database, is_gateway_ready=lambda: bot.gateway_ready),
    )


def _internal_app(settings: Settings, services: Services) -> web.Application:
    return make_app(
        secret=settings.internal_api_secret,
        previous_secret=settings.internal_api_secret_previous,
        notifications=services.notifications,
        role_updates=services.role_updates,
        premium_service=services.premium,
        deliveries=services.deliveries,
        health_service=services.health,
    )


def _warn_of_gaps(settings: Settings) -> None:
    """Say what will not work with these settings."""
    if settings.internal_api_secret is None:
        log.warning("INTERNAL_API_SECRET is not set: the internal API answers 503")
    if settings.moddy_guild_id is None:
        log.warning("MODDY_GUILD_ID is not set: role updates are answered 503")
    elif settings.moddy_premium_role_id is None:
        log.warning("MODDY_PREMIUM_ROLE_ID is not set: role updates by plan are answered 503")
    without_effect = {
        "MODDY_STAFF_LOG_CHANNEL_ID": settings.moddy_staff_log_channel_id,
        "DEVELOPER_IDS": settings.developer_ids,
        "REPORT_MESSAGES": settings.report_messages,
        "SENTRY_DSN": settings.sentry_dsn,
    }
    for name in (name for name, value in without_effect.items() if value):
        log.warning("setting without effect in this version", setting=name)


async def _sweep(work: Callable[[], Awaitable[int]]) -> None:
    while True:
        try:
            await work()
        except StoreUnavailable:
            log.warning("store unavailable", task="premium")
        except Exception:  # the edge of the task: the next sweep may succeed
            log.exception("sweep failed unexpectedly", task="premium")
        await asyncio.sleep(PREMIUM_SWEEP_INTERVAL)


async def _explain_backend(backend: BackendClient) -> None:
    """Tell once, at the start, how the connection to the backend stands."""
    diagnosis = await backend.test_connection()
    if diagnosis.case is Case.NAME_NOT_RESOLVED:
        await asyncio.sleep(DNS_PATIENCE)
        diagnosis = await backend.test_connection()
    for line in diagnosis.lines():
        (log.info if diagnosis.ok else log.warning)(line)
