"""An office whose events are recorded, and what can happen in its server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import discord
import msgspec
import sqlalchemy as sa

from moddy.cogs.events import EventListeners
from moddy.cogs.member_events import MemberEvents
from moddy.models import Snowflake
from moddy.sandbox.world import Person
from moddy.services.attribution import PATIENCE
from moddy.services.event_batches import EventPayload
from moddy.services.event_recorder import EventRecorder
from moddy.services.events import Events
from moddy.store.tables import deliveries
from tests.cogs.conftest import Office

DECODER = msgspec.json.Decoder(EventPayload)
STAFF_MEMBER = 500000000000000001


class EventOffice:
    """Hires the cogs that record events; `guild_id` None stands for no main guild."""

    def __init__(self, office: Office, *, guild_id: Snowflake | None) -> None:
        self.office = office
        self.now = 0.0
        self.events = Events(
            database=office.stage.database,
            clock=office.stage.clock,
            backend=office.backend,
            wake=lambda: None,
        )
        self.recorder = EventRecorder(store=self.events.store, monotonic=lambda: self.now)
        self.guild_id = guild_id

    async def add_cogs(self, *, reports_messages: bool = False) -> None:
        """Have the bot record what happens."""
        clock, bot = self.office.stage.clock, self.office.bot
        await bot.add_cog(
            EventListeners(
                recorder=self.recorder,
                clock=clock,
                guild_id=self.guild_id,
                reports_messages=reports_messages,
            ),
            override=True,
        )
        members = MemberEvents(bot=bot, recorder=self.recorder, clock=clock, guild_id=self.guild_id)
        await bot.add_cog(members, override=True)

    @property
    def guild(self) -> discord.Guild:
        """The main guild, as the bot sees it."""
        guild = self.office.bot.get_guild(self.office.world._guild.id)
        assert guild is not None
        return guild

    async def settle(self) -> None:
        """Have the bot hear of what happened."""
        await self.office.world.env.settle()

    async def recorded(self, *, patience: float = PATIENCE) -> list[tuple[str, EventPayload]]:
        """All events, with whom they are about, once they have waited for what causes them."""
        await self.settle()
        self.now += patience
        self.recorder.attribution.settle()
        assert await self.recorder.flush()
        query = sa.select(deliveries.c.discord_id, deliveries.c.payload).where(
            deliveries.c.kind == "event"
        )
        rows = await self.office.stage.database.read(
            lambda c: c.execute(query.order_by(deliveries.c.sequence))
        )
        return [(row[0], DECODER.decode(row[1])) for row in rows]

    def permit(self, permissions: discord.Permissions) -> None:
        """Give Moddy's role these permissions, and no others."""
        backend = self.office.world.env.backend
        role = self.guild.me.top_role
        backend.edit_role(self.guild.id, role.id, {"permissions": permissions.value})

    async def join(self, person: Person) -> None:
        """A person joins."""
        world = self.office.world
        world._guild.add_member(world.user(person))
        await self.settle()

    def leave(self, person: Person) -> None:
        """A person leaves, for whatever reason."""
        backend = self.office.world.env.backend
        backend.remove_member(self.guild.id, int(self.office.user_id(person)))

    def audit(
        self,
        action: discord.AuditLogAction,
        person: Person | None,
        *,
        by: int | None = STAFF_MEMBER,
        changes: Sequence[dict[str, Any]] = (),
        options: dict[str, Any] | None = None,
    ) -> None:
        """Write into the audit log as Discord does."""
        target = None if person is None else int(self.office.user_id(person))
        self.office.world.env.backend.record_audit_log(
            self.guild.id,
            action.value,
            target_id=target,
            changes=list(changes),
            options=options,
            user_id=by,
        )

    def audit_roles(
        self,
        person: Person,
        *,
        add: Sequence[int] = (),
        remove: Sequence[int] = (),
        by: int = STAFF_MEMBER,
    ) -> None:
        """Write a role change into the audit log."""
        kinds = {"$add": add, "$remove": remove}
        changes = [
            {"key": key, "new_value": [{"id": str(one), "name": "a role"} for one in roles]}
            for key, roles in kinds.items()
            if roles
        ]
        self.audit(discord.AuditLogAction.member_role_update, person, by=by, changes=changes)

    def set_roles(
        self, person: Person, *, add: int | None = None, remove: int | None = None
    ) -> None:
        """Change a member's roles, without a word in the audit log."""
        backend, user_id = self.office.world.env.backend, int(self.office.user_id(person))
        if add is not None:
            backend.add_member_role(self.guild.id, user_id, add)
        if remove is not None:
            backend.remove_member_role(self.guild.id, user_id, remove)

    def forget(self, person: Person) -> None:
        """Have the bot's cache not know a member."""
        cached = self.guild.get_member(int(self.office.user_id(person)))
        if cached is not None:
            self.guild._remove_member(cached)
