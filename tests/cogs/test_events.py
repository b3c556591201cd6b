"""What Moddy tells the backend of what happens on Discord."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import discord
import msgspec
import pytest
import sqlalchemy as sa
from discord import app_commands

from moddy.cogs.errors import answer_command_error
from moddy.cogs.events import ALREADY_ACKNOWLEDGED, EventListeners
from moddy.models import EventType
from moddy.sandbox.world import AWAY_CUSTOMER, CLOSED_CUSTOMER, CUSTOMER
from moddy.services.events import EventPayload, Events
from moddy.store.tables import deliveries
from tests.cogs.conftest import Office

DECODER = msgspec.json.Decoder(EventPayload)


@pytest.fixture
async def office(office: Office) -> Office:
    """An office whose events are recorded."""
    stage = office.stage
    events = Events(
        database=stage.database, clock=stage.clock, backend=office.backend, wake=lambda: None
    )
    cog = EventListeners(
        bot=office.bot, events=events, clock=stage.clock, guild_id=office.world.guild_id
    )
    await office.bot.add_cog(cog)

    async def on_error(
        interaction: discord.Interaction[Any], error: app_commands.AppCommandError
    ) -> None:
        cause = error.original if isinstance(error, app_commands.CommandInvokeError) else error
        office.bot.dispatch("app_command_failure", interaction, cause)
        await answer_command_error(interaction, error)

    office.bot.tree.error(on_error)
    return office


async def recorded(office: Office) -> list[tuple[str, EventPayload]]:
    """All events so far, with whom they are about."""
    await office.world.env.settle()
    query = sa.select(deliveries.c.discord_id, deliveries.c.payload).where(
        deliveries.c.kind == "event"
    )
    rows = await office.stage.database.read(
        lambda c: c.execute(query.order_by(deliveries.c.sequence))
    )
    return [(row[0], DECODER.decode(row[1])) for row in rows]


async def test_command_that_worked(office: Office) -> None:
    await office.run(CUSTOMER, "profile", in_guild=True)
    ((user_id, event),) = await recorded(office)
    assert (user_id, event.event_type) == (office.user_id(CUSTOMER), EventType.COMMAND_USED)
    took = event.metadata.pop("execution_time_ms")
    assert isinstance(took, int)
    assert 0 <= took < 5000
    assert event.metadata == {
        "command": "profile",
        "success": True,
        "guild_id": office.world.guild_id,
        "channel_id": str(office.world.general.id),
    }
    assert event.key.startswith(f"command_used:-:{user_id}:")


async def test_command_in_direct_messages_and_with_options(office: Office) -> None:
    await office.run(CUSTOMER, "invoices", limit=3)
    ((_, event),) = await recorded(office)
    assert event.metadata["command"] == "invoices"
    assert "guild_id" not in event.metadata
    assert set(event.metadata) == {"command", "success", "channel_id", "execution_time_ms"}


async def test_command_that_failed(office: Office) -> None:
    office.backend.error = RuntimeError("secret words")
    await office.run(CUSTOMER, "subscription")
    ((_, event),) = await recorded(office)
    assert event.metadata["success"] is False
    assert "secret" not in str(event.metadata)


async def test_command_that_another_instance_answered_is_theirs_to_tell(office: Office) -> None:
    error = RuntimeError("acknowledged")
    error.code = ALREADY_ACKNOWLEDGED  # type: ignore[attr-defined]
    office.backend.error = error
    await office.run(CUSTOMER, "subscription")
    assert await recorded(office) == []


async def test_who_joins_and_who_leaves(office: Office) -> None:
    world = office.world
    member = world._guild.add_member(world.user(AWAY_CUSTOMER))
    await world.env.settle()
    world.env.backend.remove_member(world._guild.id, member.id)
    (joiner, joined), (leaver, left) = await recorded(office)
    assert joiner == leaver == office.user_id(AWAY_CUSTOMER)
    assert (joined.event_type, left.event_type) == (EventType.MEMBER_JOINED, EventType.MEMBER_LEFT)
    assert set(joined.metadata) == {"guild_id", "guild_name", "joined_at"}
    assert set(left.metadata) == {"guild_id", "guild_name", "left_at"}
    for event in (joined, left):
        assert event.metadata["guild_id"] == world.guild_id
        assert event.metadata["guild_name"] == "Moddy HQ"
    moment = joined.metadata["joined_at"]
    assert moment.endswith("Z")
    assert datetime.fromisoformat(moment).tzinfo is not None
    assert joined.key == f"member_joined:{world.guild_id}:{joiner}:{moment}"


async def test_member_whom_the_cache_does_not_know_leaves(office: Office) -> None:
    world = office.world
    guild = office.bot.get_guild(world._guild.id)
    assert guild is not None
    user_id = office.user_id(CLOSED_CUSTOMER)
    cached = guild.get_member(int(user_id))
    if cached is not None:
        guild._remove_member(cached)
    world.env.backend.remove_member(world._guild.id, int(user_id))
    ((leaver, left),) = await recorded(office)
    assert (leaver, left.event_type) == (user_id, EventType.MEMBER_LEFT)


async def test_same_discord_event_twice_is_one(office: Office) -> None:
    world = office.world
    world._guild.add_member(world.user(AWAY_CUSTOMER))
    await world.env.settle()
    guild = office.bot.get_guild(world._guild.id)
    assert guild is not None
    member = guild.get_member(int(office.user_id(AWAY_CUSTOMER)))
    office.bot.dispatch("member_join", member)
    assert len(await recorded(office)) == 1


async def test_other_guilds_are_none_of_the_backends_business(office: Office) -> None:
    other = office.world.env.create_guild("Elsewhere")
    member = other.add_member(office.world.user(AWAY_CUSTOMER))
    await office.world.env.settle()
    office.world.env.backend.remove_member(other.id, member.id)
    assert await recorded(office) == []


async def test_nothing_is_recorded_without_a_main_guild(office: Office) -> None:
    cog = office.bot.get_cog("EventListeners")
    assert isinstance(cog, EventListeners)
    cog._guild_id = None
    world = office.world
    member = world._guild.add_member(world.user(AWAY_CUSTOMER))
    await world.env.settle()
    world.env.backend.remove_member(world._guild.id, member.id)
    assert await recorded(office) == []
    await office.run(CUSTOMER, "profile")
    assert len(await recorded(office)) == 1
