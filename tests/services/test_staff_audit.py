"""The staff's trail and its posts in the staff's channel."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from moddy.errors import DiscordUnavailable, MissingPermissions
from moddy.models import Snowflake, decoder
from moddy.services.schedule import is_fate_unknown
from moddy.staff import AuditEntry, AuditOutcome, StaffAction
from moddy.store.database import Database
from moddy.store.deliveries import Delivery, DeliveryKind, DeliveryState
from moddy.store.delivery_rows import read_row
from moddy.store.tables import deliveries
from moddy.store.transactions import Connection
from tests.services.refund_stage import ANNA, CUSTOMER, LOG_CHANNEL, RefundStage


class Channel:
    """The staff's channel; raises `error` when one is set."""

    def __init__(self) -> None:
        self.posts: list[tuple[Snowflake, AuditEntry, str]] = []
        self.error: Exception | None = None

    async def post(self, channel_id: Snowflake, entry: AuditEntry, *, nonce: str) -> str:
        if self.error is not None:
            raise self.error
        self.posts.append((channel_id, entry, nonce))
        return "42"


@pytest.fixture
def channel() -> Channel:
    return Channel()


@pytest.fixture
def stage(database: Database, channel: Channel) -> RefundStage:
    return RefundStage(database, log=channel)


async def owed(stage: RefundStage) -> list[Delivery]:
    async def work(connection: Connection) -> list[Delivery]:
        return [read_row(row._mapping) for row in await connection.execute(sa.select(deliveries))]

    return await stage.database.read(work)


async def note(stage: RefundStage) -> None:
    await stage.audit.record(
        ANNA, StaffAction.VIEW_ACCOUNT, AuditOutcome.ALLOWED, subject_id=CUSTOMER, detail="why"
    )


async def test_an_entry_is_kept_and_owed_to_the_channel(
    stage: RefundStage, channel: Channel
) -> None:
    await note(stage)
    [delivery] = await owed(stage)
    assert (delivery.kind, delivery.user_id) == (DeliveryKind.STAFF_LOG, ANNA)
    outcome = await stage.audit.attempt(delivery)
    assert (outcome.state, outcome.message_id) == (DeliveryState.DELIVERED, "42")
    [entry] = await stage.trail()
    assert channel.posts == [(LOG_CHANNEL, entry, delivery.id)]
    assert decoder(AuditEntry).decode(delivery.payload) == entry


async def test_without_a_channel_nothing_is_owed(database: Database) -> None:
    stage = RefundStage(database, channel_id=None)
    await note(stage)
    assert await owed(stage) == []
    assert len(await stage.trail()) == 1


async def test_what_discord_refuses_and_what_it_puts_off(
    stage: RefundStage, channel: Channel, database: Database
) -> None:
    await note(stage)
    [delivery] = await owed(stage)
    channel.error = MissingPermissions("x")
    outcome = await stage.audit.attempt(delivery)
    assert (outcome.state, outcome.error) == (DeliveryState.REFUSED, "missing_permissions")
    channel.error = DiscordUnavailable("x")
    with pytest.raises(DiscordUnavailable):
        await stage.audit.attempt(delivery)
    without = RefundStage(database, channel_id=None)
    assert (await without.audit.attempt(delivery)).state is DeliveryState.REFUSED


async def test_what_may_be_posted_already_is_not_posted_again(
    stage: RefundStage, channel: Channel
) -> None:
    await note(stage)
    since = stage.clock.now()
    stage.clock.advance(timedelta(days=1))

    async def work(connection: Connection) -> None:
        await connection.execute(sa.update(deliveries).values(sending_since=since))

    await stage.database.transaction(work)
    [delivery] = await owed(stage)
    assert is_fate_unknown(delivery, stage.clock.now())
    outcome = await stage.audit.attempt(delivery)
    assert (outcome.state, outcome.maybe_done) == (DeliveryState.UNCERTAIN, True)
    assert channel.posts == []


async def test_pages_of_the_trail(stage: RefundStage) -> None:
    for _ in range(11):
        await note(stage)
    first, beyond = [await stage.audit.read_page(number) for number in (1, 9)]
    assert (len(first.entries), first.number, first.count) == (10, 1, 2)
    assert (len(beyond.entries), beyond.number) == (1, 2)
    about = await stage.audit.read_page(1, person_id=CUSTOMER)
    assert about.count == 2
    assert (await stage.audit.read_page(1, person_id=Snowflake("7"))).entries == ()
