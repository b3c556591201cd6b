"""What Moddy tells the backend of members who come, go, and get other roles."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any

import discord
import pytest

from moddy.cogs.member_events import MemberEvents
from moddy.models import EventType
from moddy.sandbox.world import AGENT, AWAY_CUSTOMER, CLOSED_CUSTOMER, CUSTOMER
from moddy.services.event_batches import EventPayload
from tests.cogs.conftest import Office
from tests.cogs.event_office import STAFF_MEMBER, EventOffice
from tests.services.stage import SOON_S

AUDIT_LOG = discord.Permissions(view_audit_log=True)
KICK, BAN = discord.AuditLogAction.kick, discord.AuditLogAction.ban


@pytest.fixture
async def events(office: Office) -> EventOffice:
    """An office that may see the audit log, with all members known."""
    events = EventOffice(office, guild_id=office.world.guild_id)
    await events.add_cogs()
    events.permit(AUDIT_LOG)
    await events.guild.chunk()
    return events


@pytest.fixture
def premium(office: Office) -> int:
    return int(office.world.premium_role_id)


def only(recorded: list[tuple[str, EventPayload]]) -> EventPayload:
    ((_, event),) = recorded
    return event


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(SOON_S):
        while not condition():  # noqa: ASYNC110 (nothing tells of it)
            await asyncio.sleep(0)


async def test_who_joins_and_who_leaves(events: EventOffice) -> None:
    await events.join(AWAY_CUSTOMER)
    events.leave(AWAY_CUSTOMER)
    (joiner, joined), (leaver, left) = await events.recorded()
    assert joiner == leaver == events.office.user_id(AWAY_CUSTOMER)
    assert (joined.event_type, left.event_type) == (EventType.MEMBER_JOINED, EventType.MEMBER_LEFT)
    assert set(joined.metadata) == {"guild_id", "guild_name", "joined_at"}
    assert set(left.metadata) == {"guild_id", "guild_name", "left_at", "reason"}
    assert left.metadata["reason"] == "left"
    for event in (joined, left):
        assert event.metadata["guild_id"] == events.guild_id
        assert event.metadata["guild_name"] == "Moddy HQ"
    moment = joined.metadata["joined_at"]
    assert moment.endswith("Z")
    assert datetime.fromisoformat(moment).tzinfo is not None
    assert joined.key == f"member_joined:{events.guild_id}:{joiner}:{moment}"
    assert left.key == f"member_left:{events.guild_id}:{joiner}:joined-{moment}"


@pytest.mark.parametrize(("action", "reason"), [(KICK, "kick"), (BAN, "ban")])
@pytest.mark.parametrize("entry_first", [True, False])
async def test_reason_from_the_audit_log(
    events: EventOffice, action: discord.AuditLogAction, reason: str, entry_first: bool
) -> None:
    if entry_first:
        events.audit(action, CUSTOMER)
        await events.settle()
    events.leave(CUSTOMER)
    if not entry_first:
        await events.settle()
        events.audit(action, CUSTOMER)
    assert only(await events.recorded(patience=0)).metadata["reason"] == reason


async def test_ban_that_only_the_gateway_tells_of(events: EventOffice) -> None:
    """Discord tells it whoever may ban, with or without the audit log."""
    events.permit(discord.Permissions(ban_members=True))
    user_id = int(events.office.user_id(CUSTOMER))
    events.office.world.env.backend.apply_ban(events.guild.id, user_id, None)
    assert only(await events.recorded(patience=0)).metadata["reason"] == "ban"


@pytest.mark.parametrize(
    "permissions", [discord.Permissions(), discord.Permissions(ban_members=True)]
)
async def test_no_reason_without_the_permission(
    events: EventOffice, permissions: discord.Permissions
) -> None:
    events.permit(permissions)
    await events.settle()
    events.leave(CUSTOMER)
    assert "reason" not in only(await events.recorded()).metadata


async def test_no_reason_when_the_connection_was_lost_meanwhile(events: EventOffice) -> None:
    events.leave(CUSTOMER)
    await events.settle()
    events.office.bot.dispatch("shard_disconnect", 0)
    assert "reason" not in only(await events.recorded()).metadata


async def test_prune_and_entries_about_other_things(events: EventOffice) -> None:
    events.audit(
        discord.AuditLogAction.member_prune,
        None,
        options={"delete_member_days": "7", "members_removed": "1"},
    )
    events.audit(discord.AuditLogAction.member_update, CUSTOMER)
    events.audit(KICK, AGENT)
    events.leave(CUSTOMER)
    assert "reason" not in only(await events.recorded()).metadata


async def test_member_whom_the_cache_does_not_know_leaves(events: EventOffice) -> None:
    events.forget(CLOSED_CUSTOMER)
    events.leave(CLOSED_CUSTOMER)
    ((leaver, left),) = await events.recorded()
    assert leaver == events.office.user_id(CLOSED_CUSTOMER)
    assert left.event_type is EventType.MEMBER_LEFT
    assert ":after-" in left.key


async def test_roles_given_and_taken_by_whom(events: EventOffice, premium: int) -> None:
    events.set_roles(CUSTOMER, add=premium)
    events.audit_roles(CUSTOMER, add=[premium])
    await events.settle()
    # The entry may come first, too.
    events.audit_roles(CUSTOMER, remove=[premium], by=events.guild.me.id)
    events.set_roles(CUSTOMER, remove=premium)
    (_, given), (user_id, taken) = await events.recorded()
    place = {"guild_id": events.guild_id, "guild_name": "Moddy HQ"}
    assert given.metadata == place | {
        "added_roles": [str(premium)],
        "removed_roles": [],
        "updated_by": str(STAFF_MEMBER),
    }
    assert taken.metadata == place | {
        "added_roles": [],
        "removed_roles": [str(premium)],
        # Moddy's own changes are told too.
        "updated_by": str(events.guild.me.id),
    }
    assert user_id == events.office.user_id(CUSTOMER)
    assert taken.key.startswith(f"role_updated:{events.guild_id}:{user_id}:audit-")


async def test_role_change_of_a_member_whom_the_cache_does_not_know(
    events: EventOffice, premium: int
) -> None:
    events.forget(CUSTOMER)
    events.audit_roles(CUSTOMER, add=[premium], remove=[1234])
    events.set_roles(CUSTOMER, add=premium)
    event = only(await events.recorded())
    assert event.metadata["added_roles"] == [str(premium)]
    # It was deleted meanwhile.
    assert event.metadata["removed_roles"] == ["1234"]


async def test_role_change_without_the_permission(events: EventOffice, premium: int) -> None:
    events.permit(discord.Permissions())
    await events.settle()
    events.set_roles(CUSTOMER, add=premium)
    event = only(await events.recorded(patience=0))
    assert event.metadata["added_roles"] == [str(premium)]
    assert "updated_by" not in event.metadata


async def test_other_changes_of_a_member_are_none(events: EventOffice) -> None:
    backend, user_id = events.office.world.env.backend, int(events.office.user_id(CUSTOMER))
    backend.edit_member(events.guild.id, user_id, {"nick": "Countess"})
    assert await events.recorded() == []


async def test_same_discord_events_twice_are_one(events: EventOffice, premium: int) -> None:
    """As when they are replayed after a resume."""
    bot, heard = events.office.bot, []

    async def listen(*arguments: object) -> None:
        heard.append(arguments)

    names = ("member_join", "raw_member_remove", "member_update", "audit_log_entry_create")
    for name in names:
        bot.add_listener(listen, f"on_{name}")
    await events.join(AWAY_CUSTOMER)
    events.audit_roles(AWAY_CUSTOMER, add=[premium])
    events.set_roles(AWAY_CUSTOMER, add=premium)
    events.leave(AWAY_CUSTOMER)
    first = await events.recorded()
    assert [event.event_type.value for _, event in first] == [
        "member_joined",
        "role_updated",
        "member_left",
    ]
    by_length = {2: "member_update"}
    for arguments in heard[:4]:
        kinds = {
            discord.Member: "member_join",
            discord.RawMemberRemoveEvent: "raw_member_remove",
            discord.AuditLogEntry: "audit_log_entry_create",
        }
        bot.dispatch(by_length.get(len(arguments)) or kinds[type(arguments[0])], *arguments)
    await until(lambda: len(heard) == 8)
    assert await events.recorded() == first


async def test_listeners_wait_for_nothing(events: EventOffice, premium: int) -> None:
    """Each is done in one step of the loop, which asks neither the store nor Discord."""
    bot = events.office.bot
    heard: dict[str, tuple[Any, ...]] = {}

    def listen(name: str) -> None:
        async def note(*arguments: Any) -> None:
            heard[name] = arguments

        bot.add_listener(note, name)

    cog = bot.get_cog("MemberEvents")
    assert isinstance(cog, MemberEvents)
    listeners = dict(cog.get_listeners())
    for name in listeners:
        listen(name)
    await events.join(AWAY_CUSTOMER)
    events.set_roles(AWAY_CUSTOMER, add=premium)
    events.audit_roles(AWAY_CUSTOMER, add=[premium])
    user_id = int(events.office.user_id(AWAY_CUSTOMER))
    events.office.world.env.backend.apply_ban(events.guild.id, user_id, None)
    events.permit(discord.Permissions())
    await events.settle()
    heard["on_shard_disconnect"] = (0,)
    learning = {"on_ready", "on_guild_available", "on_guild_join"}
    assert set(heard) == set(listeners) - learning
    for name, arguments in heard.items():
        with pytest.raises(StopIteration):
            listeners[name](*arguments).send(None)


async def test_other_guilds_are_none_of_the_backends_business(events: EventOffice) -> None:
    world = events.office.world
    other = world.env.create_guild("Elsewhere")
    role = other.create_role("Some")
    member = other.add_member(world.user(AWAY_CUSTOMER))
    await events.settle()
    world.env.backend.add_member_role(other.id, member.id, role.id)
    world.env.backend.record_audit_log(other.id, KICK.value, target_id=member.id)
    world.env.backend.apply_ban(other.id, member.id, None)
    assert await events.recorded() == []


async def test_nothing_is_recorded_without_a_main_guild(office: Office, premium: int) -> None:
    events = EventOffice(office, guild_id=None)
    await events.add_cogs()
    await events.join(AWAY_CUSTOMER)
    events.set_roles(AWAY_CUSTOMER, add=premium)
    events.audit(KICK, AWAY_CUSTOMER)
    events.leave(AWAY_CUSTOMER)
    assert await events.recorded() == []


async def test_members_are_learnt(events: EventOffice) -> None:
    office = events.office
    for person in (CUSTOMER, CLOSED_CUSTOMER, AGENT):
        events.forget(person)
    assert not events.guild.chunked
    office.bot.dispatch("ready")
    await until(lambda: events.guild.chunked)
