"""An office with support staff in it: who they are, what they did, and both their doors."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import discord
import sqlalchemy as sa
from discord.ext import commands
from simcord.builders import ChannelHandle

from moddy.cogs.admin import PER_SECONDS, USES, Admin
from moddy.cogs.cooldown import Cooldown
from moddy.cogs.listeners import Listeners
from moddy.cogs.mentions import Mentions
from moddy.cogs.presses import Presses, gather_presses
from moddy.cogs.refund_desk import RefundDesk
from moddy.cogs.staff_answers import StaffAnswers
from moddy.models import (
    Invoice,
    InvoicesResponse,
    InvoiceStatus,
    Snowflake,
    UserInfoResponse,
)
from moddy.sandbox.world import AGENT, Person, World
from moddy.services.refund_rules import Limits
from moddy.services.refunds import Refunds
from moddy.services.removal_brake import RemovalBrake
from moddy.services.staff import Staff
from moddy.services.staff_audit import StaffAudit
from moddy.services.support import Support
from moddy.staff import AuditEntry, AuditOutcome, Refusal, StaffAction, StaffMember, StaffRole
from moddy.store import staff as staff_store
from moddy.store import staff_audit
from moddy.store.database import Database
from moddy.store.tables import staff as staff_table
from moddy.store.transactions import Connection
from moddy.views.staff.refusals import refusal_view
from tests.cogs.conftest import Office, monthly_subscription
from tests.fakes import START, FakeBackend
from tests.views.reading import plain_text

JANUARY = datetime(2024, 12, 20, tzinfo=UTC)
FEBRUARY = datetime(2025, 1, 20, tzinfo=UTC)
SUBSCRIPTION = monthly_subscription(JANUARY, FEBRUARY)
ACCOUNT = UserInfoResponse(
    success=True,
    message="",
    user_found=True,
    discord_id="1",
    email="ada.lovelace@mail.example",
    created_at=JANUARY,
    updated_at=FEBRUARY,
)
# Who may everything, whatever the store says; nobody of the world.
DEVELOPER = Snowflake("900000000000000001")
LIMITS = Limits(approval_above=5_000, daily_cap=50_000)


def invoices(count: int) -> InvoicesResponse:
    """Return paid invoices over 9.99 EUR, all within Stripe's time for refunds."""
    return InvoicesResponse(
        success=True,
        message="",
        invoices=[
            Invoice(
                invoice_id=f"in_{number}",
                amount=999,
                currency="eur",
                status=InvoiceStatus.PAID,
                created=datetime(2024, 12, 31 - number, tzinfo=UTC),
                invoice_pdf=f"https://pay.stripe.example/in_{number}.pdf",
            )
            for number in range(count)
        ],
    )


class NoStaffLog:
    """A staff log that nobody posts to."""

    async def post(self, channel_id: Snowflake, entry: AuditEntry, *, nonce: str) -> str:
        raise AssertionError("no channel is set")


class StaffOffice(Office):
    """An office whose Moddy also serves staff.

    `developers` may everything; `bank` gives back, instead of the office's backend.
    """

    def __init__(
        self,
        database: Database,
        world: World,
        developers: tuple[Snowflake, ...] = (),
        *,
        bank: FakeBackend | None = None,
        limits: Limits = LIMITS,
    ) -> None:
        super().__init__(database, world)
        clock = self.stage.clock
        self.audit = StaffAudit(database=database, clock=clock, log=NoStaffLog(), channel_id=None)
        self.staff = Staff(
            database=database, clock=clock, audit=self.audit, developer_ids=developers
        )
        self.support = Support(
            database=database,
            clock=clock,
            backend=self.backend,
            staff=self.staff,
            brake=RemovalBrake(database=database, clock=clock, limit=5),
        )
        self.refunds = Refunds(
            database=database,
            clock=clock,
            backend=bank or self.backend,
            staff=self.staff,
            audit=self.audit,
            limits=limits,
        )

    def _make_cogs(self, _bot: object) -> list[commands.Cog]:
        desk = RefundDesk(refunds=self.refunds)
        answers = StaffAnswers(
            support=self.support,
            staff=self.staff,
            audit=self.audit,
            desk=desk,
            clock=self.stage.clock,
        )
        cooldown = Cooldown(uses=USES, seconds=PER_SECONDS, monotonic=lambda: self.seconds)
        cogs: list[commands.Cog] = [
            Admin(answers=answers, desk=desk, cooldown=cooldown),
            Mentions(answers=answers, cooldown=cooldown),
            Listeners(
                notifications=self.stage.notifications,
                deliveries=self.stage.deliveries,
                guild_id=self.world.guild_id,
            ),
        ]
        return [*cogs, Presses(gather_presses(cogs))]

    async def appoint(
        self,
        person_id: Snowflake,
        role: StaffRole | None,
        *,
        may_view: bool = False,
        may_manage: bool = False,
    ) -> None:
        """Give a person exactly this place on the staff; None takes them off it."""

        async def work(connection: Connection) -> None:
            await staff_store.remove(connection, person_id)
            if role is not None:
                member = StaffMember(
                    discord_id=person_id,
                    role=role,
                    may_view=may_view,
                    may_manage=may_manage,
                    added_by=DEVELOPER,
                    added_at=START,
                )
                await staff_store.save(connection, member)

        await self.stage.database.transaction(work)

    async def appoint_person(
        self,
        person: Person,
        role: StaffRole | None = StaffRole.SUPPORT,
        *,
        may_view: bool = True,
        may_manage: bool = True,
    ) -> None:
        """Do so for somebody of the world; a Support with both permissions."""
        await self.appoint(self.user_id(person), role, may_view=may_view, may_manage=may_manage)

    async def trail(self) -> list[AuditEntry]:
        """Return the whole trail, oldest first."""
        page = await self.stage.database.read(
            lambda c: staff_audit.read_page(c, 1, person_id=None, size=10_000)
        )
        return [*page.entries][::-1]

    async def noted(self) -> list[tuple[StaffAction, AuditOutcome]]:
        """Return what was done or refused, oldest first."""
        return [(entry.action, entry.outcome) for entry in await self.trail()]

    async def forget_staff(self) -> None:
        """Take everybody off the staff."""

        async def work(connection: Connection) -> None:
            await connection.execute(sa.delete(staff_table))

        await self.stage.database.transaction(work)

    async def mention(
        self, person: Person, words: str, *, channel: ChannelHandle | None = None
    ) -> list[discord.Message]:
        """Have a person write a message that begins with Moddy's mention; None: in a DM.

        Returns what Moddy wrote after it.
        """
        assert self.bot.user is not None
        return await self.write(person, f"<@{self.bot.user.id}> {words}", channel=channel)

    async def write(
        self, person: Person, content: str, *, channel: ChannelHandle | None = None
    ) -> list[discord.Message]:
        """Have a person write a message; returns what Moddy wrote after it."""
        if channel is None:
            sent = await self.world.user(person).send_dm(content)
        else:
            sent = await self.world.members[person].send(channel, content)
        return await self.written_after(sent)

    async def written_after(self, sent: discord.Message) -> list[discord.Message]:
        """Return what Moddy wrote in the channel after a message."""
        assert self.bot.user is not None
        messages = self.bot.get_partial_messageable(sent.channel.id).history(limit=50)
        return [
            one async for one in messages if one.author.id == self.bot.user.id and one.id > sent.id
        ][::-1]


@asynccontextmanager
async def open_staff_office(database: Database) -> AsyncIterator[StaffOffice]:
    """Connect an office with an agent, and a backend that knows of customers."""
    office = StaffOffice(database, World())
    office.backend.subscription = SUBSCRIPTION
    office.backend.user = ACCOUNT
    office.backend.invoices = invoices(9)
    async with office.world.connect(office.bot):
        await office.appoint_person(AGENT)
        yield office
    await office.bot.close()


def refused(refusal: Refusal, locale: str = "en-US") -> str:
    """Return what there is to read when something is refused for this reason."""
    return plain_text(refusal_view(refusal, locale=locale))


def read(message: discord.Message) -> str:
    """Return everything there is to read in a message of Moddy's."""
    return "\n".join(_contents(message.components))


def _contents(components: object) -> list[str]:
    found: list[str] = []
    for one in components if isinstance(components, list) else []:
        content = getattr(one, "content", None)
        if isinstance(content, str):
            found.append(content)
        found += _contents(getattr(one, "children", None))
    return found
