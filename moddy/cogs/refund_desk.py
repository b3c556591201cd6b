"""Refunds at Discord: showing a proposal, and what its buttons do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Any

import discord
import structlog
from discord import ui
from msgspec import Meta, Struct

from moddy.cogs.presses import Handler, read_args
from moddy.errors import StaffRefused
from moddy.models import Snowflake
from moddy.services.refunds import Refunds
from moddy.staff import Refusal
from moddy.store.refunds import Refund
from moddy.views import staff_refunds as views

log = structlog.get_logger(__name__)

# Seconds for showing that the backend is being asked; the refund does not wait for longer.
SHOW_TIMEOUT = 3.0
# What a press meets when the refund has gone on: the message then shows how it stands.
_WENT_ON = frozenset(
    {
        Refusal.ALREADY_DECIDED,
        Refusal.ANOTHER_IS_OPEN,
        Refusal.ASK_AGAIN_FIRST,
        Refusal.EXPIRED,
        Refusal.OUT_OF_DATE,
        Refusal.TOO_LATE_TO_ASK,
    }
)
Show = Callable[[Refund], Awaitable[None]]
Step = Callable[[Snowflake, str, Show], Awaitable[Refund]]


class _Pressed(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    refund_id: Annotated[str, Meta(pattern="^[0-9a-f]{24}$")]


class RefundDesk:
    """Where staff propose refunds and say yes or no to them.

    Who may do what is the service's to say, at every press: a message may be seen by anybody.
    """

    def __init__(self, *, refunds: Refunds) -> None:
        self._refunds = refunds

    async def propose(
        self,
        agent_id: Snowflake,
        customer_id: Snowflake,
        amount: str,
        reason: str,
        *,
        locale: str,
    ) -> ui.LayoutView:
        """Return the message that asks for confirmation, or that shows the refund in its way.

        Raises:
            StaffRefused: there is nothing to confirm.
            BackendError: the customer's invoices could not be read.
            StoreUnavailable: likewise.
        """
        proposal = await self._refunds.propose(agent_id, customer_id, amount, reason)
        return self._view(proposal.refund, locale, is_in_the_way=not proposal.is_new)

    def presses(self) -> Mapping[str, Handler]:
        """Return what the buttons do."""
        refunds = self._refunds
        steps: dict[str, Step] = {
            views.CONFIRM: lambda who, which, show: refunds.confirm(who, which, show=show),
            views.CANCEL: lambda who, which, _: refunds.cancel(who, which),
            views.APPROVE: lambda who, which, show: refunds.approve(who, which, show=show),
            views.REJECT: lambda who, which, _: refunds.reject(who, which),
            views.ASK_AGAIN: lambda who, which, show: refunds.ask_again(who, which, show=show),
            views.WAS_REFUNDED: lambda who, which, _: refunds.settle(who, which, refunded=True),
            views.WAS_NOT_REFUNDED: lambda who, which, _: refunds.settle(
                who, which, refunded=False
            ),
            views.LOOK: lambda who, which, _: refunds.look(who, which),
        }
        return {name: self._handler(step) for name, step in steps.items()}

    def _handler(self, step: Step) -> Handler:
        async def handle(interaction: discord.Interaction[Any], args: Sequence[str]) -> None:
            refund_id = read_args(args, _Pressed).refund_id
            await interaction.response.defer()
            await self._take(interaction, refund_id, step)

        return handle

    async def _take(
        self, interaction: discord.Interaction[Any], refund_id: str, step: Step
    ) -> None:
        """Take a step, and have the message show how the refund stands after it."""

        async def show(refund: Refund) -> None:
            await self._show(interaction, refund)

        try:
            refund = await step(Snowflake(interaction.user.id), refund_id, show)
        except StaffRefused as error:
            if error.refusal in _WENT_ON:
                present = await self._refunds.find(refund_id)
                if present is not None:
                    await self._show(interaction, present)
            raise
        await self._show(interaction, refund)

    async def _show(self, interaction: discord.Interaction[Any], refund: Refund) -> None:
        """Show a refund in place of the message; that it cannot be shown stops nothing."""
        view = self._view(refund, interaction.locale.value)
        try:
            async with asyncio.timeout(SHOW_TIMEOUT):
                await interaction.edit_original_response(view=view)
        except (discord.HTTPException, TimeoutError) as error:
            log.warning("refund not shown", refund_id=refund.id, error=type(error).__name__)

    def _view(self, refund: Refund, locale: str, *, is_in_the_way: bool = False) -> ui.LayoutView:
        return views.refund_view(
            refund,
            self._refunds.possible(refund),
            locale=locale,
            is_in_the_way=is_in_the_way,
        )
