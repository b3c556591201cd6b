"""What the buttons of the answers to staff do.

They belong to nobody: whoever presses one needs the permission for it there and then, whether it
is on a message of their own, in a staff channel, or forged. So staff can go on from each other's
answers, and what somebody may no longer do is refused.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Any

import discord
from discord import ui
from msgspec import Meta, Struct

from moddy.cogs.cooldown import Cooldown
from moddy.cogs.errors import answer_as_staff
from moddy.cogs.presses import Handler, read_args
from moddy.cogs.staff_answers import Agent, StaffAnswers
from moddy.models import Snowflake
from moddy.views.invoices import MAX_INVOICES
from moddy.views.staff.account import OPEN_ACCOUNT, REVEAL_EMAIL
from moddy.views.staff.audit import TURN_AUDIT
from moddy.views.staff.deliveries import OPEN_DELIVERIES, RETRY, TURN_DELIVERIES
from moddy.views.staff.invoices import OPEN_INVOICES, TURN_INVOICES
from moddy.views.staff.members import TURN_MEMBERS
from moddy.views.staff.removals import ALLOW_REMOVALS

Find = Callable[[Agent, Sequence[str]], Awaitable[ui.LayoutView]]

# Beyond any list; a page that is not there becomes the nearest one.
_Page = Annotated[int, Meta(ge=1, le=1_000_000_000)]


class _Customer(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    customer: Snowflake


class _InvoicesPage(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    customer: Snowflake
    limit: Annotated[int, Meta(ge=1, le=MAX_INVOICES)]
    page: _Page


class _DeliveriesPage(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    customer: Snowflake
    page: _Page


class _Delivery(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    customer: Snowflake
    delivery: Annotated[str, Meta(min_length=1, max_length=24)]


class _MembersPage(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    page: _Page


class _AuditPage(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    page: _Page
    person: Snowflake | None = None


class _Nothing(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    pass


class StaffPresses:
    """Handlers for `moddy.cogs.presses`."""

    def __init__(self, *, answers: StaffAnswers, cooldown: Cooldown) -> None:
        self._answers = answers
        self._cooldown = cooldown

    def handlers(self) -> Mapping[str, Handler]:
        """Return the handlers by their names in custom ids."""
        beside: dict[str, Find] = {
            OPEN_INVOICES: self._open_invoices,
            OPEN_ACCOUNT: self._open_account,
            OPEN_DELIVERIES: self._open_deliveries,
            REVEAL_EMAIL: self._reveal_email,
            RETRY: self._retry,
            ALLOW_REMOVALS: self._allow_removals,
        }
        in_place: dict[str, Find] = {
            TURN_INVOICES: self._turn_invoices,
            TURN_DELIVERIES: self._turn_deliveries,
            TURN_MEMBERS: self._turn_members,
            TURN_AUDIT: self._turn_audit,
        }
        return {name: self._showing_beside(find) for name, find in beside.items()} | {
            name: self._showing_in_place(find) for name, find in in_place.items()
        }

    def _showing_beside(self, find: Find) -> Handler:
        """Return a handler that answers for the presser's eyes only."""

        async def handle(interaction: discord.Interaction[Any], args: Sequence[str]) -> None:
            agent = self._begin(interaction)
            await interaction.response.defer(ephemeral=True, thinking=True)
            await interaction.followup.send(view=await find(agent, args), ephemeral=True)

        return handle

    def _showing_in_place(self, find: Find) -> Handler:
        """Return a handler that changes the message whose button was pressed."""

        async def handle(interaction: discord.Interaction[Any], args: Sequence[str]) -> None:
            agent = self._begin(interaction)
            await interaction.response.defer()
            await interaction.edit_original_response(view=await find(agent, args))

        return handle

    def _begin(self, interaction: discord.Interaction[Any]) -> Agent:
        answer_as_staff(interaction)
        self._cooldown.spend(interaction)
        return agent_of(interaction)

    async def _open_invoices(self, agent: Agent, args: Sequence[str]) -> ui.LayoutView:
        return await self._answers.invoices(agent, read_args(args, _Customer).customer)

    async def _open_account(self, agent: Agent, args: Sequence[str]) -> ui.LayoutView:
        return await self._answers.account(agent, read_args(args, _Customer).customer)

    async def _open_deliveries(self, agent: Agent, args: Sequence[str]) -> ui.LayoutView:
        return await self._answers.deliveries(agent, read_args(args, _Customer).customer)

    async def _reveal_email(self, agent: Agent, args: Sequence[str]) -> ui.LayoutView:
        return await self._answers.email(agent, read_args(args, _Customer).customer)

    async def _retry(self, agent: Agent, args: Sequence[str]) -> ui.LayoutView:
        wanted = read_args(args, _Delivery)
        return await self._answers.retry(agent, wanted.customer, wanted.delivery)

    async def _allow_removals(self, agent: Agent, args: Sequence[str]) -> ui.LayoutView:
        read_args(args, _Nothing)
        return await self._answers.allow_removals(agent)

    async def _turn_invoices(self, agent: Agent, args: Sequence[str]) -> ui.LayoutView:
        turn = read_args(args, _InvoicesPage)
        return await self._answers.invoices(agent, turn.customer, limit=turn.limit, page=turn.page)

    async def _turn_deliveries(self, agent: Agent, args: Sequence[str]) -> ui.LayoutView:
        turn = read_args(args, _DeliveriesPage)
        return await self._answers.deliveries(agent, turn.customer, page=turn.page)

    async def _turn_members(self, agent: Agent, args: Sequence[str]) -> ui.LayoutView:
        return await self._answers.members(agent, page=read_args(args, _MembersPage).page)

    async def _turn_audit(self, agent: Agent, args: Sequence[str]) -> ui.LayoutView:
        turn = read_args(args, _AuditPage)
        return await self._answers.audit(agent, person_id=turn.person, page=turn.page)


def agent_of(interaction: discord.Interaction[Any]) -> Agent:
    """Return who uses a command or a button."""
    return Agent(id=Snowflake(interaction.user.id), locale=interaction.locale.value)


def for_staff(handler: Handler) -> Handler:
    """Return a handler whose errors are told as they are told to staff."""

    async def handle(interaction: discord.Interaction[Any], args: Sequence[str]) -> None:
        answer_as_staff(interaction)
        await handler(interaction, args)

    return handle
