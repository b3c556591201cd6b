"""A Discord in memory: SimCord with one server and its people.

SimCord runs the real discord.py against it, in this process and on this event loop.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import discord
import simcord
from discord import app_commands
from discord.ext import commands
from msgspec import Struct
from simcord.actors import MemberActor
from simcord.builders import ChannelHandle, UserHandle

from moddy.errors import ModdyError
from moddy.models import Snowflake

CANNOT_MESSAGE_USER = 50007
PREMIUM_COLOUR = 0xF1C40F
# What ends a command with an answer to whoever used it.
TOLD = (ModdyError, app_commands.CheckFailure, commands.UserInputError)


class RealClock:
    """Makes the world's time the machine's.

    SimCord's own clock stands still until it is advanced, and the bot's code would read another
    `time.monotonic` than the rest of Moddy does.
    """

    def __init__(self) -> None:
        # SimCord replaces `time.monotonic` while it runs; this is the real one.
        self._monotonic = time.monotonic

    @property
    def elapsed(self) -> float:
        """Seconds, as `time.monotonic` counts them."""
        return self._monotonic()

    def now(self) -> datetime:
        """Return the current moment, aware, in UTC."""
        return datetime.now(UTC)

    def advance(self, seconds: float) -> None:
        """Do nothing: real time passes by itself."""


class Person(Struct, frozen=True, kw_only=True):
    """Someone with a Discord account; `member` is whether they are in the server.

    `staff` is whether they see the staff's channels; what they may do, Moddy decides.
    """

    name: str
    locale: str = "en-US"
    member: bool = True
    dms_closed: bool = False
    staff: bool = False


CUSTOMER = Person(name="Ada")
CLOSED_CUSTOMER = Person(name="Camille", locale="fr", dms_closed=True)
AGENT = Person(name="Sam", staff=True)
SUPERVISOR = Person(name="Rita", staff=True)
AWAY_CUSTOMER = Person(name="Noor", member=False)
PEOPLE = (CUSTOMER, CLOSED_CUSTOMER, AGENT, SUPERVISOR, AWAY_CUSTOMER)


class World:
    """The server "Moddy HQ": its premium role, #general, the staff's channels, and `PEOPLE`.

    Build it outside of any bot; `connect` brings one in.
    """

    def __init__(self) -> None:
        # SimCord wants a bot from the start; `connect` puts Moddy in its place.
        nobody = discord.Client(intents=discord.Intents(guilds=True))
        self.env = simcord.Env(nobody, check_errors=False)
        self.env.backend.clock = RealClock()  # type: ignore[assignment]
        self._count_failures_only()
        self.env.backend.edit_bot_profile("Moddy")
        self._guild = self.env.create_guild("Moddy HQ", preferred_locale="en-US")
        self._premium_role = self._guild.create_role("Premium", color=PREMIUM_COLOUR, hoist=True)
        # Discord shows /admin to those who may manage messages, /config to managers of the server.
        self._staff_role = self._guild.create_role(
            "Staff", permissions=discord.Permissions(manage_messages=True, manage_guild=True)
        )
        # Moddy is to see the staff's channels, too.
        moddy = self.env.backend.get_guild(self._guild.id).members[self.env.backend.bot_user.id]
        moddy.role_ids.append(self._staff_role.id)
        self.general = self._guild.create_text_channel("general", topic="Try /profile")
        self.staff_channel = self._create_staff_channel("staff", "Try /admin, or @Moddy sup.help")
        self.staff_log = self._create_staff_channel("staff-log", "What staff did")
        self._users: dict[Person, UserHandle] = {}
        self._members: dict[Person, MemberActor] = {}
        for person in PEOPLE:
            self._add(person)
        # Before the bot's own subscriber, so that it sees what is written here.
        self.env.backend.subscribers.insert(0, self._write_locale)

    def _count_failures_only(self) -> None:
        """Have SimCord take for a failure only what Moddy did not raise to tell it a person.

        Its page calls a command failed otherwise, over the very answer that says why not.
        """
        record = self.env._record_error

        def record_failure(error: BaseException) -> None:
            cause = getattr(error, "original", error)
            if not isinstance(cause, TOLD):
                record(error)

        self.env._record_error = record_failure  # type: ignore[method-assign]

    def _create_staff_channel(self, name: str, topic: str) -> ChannelHandle:
        seen = discord.PermissionOverwrite(view_channel=True)
        unseen = discord.PermissionOverwrite(view_channel=False)
        overwrites: Any = {self._guild.default_role: unseen, self._staff_role: seen}
        return self._guild.create_text_channel(name, topic=topic, overwrites=overwrites)

    def _add(self, person: Person) -> None:
        user = self.env.create_user(person.name.lower(), global_name=person.name)
        self._users[person] = user
        if person.member:
            self.join(person)
        if person.dms_closed:
            self.env.inject_error(
                "POST",
                f"/channels/{user.dm_channel.id}/messages",
                status=403,
                code=CANNOT_MESSAGE_USER,
                message="Cannot send messages to this user",
                times=None,
            )

    def join(self, person: Person) -> None:
        """Have a person come into the server."""
        roles = [self._staff_role] if person.staff else []
        self._members[person] = self._guild.add_member(self._users[person], roles=roles)

    def leave(self, person: Person) -> None:
        """Have a person leave the server."""
        self._guild.remove_member(self._members.pop(person))

    @property
    def guild_id(self) -> Snowflake:
        """The server's id."""
        return Snowflake(self._guild.id)

    @property
    def premium_role_id(self) -> Snowflake:
        """The id of the role that premium customers have."""
        return Snowflake(self._premium_role.id)

    @property
    def members(self) -> Mapping[Person, MemberActor]:
        """Those who are in the server."""
        return self._members

    def user(self, person: Person) -> UserHandle:
        """Return a person's Discord account."""
        return self._users[person]

    def user_id(self, person: Person) -> Snowflake:
        """Return a person's Discord id."""
        return Snowflake(self._users[person].id)

    def dm_channel(self, person: Person) -> ChannelHandle:
        """Return the channel between a person and the bot."""
        return self._users[person].dm_channel

    def has_premium_role(self, person: Person) -> bool:
        """Tell whether the server shows the person as premium."""
        guild = self.env.backend.get_guild(self._guild.id)
        member = guild.members.get(self._users[person].id)
        return member is not None and self._premium_role.id in member.role_ids

    def subscribe(self, listener: Callable[[str, Any], None]) -> None:
        """Have `listener` called with the name of each gateway event, and what it carries."""
        self.env.backend.subscribers.append(listener)

    @asynccontextmanager
    async def connect(self, bot: commands.AutoShardedBot) -> AsyncIterator[None]:
        """Bring `bot` into this Discord until the block ends."""
        self.env.bot = bot
        await self.env.start()
        try:
            yield
        finally:
            await bot.close()
            await self.env.shutdown()

    def _write_locale(self, event: str, payload: Any) -> None:
        """Give an interaction the locale of its user; SimCord writes en-US for everyone."""
        if event != "INTERACTION_CREATE":
            return
        user = payload.get("user") or payload["member"]["user"]
        for person, handle in self._users.items():
            if str(handle.id) == user["id"]:
                payload["locale"] = person.locale
