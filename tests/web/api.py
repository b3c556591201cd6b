"""The internal API as it runs: a real store, real services, a real socket, and fake ports."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
import sqlalchemy as sa
from msgspec import Struct

from moddy.metrics import Metrics
from moddy.models import Snowflake
from moddy.services.deliveries import Carrier, Deliveries
from moddy.services.health import Health
from moddy.services.notifications import Notifications
from moddy.services.passes import Counters
from moddy.services.premium import Premium
from moddy.services.roles import RoleUpdates
from moddy.services.status import EventCounts, Status
from moddy.signing import Signer
from moddy.store.database import Database
from moddy.store.deliveries import DeliveryKind
from moddy.store.tables import deliveries as deliveries_table
from moddy.web.app import make_app
from moddy.web.server import bound_port, serve
from tests.fakes import FakeMessenger, FakeRoles, FixedClock

SECRET = "s3cret-of-the-test"
PREVIOUS = "the-one-before"
GUILD = Snowflake.parse("700000000000000001")
PREMIUM_ROLE = Snowflake.parse("700000000000000002")
FALLBACK_CHANNEL = Snowflake.parse("700000000000000003")
# The backend's client: 10 s in all; more than the 9 s within which Moddy always answers.
CLIENT_TIMEOUT = 10.0


class Setup(Struct, frozen=True, kw_only=True):
    """What differs between the APIs of tests; the defaults have everything configured.

    Without `works` the worker is left to the test to start.
    """

    secret: str | None = SECRET
    previous_secret: str | None = None
    guild_id: Snowflake | None = GUILD
    premium_role_id: Snowflake | None = PREMIUM_ROLE
    fallback_channel_id: Snowflake | None = None
    answer_within: float = 8.0
    max_requests: int | None = None
    signer: Signer | None = None
    works: bool = True


EVERYTHING = Setup()


class Gateway:
    """What the API knows of the connection to Discord."""

    def __init__(self) -> None:
        self.ready = True
        self.latencies = {0: 0.042}
        self.logged_in = asyncio.Event()
        self.logged_in.set()
        self._asked_in_vain = asyncio.Event()

    def is_reachable(self) -> bool:
        """Tell whether Discord can be called."""
        if not self.logged_in.is_set():
            self._asked_in_vain.set()
        return self.logged_in.is_set()

    async def park(self, deliveries: Deliveries) -> None:
        """Return once the worker has found that it can do nothing, and so is in no query."""
        self.logged_in.clear()
        self._asked_in_vain.clear()
        deliveries.wake()
        await self._asked_in_vain.wait()


class Api:
    """A running API and what is behind it."""

    port: int
    client: httpx.AsyncClient

    def __init__(self, database: Database, setup: Setup) -> None:
        self._worker: asyncio.Task[None] | None = None
        self.database = database
        self.clock = FixedClock()
        self.gateway = Gateway()
        self.metrics = Metrics()
        self.counters = Counters()
        self.events = EventCounts(held=0, dropped={"memory": 0, "backlog": 0})
        self.breakers = {"backend": "closed"}
        self.messenger = FakeMessenger()
        self.roles = FakeRoles(GUILD)
        self.roles.add_role(PREMIUM_ROLE)
        self.premium = Premium(
            database=database, clock=self.clock, premium_plans=frozenset({"moddy_max"})
        )
        self.notifications = Notifications(
            database=database,
            clock=self.clock,
            messenger=self.messenger,
            premium=self.premium,
            fallback_channel_id=setup.fallback_channel_id,
        )
        self.role_updates = RoleUpdates(
            database=database,
            clock=self.clock,
            roles=self.roles,
            guild_id=setup.guild_id,
            premium_role_id=setup.premium_role_id,
            premium_plans=self.premium.premium_plans,
        )
        self.deliveries = Deliveries(
            database=database,
            clock=self.clock,
            carriers={
                DeliveryKind.NOTIFY: Carrier(
                    attempt=self.notifications.attempt, is_ready=self.gateway.is_reachable
                ),
                DeliveryKind.ROLES: Carrier(
                    attempt=self.role_updates.attempt, is_ready=self.gateway.is_reachable
                ),
            },
            observe=self.metrics.add_attempt,
        )
        self.status = Status(
            database=database,
            clock=self.clock,
            metrics=self.metrics,
            look_at_gateway=lambda: (self.gateway.ready, 1, self.gateway.latencies),
            breakers={"backend": lambda: self.breakers["backend"]},
            look_at_events=lambda: self.events,
            reconciliation=self.counters,
        )
        self.app = make_app(
            secret=setup.secret,
            previous_secret=setup.previous_secret,
            notifications=self.notifications,
            role_updates=self.role_updates,
            premium_service=self.premium,
            deliveries=self.deliveries,
            health_service=Health(database=database, is_gateway_ready=lambda: self.gateway.ready),
            status_service=self.status,
            metrics=self.metrics,
            answer_within=setup.answer_within,
            max_requests=setup.max_requests,
            signer=setup.signer,
        )

    def start_worker(self) -> None:
        """Let the worker of the deliveries run."""
        self._worker = asyncio.create_task(self.deliveries.run())

    async def stop_worker(self) -> None:
        """Let what hangs go on, and end the worker."""
        self.messenger.gate.open()
        self.roles.gate.open()
        if self._worker is None:
            return
        parking = asyncio.create_task(self.gateway.park(self.deliveries))
        # A worker that has ended by itself never comes to wait for Discord.
        await asyncio.wait({parking, self._worker}, return_when=asyncio.FIRST_COMPLETED)
        parking.cancel()
        self._worker.cancel()
        await asyncio.wait({self._worker})
        assert self._worker.cancelled(), self._worker.exception()

    async def notify(
        self, body: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """POST /internal/notify."""
        return await self.client.post("/internal/notify", json=body, headers=headers)

    async def update_roles(
        self, body: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """POST /internal/roles/update."""
        return await self.client.post("/internal/roles/update", json=body, headers=headers)

    async def read_premium(self, discord_id: str) -> dict[str, Any]:
        """GET /internal/users/{discord_id}/premium."""
        response = await self.client.get(f"/internal/users/{discord_id}/premium")
        assert response.status_code == 200
        found: dict[str, Any] = response.json()
        return found

    async def rows(self) -> list[Mapping[str, Any]]:
        """Return the rows of the `deliveries` table, in the order of acceptance."""
        query = sa.select(deliveries_table).order_by(deliveries_table.c.sequence)
        return await self.database.read(lambda connection: _all(connection.execute(query)))


async def _all(executing: Any) -> list[Mapping[str, Any]]:
    return list((await executing).mappings())


@asynccontextmanager
async def open_api(database: Database, setup: Setup = EVERYTHING) -> AsyncIterator[Api]:
    """Serve the internal API over a migrated store, its worker running."""
    async with AsyncExitStack() as stack:
        api = Api(database, setup)
        runner = await stack.enter_async_context(serve(api.app, 0, setting="INTERNAL_PORT"))
        api.port = bound_port(runner)
        secret = (setup.secret or "").encode("utf-8", "surrogateescape")
        headers = {b"Authorization": b"Bearer " + secret} if secret else {}
        api.client = await stack.enter_async_context(open_client(api.port, headers))
        if setup.works:
            api.start_worker()
        try:
            yield api
        finally:
            await api.stop_worker()


@asynccontextmanager
async def open_client(
    port: int, headers: Mapping[bytes, bytes]
) -> AsyncIterator[httpx.AsyncClient]:
    """Open a client like the backend's."""
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}",
        headers=headers,
        timeout=CLIENT_TIMEOUT,
        trust_env=False,
        verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),  # loading certificates takes long
    ) as client:
        yield client
