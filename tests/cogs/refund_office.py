"""A staff office with a backend that keeps books on what it gives back."""

from __future__ import annotations

from typing import Any

import discord
from simcord.results import ResponseMessage

from moddy.models import Snowflake
from moddy.sandbox.world import CUSTOMER, Person, World
from moddy.services.refund_rules import Limits
from moddy.store.database import Database
from tests.cogs.conftest import channel_id_of
from tests.cogs.staff_office import StaffOffice
from tests.services.refund_stage import PayingBackend

LIMITS = Limits(approval_above=5_000, daily_cap=1_000_000)


class RefundOffice(StaffOffice):
    """Ada has paid 99 EUR ten days ago."""

    def __init__(self, database: Database, world: World) -> None:
        self.bank = PayingBackend()
        super().__init__(database, world, bank=self.bank, limits=LIMITS)
        self.bank.clock = self.stage.clock
        self.bank.bill(self.customer)

    @property
    def customer(self) -> Snowflake:
        return self.user_id(CUSTOMER)

    async def refund(
        self, person: Person, amount: str, *, reason: str | None = None
    ) -> ResponseMessage:
        """Have a person use the slash command; returns the answer."""
        options: dict[str, Any] = {"user": self.world.user(CUSTOMER), "amount": amount}
        if reason is not None:
            options["reason"] = reason
        [answer] = await self.run(person, "admin refund", **options)
        return answer

    async def refund_by_mention(self, person: Person, words: str) -> ResponseMessage:
        """Have a person use the mention command in the staff's channel; returns the reply."""
        [reply] = await self.mention(
            person, f"sup.refund <@{self.customer}> {words}", channel=self.world.staff_channel
        )
        return self.present(reply)

    def present(self, message: discord.Message | ResponseMessage) -> ResponseMessage:
        """Return a message as it stands now."""
        stored = self.world.env.backend.get_message(channel_id_of(message), message.id)
        return ResponseMessage(self.world.env, stored)
