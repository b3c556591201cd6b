"""What Moddy tells the backend of what people do: commands, and messages if wanted."""

from __future__ import annotations

from typing import Any

import discord
import pytest

from moddy.cogs.events import ALREADY_ACKNOWLEDGED
from moddy.models import EventType
from moddy.sandbox.world import CUSTOMER
from tests.cogs.conftest import Office
from tests.cogs.event_office import EventOffice


@pytest.fixture
async def events(office: Office) -> EventOffice:
    """An office whose events are recorded, messages too."""
    events = EventOffice(office, guild_id=office.world.guild_id)
    await events.add_cogs(reports_messages=True)
    return events


async def test_command_that_worked(events: EventOffice) -> None:
    office = events.office
    await office.run(CUSTOMER, "profile", in_guild=True)
    ((user_id, event),) = await events.recorded()
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


async def test_command_in_direct_messages_and_with_options(events: EventOffice) -> None:
    await events.office.run(CUSTOMER, "invoices", limit=3)
    ((_, event),) = await events.recorded()
    assert event.metadata["command"] == "invoices"
    assert set(event.metadata) == {"command", "success", "channel_id", "execution_time_ms"}


async def test_command_that_failed(events: EventOffice) -> None:
    events.office.backend.error = RuntimeError("secret words")
    await events.office.run(CUSTOMER, "subscription")
    ((_, event),) = await events.recorded()
    assert event.metadata["success"] is False
    assert "secret" not in str(event.metadata)


async def test_command_that_another_instance_answered_is_theirs_to_tell(
    events: EventOffice,
) -> None:
    error = RuntimeError("acknowledged")
    error.code = ALREADY_ACKNOWLEDGED  # type: ignore[attr-defined]
    events.office.backend.error = error
    await events.office.run(CUSTOMER, "subscription")
    assert await events.recorded() == []


async def test_commands_are_recorded_without_a_main_guild(office: Office) -> None:
    events = EventOffice(office, guild_id=None)
    await events.add_cogs(reports_messages=True)
    await office.run(CUSTOMER, "profile", in_guild=True)
    await office.world.members[CUSTOMER].send(office.world.general, "hello")
    ((_, event),) = await events.recorded()
    assert event.event_type is EventType.COMMAND_USED


async def test_message_whose_text_moddy_may_not_see(events: EventOffice) -> None:
    world = events.office.world
    message = await world.members[CUSTOMER].send(world.general, "my secret words")
    ((user_id, event),) = await events.recorded()
    assert (user_id, event.event_type) == (events.office.user_id(CUSTOMER), EventType.MESSAGE_SENT)
    # Neither the length nor whether there are attachments is known.
    assert event.metadata == {"guild_id": events.guild_id, "channel_id": str(world.general.id)}
    assert event.key == f"message_sent:-:{user_id}:{message.id}"


async def test_message_that_mentions_moddy(events: EventOffice) -> None:
    world = events.office.world
    text = f"{events.guild.me.mention} my secret words"
    attachments = [("plan.txt", b"words")]
    await world.members[CUSTOMER].send(world.general, text, attachments=attachments)
    await world.members[CUSTOMER].send(world.general, events.guild.me.mention)
    first, second = (event.metadata for _, event in await events.recorded())
    assert first["message_length"] == len(text)
    assert first["has_attachments"] is True
    assert second["has_attachments"] is False
    assert "secret" not in str(first)


async def test_messages_are_told_only_when_asked_for(office: Office) -> None:
    events = EventOffice(office, guild_id=office.world.guild_id)
    await events.add_cogs()
    await office.world.members[CUSTOMER].send(office.world.general, "hello")
    assert await events.recorded() == []


async def test_messages_elsewhere_and_of_machines_are_not_told(events: EventOffice) -> None:
    world = events.office.world
    other = world.env.create_guild("Elsewhere")
    channel = other.create_text_channel("general")
    member = other.add_member(world.user(CUSTOMER))
    await events.settle()
    await member.send(channel, "hello")
    await world.user(CUSTOMER).send_dm("hello")
    general = events.office.bot.get_channel(world.general.id)
    assert isinstance(general, discord.TextChannel)
    await general.send("I am Moddy")
    assert await events.recorded() == []


@pytest.mark.parametrize(
    "changes",
    [{"type": 7}, {"webhook_id": "5"}, {"author": {"id": "7", "username": "robot", "bot": True}}],
    ids=["notice", "webhook", "bot"],
)
async def test_what_no_person_wrote_is_not_told(
    events: EventOffice, changes: dict[str, Any]
) -> None:
    """The same message is told when a person wrote it."""
    bot, world = events.office.bot, events.office.world
    data: dict[str, Any] = {
        "id": "1456074443980800777",
        "channel_id": str(world.general.id),
        "guild_id": str(events.guild_id),
        "type": 0,
        "author": {"id": "6", "username": "person", "discriminator": "0", "avatar": None},
        "content": "",
        "timestamp": "2025-01-01T12:00:00+00:00",
        "edited_timestamp": None,
        "tts": False,
        "mention_everyone": False,
        "pinned": False,
        **{key: [] for key in ("mentions", "mention_roles", "attachments", "embeds")},
    }
    author = {**data["author"], **changes.get("author", {})}
    for payload in ({**data, **changes, "author": author}, data):
        bot._connection.parse_message_create(payload)  # type: ignore[arg-type]
    assert len(await events.recorded()) == 1
