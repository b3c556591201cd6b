"""What the page's buttons do: change the books as Stripe would, then tell Moddy."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct

from moddy.sandbox.backend.billing import (
    FREE_PLAN,
    Account,
    Billing,
    BillingError,
    SubscriptionState,
    price,
)
from moddy.sandbox.backend.books import Books
from moddy.sandbox.backend.moddy_client import Exchange, ModdyClient

BASIC_PLAN = "moddy_plus"
BEST_PLAN = "moddy_max"


class Notification(Struct, frozen=True, kw_only=True):
    """What Moddy is to be told, and the plan whose roles the customer is to have, if any."""

    action: str
    plan: str | None
    metadata: Mapping[str, Any]
    roles_plan: str | None = None


class Choice(Struct, frozen=True, kw_only=True):
    """What is chosen on the page beside the button."""

    plan: str = BEST_PLAN
    period: str = "monthly"


class Buttons:
    """The page's buttons, each a change of the books and the calls that follow it."""

    def __init__(self, books: Books, moddy: ModdyClient, *, now: Callable[[], datetime]) -> None:
        self._books = books
        self._moddy = moddy
        self._now = now
        self._changes: Mapping[
            str, Callable[[Billing, Account, Choice], Awaitable[Notification]]
        ] = {
            "subscribe": self._subscribe,
            "update": self._update,
            "cancel-now": self._cancel_now,
            "cancel-at-period-end": self._cancel_at_period_end,
            "upgrade": self._upgrade,
            "downgrade": self._downgrade,
        }

    @property
    def names(self) -> Sequence[str]:
        """The buttons there are."""
        return (*self._changes, "roles")

    async def press(self, name: str, discord_id: str, choice: Choice) -> list[Exchange]:
        """Do what the button says and return the calls that were made to Moddy.

        Raises:
            BillingError: no such customer or button, or the subscription does not allow it.
        """
        if name == "roles":
            return [await self._roles(discord_id)]
        if name not in self._changes:
            raise BillingError("No such button")
        async with self._books.billing() as billing:
            account = await _account(billing, discord_id)
            told = await self._changes[name](billing, account, choice)
        calls = [
            await self._moddy.notify(
                discord_id, told.action, plan=told.plan, metadata=told.metadata
            )
        ]
        if told.roles_plan is not None:
            calls.append(await self._moddy.update_roles(discord_id, told.roles_plan))
        return calls

    async def _roles(self, discord_id: str) -> Exchange:
        async with self._books.billing() as billing:
            await _account(billing, discord_id)
            state = await billing.find_subscription(discord_id)
        plan = state.plan if state is not None and state.live else FREE_PLAN
        return await self._moddy.update_roles(discord_id, plan)

    async def _subscribe(self, billing: Billing, account: Account, choice: Choice) -> Notification:
        state = await billing.find_subscription(account.discord_id)
        if state is not None and state.live:
            raise BillingError(f"{account.name} has a subscription already")
        await billing.subscribe(account.discord_id, plan=choice.plan, period=choice.period)
        new = await _live(billing, account)
        return Notification(
            action="subscription_created",
            plan=new.plan,
            metadata=self._metadata(account, new),
            roles_plan=new.plan,
        )

    async def _update(self, billing: Billing, account: Account, choice: Choice) -> Notification:
        old = await _live(billing, account)
        period = "yearly" if old.subscription_type == "monthly" else "monthly"
        await billing.change_subscription(
            account.discord_id,
            subscription_type=period,
            amount=price(old.plan, period),
            cancel_at_period_end=False,
        )
        new = await _live(billing, account)
        metadata = self._metadata(account, new) | {
            "message": "Thank you for telling us how you would like to pay.",
            "changes": [f"Billed {period} instead of {old.subscription_type}"],
        }
        return Notification(action="subscription_updated", plan=new.plan, metadata=metadata)

    async def _cancel_now(self, billing: Billing, account: Account, choice: Choice) -> Notification:
        old = await _live(billing, account)
        now = self._now()
        await billing.change_subscription(
            account.discord_id, status="canceled", current_period_end=now
        )
        metadata = self._metadata(account, old) | {
            # Stripe's own form: seconds since 1970.
            "canceled_at": int(now.timestamp()),
            "cancel_at_period_end": False,
            "current_period_end": now.isoformat(),
        }
        return Notification(
            action="subscription_cancelled",
            plan=old.plan,
            metadata=metadata,
            roles_plan=FREE_PLAN,
        )

    async def _cancel_at_period_end(
        self, billing: Billing, account: Account, choice: Choice
    ) -> Notification:
        old = await _live(billing, account)
        if old.cancel_at_period_end:
            raise BillingError("It ends with its period already")
        await billing.change_subscription(account.discord_id, cancel_at_period_end=True)
        new = await _live(billing, account)
        metadata = self._metadata(account, new) | {"canceled_at": int(self._now().timestamp())}
        return Notification(action="subscription_cancelled", plan=new.plan, metadata=metadata)

    async def _upgrade(self, billing: Billing, account: Account, choice: Choice) -> Notification:
        return await self._change_plan(billing, account, BEST_PLAN, action="plan_upgraded")

    async def _downgrade(self, billing: Billing, account: Account, choice: Choice) -> Notification:
        return await self._change_plan(billing, account, BASIC_PLAN, action="plan_downgraded")

    async def _change_plan(
        self, billing: Billing, account: Account, plan: str, *, action: str
    ) -> Notification:
        old = await _live(billing, account)
        if old.plan == plan:
            raise BillingError(f"{account.name} has {plan} already")
        amount = price(plan, old.subscription_type)
        await billing.change_subscription(account.discord_id, plan=plan, amount=amount)
        new = await _live(billing, account)
        now = self._now()
        metadata = self._metadata(account, new) | {"old_plan": old.plan, "new_plan": plan}
        if amount > old.amount:
            left = (old.current_period_end - now) / (
                old.current_period_end - old.current_period_start
            )
            prorated = round((amount - old.amount) * left)
            await billing.add_invoice(account.discord_id, amount=prorated, created=now)
            metadata |= {"upgrade_date": now.isoformat(), "prorated_amount": prorated}
        return Notification(action=action, plan=plan, metadata=metadata, roles_plan=plan)

    def _metadata(self, account: Account, state: SubscriptionState) -> dict[str, Any]:
        """Return what the real backend sends with each notification, personal data included."""
        return {
            "event_id": f"evt_{secrets.token_hex(8)}",
            "event_created": int(self._now().timestamp()),
            "subscription_id": state.subscription_id,
            "customer_id": account.customer_id,
            "subscription_type": state.subscription_type,
            "amount": state.amount,
            "currency": state.currency,
            "email": account.email,
            "phone": account.phone,
            "cancel_at_period_end": state.cancel_at_period_end,
            "current_period_end": state.current_period_end.isoformat(),
        }


async def _account(billing: Billing, discord_id: str) -> Account:
    account = await billing.find_account(discord_id)
    if account is None:
        raise BillingError("No such customer")
    return account


async def _live(billing: Billing, account: Account) -> SubscriptionState:
    state = await billing.find_subscription(account.discord_id)
    if state is None or not state.live:
        raise BillingError(f"{account.name} has no subscription")
    return state
