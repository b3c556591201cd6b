"""Running and stopping everything; `moddy.wiring` builds the bot and the services."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import timedelta

import structlog
from aiohttp import web
from msgspec import Struct
from yarl import URL

from moddy import __version__
from moddy.backend import BackendClient, Case, open_backend_client
from moddy.bot import ModdyBot
from moddy.config import Settings
from moddy.metrics import Metrics
from moddy.ports import Clock, SystemClock
from moddy.signing import Signer
from moddy.store.database import Database, open_database
from moddy.store.deliveries import LEASE
from moddy.store.migrate import migrate
from moddy.watchdog import watching_loop
from moddy.web.app import make_app, make_public_app
from moddy.web.server import bound_port, serve
from moddy.wiring import Ground, Services, build

log = structlog.get_logger(__name__)

Connector = Callable[[ModdyBot], AbstractAsyncContextManager[None]]

# Seconds. Railway's private DNS is not ready for the first seconds after a start.
DNS_PATIENCE = 6.0


class Moddy(Struct, frozen=True, kw_only=True):
    """A running Moddy. The URLs are those of this machine, with the ports really bound."""

    settings: Settings
    bot: ModdyBot
    database: Database
    internal_url: URL
    public_url: URL | None


@asynccontextmanager
async def open_moddy(
    settings: Settings,
    *,
    connect: Connector,
    clock: Clock | None = None,
    loopback: bool = False,
    lease: timedelta = LEASE,
    checkpoint: Callable[[str], None] = lambda _name: None,
) -> AsyncIterator[Moddy]:
    """Run Moddy while the body runs; `connect` brings the bot to Discord.

    With `loopback` only this machine reaches the internal API. `lease` is how long a delivery is
    held for one attempt, and so the most that another process waits for it after a crash.
    `checkpoint` is told of named moments, for tests that end the process there.

    Raises:
        SchemaTooNew, StoreUnavailable: the store cannot be used.
        AddressInUse: a port is taken.
        DiscordLoginRefused: at any time, from `connect`.
    """
    log.info("starting", version=__version__)
    _warn_of_gaps(settings)
    async with AsyncExitStack() as stack:
        stack.callback(log.info, "stopped")
        metrics = Metrics()
        stack.enter_context(watching_loop(note_freeze=metrics.loop_freezes.add))
        database = await stack.enter_async_context(
            open_database(
                settings.database_url, checkpoint=checkpoint, observe=metrics.store_seconds.add
            )
        )
        revision = await migrate(database)
        await database.connect()
        log.info("store ready", revision=revision, sqlite=database.is_sqlite)
        secrets = settings.internal_signing_secrets
        signer = Signer(secrets) if secrets else None
        backend = await stack.enter_async_context(
            open_backend_client(
                base_url=settings.backend_internal_url,
                secret=settings.internal_api_secret,
                signer=signer,
            )
        )
        ground = Ground(
            settings=settings, database=database, backend=backend, clock=clock or SystemClock()
        )
        bot, services = build(ground, metrics, lease=lease)
        internal = await stack.enter_async_context(
            serve(
                _internal_app(settings, services, signer, metrics),
                settings.internal_port,
                setting="INTERNAL_PORT",
                loopback=loopback,
            )
        )
        public = None
        if settings.port is not None:
            public = await stack.enter_async_context(
                serve(make_public_app(), settings.port, setting="PORT")
            )
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        stack.push_async_callback(_end, tasks.create_task(metrics.watch_loop(), name="lag"))
        # It takes what happens on Discord for as long as there is a connection.
        recording = tasks.create_task(services.recorder.run(), name="events")
        stack.push_async_callback(_end, recording)
        newcomers = services.reconcilers.newcomers
        if newcomers is not None:
            stack.push_async_callback(_end, tasks.create_task(newcomers.run(), name="newcomers"))
        modules = services.guild_modules
        preparing = tasks.create_task(modules.preparations.run(modules.active), name="modules")
        stack.push_async_callback(_end, preparing)
        await stack.enter_async_context(connect(bot))
        running = [
            tasks.create_task(services.deliveries.run(), name="deliveries"),
            tasks.create_task(services.sweeps.run(), name="sweeps"),
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


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _internal_app(
    settings: Settings, services: Services, signer: Signer | None, metrics: Metrics
) -> web.Application:
    return make_app(
        secret=settings.internal_api_secret,
        previous_secret=settings.internal_api_secret_previous,
        notifications=services.notifications,
        role_updates=services.role_updates,
        premium_service=services.premium,
        deliveries=services.deliveries,
        health_service=services.health,
        status_service=services.status,
        metrics=metrics,
        signer=signer,
    )


def _warn_of_gaps(settings: Settings) -> None:
    """Say what will not work with these settings."""
    if settings.internal_api_secret is None:
        log.warning("INTERNAL_API_SECRET is not set: the internal API answers 503")
    if settings.moddy_guild_id is None:
        log.warning("MODDY_GUILD_ID is not set: role updates are answered 503")
    elif settings.moddy_premium_role_id is None:
        log.warning("MODDY_PREMIUM_ROLE_ID is not set: role updates by plan are answered 503")


async def _explain_backend(backend: BackendClient) -> None:
    """Tell once, at the start, how the connection to the backend stands."""
    diagnosis = await backend.test_connection()
    if diagnosis.case is Case.NAME_NOT_RESOLVED:
        await asyncio.sleep(DNS_PATIENCE)
        diagnosis = await backend.test_connection()
    for line in diagnosis.lines():
        (log.info if diagnosis.ok else log.warning)(line)
