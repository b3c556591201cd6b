"""``/admin``: what support staff can ask and do. Only they see the answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import discord
from discord import app_commands, ui
from discord.app_commands import locale_str
from discord.ext import commands

from moddy.cogs.cooldown import Cooldown
from moddy.cogs.errors import answer_as_staff
from moddy.cogs.presses import Handler
from moddy.cogs.refund_desk import RefundDesk
from moddy.cogs.staff_answers import Agent, StaffAnswers
from moddy.cogs.staff_presses import StaffPresses, agent_of, for_staff
from moddy.models import Snowflake
from moddy.staff import StaffRole
from moddy.views.invoices import MAX_INVOICES
from moddy.views.staff.invoices import DEFAULT_INVOICES

# One budget for both doors; looking through pages as fast as one can read them stays below it.
USES, PER_SECONDS = 20, 30.0
_AMOUNT_LENGTH = 100
_REASON_LENGTH = 500

Person = discord.User | discord.Member
Answer = Callable[[Agent], Awaitable[ui.LayoutView]]


class Admin(commands.Cog):
    """The slash commands for staff, and the buttons of what they show."""

    # Who may do what is the services' to say. This only keeps the commands out of the menus of
    # those whom they would refuse anyway: every curious press of an ordinary member would be in
    # the trail. Moderators mostly have Manage Messages; where support staff has not, whoever
    # manages the server gives their role the commands under Server Settings > Integrations.
    # In a direct message with Moddy, Discord shows them to everybody in any case.
    admin = app_commands.Group(
        name=locale_str("admin"),
        description=locale_str("For Moddy's support team"),
        default_permissions=discord.Permissions(manage_messages=True),
        allowed_contexts=app_commands.AppCommandContext(guild=True, dm_channel=True),
        allowed_installs=app_commands.AppInstallationType(guild=True),
    )
    team = app_commands.Group(
        parent=admin,
        name=locale_str("staff"),
        description=locale_str("Who is staff, and what they may do"),
    )

    def __init__(self, *, answers: StaffAnswers, desk: RefundDesk, cooldown: Cooldown) -> None:
        self._answers = answers
        self._desk = desk
        self._cooldown = cooldown

    def presses(self) -> Mapping[str, Handler]:
        """Return what the buttons of the answers do, those of refunds among them."""
        own = StaffPresses(answers=self._answers, cooldown=self._cooldown).handlers()
        refunds = self._desk.presses()
        return {**own, **{name: for_staff(handler) for name, handler in refunds.items()}}

    @admin.command(
        name=locale_str("subscription"),
        description=locale_str("Show how a customer's subscription stands"),
    )
    @app_commands.rename(user=locale_str("user"))
    @app_commands.describe(user=locale_str("The customer"))
    async def subscription(self, interaction: discord.Interaction[Any], user: Person) -> None:
        """Show a customer's subscription, and what Moddy knows of it."""
        await self._answer(interaction, lambda one: self._answers.subscription(one, _id(user)))

    @admin.command(
        name=locale_str("invoices"), description=locale_str("Show a customer's invoices")
    )
    @app_commands.rename(user=locale_str("user"), limit=locale_str("limit"))
    @app_commands.describe(
        user=locale_str("The customer"), limit=locale_str("How many invoices to show (1 to 50)")
    )
    async def invoices(
        self,
        interaction: discord.Interaction[Any],
        user: Person,
        limit: app_commands.Range[int, 1, MAX_INVOICES] = DEFAULT_INVOICES,
    ) -> None:
        """Show a customer's newest invoices."""
        await self._answer(
            interaction, lambda one: self._answers.invoices(one, _id(user), limit=limit)
        )

    @admin.command(
        name=locale_str("refund"), description=locale_str("Refund a customer's last payment")
    )
    @app_commands.rename(
        user=locale_str("user"), amount=locale_str("amount"), reason=locale_str("reason")
    )
    @app_commands.describe(
        user=locale_str("The customer"),
        amount=locale_str("In the invoice's currency, such as 20 or 20.00, or the word full"),
        reason=locale_str("Why, for the records"),
    )
    async def refund(
        self,
        interaction: discord.Interaction[Any],
        user: Person,
        amount: app_commands.Range[str, 1, _AMOUNT_LENGTH],
        reason: app_commands.Range[str, 1, _REASON_LENGTH] | None = None,
    ) -> None:
        """Ask for the confirmation of a refund."""
        await self._answer(
            interaction, lambda one: self._answers.refund(one, _id(user), amount, reason or "")
        )

    @admin.command(
        name=locale_str("account"),
        description=locale_str("Show a customer's account on the website"),
    )
    @app_commands.rename(user=locale_str("user"))
    @app_commands.describe(user=locale_str("The customer"))
    async def account(self, interaction: discord.Interaction[Any], user: Person) -> None:
        """Show the account that belongs to a user, its e-mail masked."""
        await self._answer(interaction, lambda one: self._answers.account(one, _id(user)))

    @admin.command(
        name=locale_str("deliveries"),
        description=locale_str("Show what Moddy sent a customer, or could not send"),
    )
    @app_commands.rename(user=locale_str("user"))
    @app_commands.describe(user=locale_str("The customer"))
    async def deliveries(self, interaction: discord.Interaction[Any], user: Person) -> None:
        """Show a customer's deliveries, with buttons that have one tried again."""
        await self._answer(interaction, lambda one: self._answers.deliveries(one, _id(user)))

    @admin.command(name=locale_str("audit"), description=locale_str("Show what staff did"))
    @app_commands.rename(user=locale_str("user"))
    @app_commands.describe(user=locale_str("Only what this person did or was the subject of"))
    async def audit(
        self, interaction: discord.Interaction[Any], user: Person | None = None
    ) -> None:
        """Show the trail, newest first."""
        person_id = _id(user) if user else None
        await self._answer(interaction, lambda one: self._answers.audit(one, person_id=person_id))

    @team.command(
        name=locale_str("add"), description=locale_str("Add somebody to the staff, or change them")
    )
    @app_commands.rename(
        user=locale_str("user"),
        role=locale_str("role"),
        subscription_view=locale_str("subscription_view"),
        subscription_manage=locale_str("subscription_manage"),
    )
    @app_commands.describe(
        user=locale_str("Who it is"),
        role=locale_str("Their place on the staff"),
        subscription_view=locale_str("Whether they may look customers up"),
        subscription_manage=locale_str("Whether they may refund and retry"),
    )
    @app_commands.choices(
        role=[app_commands.Choice(name=role.value, value=role.value) for role in StaffRole]
    )
    async def add(
        self,
        interaction: discord.Interaction[Any],
        user: Person,
        role: str,
        subscription_view: bool = False,
        subscription_manage: bool = False,
    ) -> None:
        """Make somebody staff, or change what they are; what is left out is not granted."""
        await self._answer(
            interaction,
            lambda one: self._answers.add_member(
                one,
                _id(user),
                StaffRole(role),
                may_view=subscription_view,
                may_manage=subscription_manage,
            ),
        )

    @team.command(name=locale_str("remove"), description=locale_str("Take somebody off the staff"))
    @app_commands.rename(user=locale_str("user"))
    @app_commands.describe(user=locale_str("Who it is"))
    async def remove(self, interaction: discord.Interaction[Any], user: Person) -> None:
        """Take somebody off the staff."""
        await self._answer(interaction, lambda one: self._answers.remove_member(one, _id(user)))

    @team.command(name=locale_str("list"), description=locale_str("Show who is staff"))
    async def list_members(self, interaction: discord.Interaction[Any]) -> None:
        """Show the staff and what each of them may do."""
        await self._answer(interaction, self._answers.members)

    async def _answer(self, interaction: discord.Interaction[Any], find: Answer) -> None:
        """Acknowledge the command at once, then answer it for the asking person's eyes only."""
        answer_as_staff(interaction)
        self._cooldown.spend(interaction)
        await interaction.response.defer(ephemeral=True, thinking=True)
        view = await find(agent_of(interaction))
        await interaction.followup.send(view=view, ephemeral=True)


def _id(user: Person) -> Snowflake:
    return Snowflake(user.id)
