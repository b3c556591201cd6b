"""A staff office with a backend that keeps books on what it gives back."""

from __future__ import annotations

import discord
from simcord.results import ResponseMessage

from moddy.models import Snowflake
from moddy.sandbox.world import CUSTOMER, Person, World
from moddy.services.refund_rules import Limits
from moddy.services.refunds import Refunds
from moddy.store.database import Database
from tests.cogs.conftest import answers
from tests.cogs.staff_office import StaffOffice
from tests.services.refund_stage import PayingBackend

LIMITS = Limits(approval_above=5_000, daily_cap=1_000_000)


class RefundOffice(StaffOffice):
    """Ada has paid 99 EUR ten days ago."""

    def __init__(self, database: Database, world: World) -> None:
        super().__init__(database, world)
        self.bank = PayingBackend()
        self.bank.clock = self.stage.clock
        self.bank.bill(self.user_id(CUSTOMER))
        self.refunds = Refunds(
            database=database,
            clock=self.stage.clock,
            backend=self.bank,
            staff=self.staff,
            audit=self.audit,
            limits=LIMITS,
        )

    @property
    def customer(self) -> Snowflake:
        return self.user_id(CUSTOMER)

    async def refund(
        self, person: Person, amount: str, *, reason: str | None = None
    ) -> ResponseMessage:
        """Have a person use the slash command; returns the answer."""
        options = {"amount": amount} if reason is None else {"amount": amount, "reason": reason}
        user = self.world.user(CUSTOMER)
        result = await self.world.user(person).slash("admin refund", user=user, **options)
        assert result.acknowledged
        [answer] = answers(result)
        return answer

    async def refund_by_mention(self, person: Person, words: str) -> ResponseMessage:
        """Have a person use the mention command in the staff's channel; returns the reply."""
        [reply] = await self.mention(
            person, f"sup.refund <@{self.customer}> {words}", channel=self.world.staff_channel
        )
        return self.present(reply)

    def present(self, message: discord.Message | ResponseMessage) -> ResponseMessage:
        """Return a message as it stands now."""
        channel_id = (
            message.channel_id if isinstance(message, ResponseMessage) else message.channel.id
        )
        stored = self.world.env.backend.get_message(channel_id, message.id)
        return ResponseMessage(self.world.env, stored)

    async def press(
        self, person: Person, message: ResponseMessage, label: str
    ) -> list[ResponseMessage]:
        """Have a person press a button; returns what only they are told beside it."""
        is_dm = message.channel_id == self.world.dm_channel(person).id
        actor = self.world.user(person) if is_dm else self.world.members[person]
        result = await actor.click(message, label=label)
        assert result.acknowledged
        return answers(result)
