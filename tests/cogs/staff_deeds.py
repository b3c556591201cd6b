"""Everything that staff can do at Discord: each command in both doors, and each button."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from msgspec import Struct

from moddy.models import Snowflake
from moddy.sandbox.world import CUSTOMER, Person
from moddy.services.intake import new_delivery_id
from moddy.staff import AuditOutcome, StaffAction, StaffRole
from moddy.store import deliveries as delivery_store
from moddy.store import refunds as refund_store
from moddy.store.deliveries import Delivery, DeliveryKind, DeliveryState, RequestContext
from moddy.store.refunds import Refund, RefundState
from moddy.store.tables import deliveries, refunds
from moddy.store.transactions import Connection
from moddy.views import staff_refunds
from moddy.views.custom_ids import custom_id
from moddy.views.staff import account, audit, invoices, members, removals
from moddy.views.staff import deliveries as delivery_views
from tests.cogs.conftest import text
from tests.cogs.staff_office import DEVELOPER, StaffOffice, read
from tests.fakes import START

PRESS = "Press"
# Somebody whom staff can add and remove.
SOMEBODY = Snowflake("900000000000000002")


class Actor(Struct, frozen=True, kw_only=True):
    """Somebody of the world at work in an office."""

    office: StaffOffice
    person: Person

    @property
    def id(self) -> Snowflake:
        return self.office.user_id(self.person)

    @property
    def customer(self) -> Snowflake:
        return self.office.user_id(CUSTOMER)


class Deed(Struct, frozen=True, kw_only=True):
    """Something that staff can do: `do` does it and returns all that there is to read then."""

    action: StaffAction
    do: Callable[[Actor], Awaitable[str]]


def slash(action: StaffAction, command: str, **options: object) -> Deed:
    """Return the use of a slash command."""

    async def do(actor: Actor) -> str:
        world = actor.office.world
        chosen: dict[str, Any] = {
            name: world.user(value) if isinstance(value, Person) else value
            for name, value in options.items()
        }
        shown = await actor.office.run(actor.person, f"admin {command}", **chosen)
        return "\n".join(map(text, shown))

    return Deed(action=action, do=do)


def mention(action: StaffAction, words: str) -> Deed:
    """Return a message that mentions Moddy; ``{customer}`` stands for the customer's id."""

    async def do(actor: Actor) -> str:
        written = words.format(customer=actor.customer)
        return "\n".join(map(read, await actor.office.mention(actor.person, written)))

    return Deed(action=action, do=do)


def press(action: StaffAction, name: str, make: Callable[[Actor], Awaitable[list[str]]]) -> Deed:
    """Return the press of a button that anybody may have before them."""

    async def do(actor: Actor) -> str:
        message = await actor.office.post_button(custom_id(name, *await make(actor)), PRESS)
        return "\n".join(map(text, await actor.office.click(actor.person, message, PRESS)))

    return Deed(action=action, do=do)


def args(*words: str) -> Callable[[Actor], Awaitable[list[str]]]:
    """Return what makes a button's arguments; ``{customer}`` stands for the customer's id."""

    async def make(actor: Actor) -> list[str]:
        return [word.format(customer=actor.customer) for word in words]

    return make


async def dead_delivery(actor: Actor) -> list[str]:
    """Leave a delivery behind that was given up; return a button's arguments for it."""
    delivery = Delivery(
        id=new_delivery_id(),
        kind=DeliveryKind.NOTIFY,
        user_id=actor.customer,
        state=DeliveryState.DEAD,
        payload=b"{}",
        created_at=START,
    )

    async def work(connection: Connection) -> None:
        context = RequestContext(request_id="request", body_hash=b"")
        await delivery_store.insert(connection, delivery, context)

    await actor.office.stage.database.transaction(work)
    return [actor.customer, delivery.id]


def stored_refund(
    state: RefundState, *, own: bool = False, asks: int = 0
) -> Callable[[Actor], Awaitable[list[str]]]:
    """Return what stores a refund, the actor's own or a colleague's, as a button's argument."""

    async def make(actor: Actor) -> list[str]:
        refund = Refund(
            id=new_delivery_id(),
            state=state,
            customer_id=actor.customer,
            agent_id=actor.id if own else DEVELOPER,
            is_full=False,
            amount_minor=500,
            currency="EUR",
            invoice_id="in_0",
            invoice_created=START - timedelta(days=1),
            invoice_minor=999,
            refundable_minor=999,
            reason="why",
            created_at=START,
            expires_at=START + timedelta(minutes=5),
            asks=asks,
            sent_at=START if asks else None,
            asked_at=START if asks else None,
        )
        await actor.office.stage.database.transaction(lambda c: refund_store.insert(c, refund))
        return [refund.id]

    return make


async def tidy(office: StaffOffice) -> None:
    """Take away what the deeds leave behind, but for the trail."""

    async def work(connection: Connection) -> None:
        await connection.execute(sa.delete(refunds))
        await connection.execute(sa.delete(deliveries))

    await office.stage.database.transaction(work)
    await office.appoint(SOMEBODY, StaffRole.SUPPORT)
    office.seconds += 3600


async def outcomes(office: StaffOffice, since: int) -> list[tuple[StaffAction, AuditOutcome]]:
    """Return what was noted since the trail had so many entries, without refunds' results."""
    noted = (await office.noted())[since:]
    return [one for one in noted if one[0] is not StaffAction.REFUND_RESULT]


SLASH: Mapping[str, Deed] = {
    "subscription": slash(StaffAction.VIEW_SUBSCRIPTION, "subscription", user=CUSTOMER),
    "invoices": slash(StaffAction.VIEW_INVOICES, "invoices", user=CUSTOMER),
    "refund": slash(StaffAction.PROPOSE_REFUND, "refund", user=CUSTOMER, amount="5.00"),
    "account": slash(StaffAction.VIEW_ACCOUNT, "account", user=CUSTOMER),
    "deliveries": slash(StaffAction.VIEW_DELIVERIES, "deliveries", user=CUSTOMER),
    "audit": slash(StaffAction.READ_AUDIT, "audit"),
    "staff add": slash(StaffAction.ADD_STAFF, "staff add", user=CUSTOMER, role="Support"),
    "staff remove": slash(StaffAction.REMOVE_STAFF, "staff remove", user=CUSTOMER),
    "staff list": slash(StaffAction.LIST_STAFF, "staff list"),
}
MENTIONS: Mapping[str, Deed] = {
    "sup.subscription": mention(StaffAction.VIEW_SUBSCRIPTION, "sup.subscription <@{customer}>"),
    "sup.invoices": mention(StaffAction.VIEW_INVOICES, "sup.invoices {customer} 5"),
    "sup.refund": mention(StaffAction.PROPOSE_REFUND, "sup.refund <@!{customer}> 5.00 late"),
    "sup.help": mention(StaffAction.READ_HELP, "sup.help"),
}
SLIPS: Mapping[str, Deed] = {
    "sup.nothing": mention(StaffAction.READ_HELP, "sup.nothing"),
    "sup.refund nobody": mention(StaffAction.READ_HELP, "sup.refund 20"),
}
PRESSES: Mapping[str, Deed] = {
    name: press(action, name, make)
    for name, action, make in (
        (invoices.OPEN_INVOICES, StaffAction.VIEW_INVOICES, args("{customer}")),
        (invoices.TURN_INVOICES, StaffAction.VIEW_INVOICES, args("{customer}", "10", "2")),
        (account.OPEN_ACCOUNT, StaffAction.VIEW_ACCOUNT, args("{customer}")),
        (account.REVEAL_EMAIL, StaffAction.REVEAL_EMAIL, args("{customer}")),
        (delivery_views.OPEN_DELIVERIES, StaffAction.VIEW_DELIVERIES, args("{customer}")),
        (delivery_views.TURN_DELIVERIES, StaffAction.VIEW_DELIVERIES, args("{customer}", "1")),
        (delivery_views.RETRY, StaffAction.RETRY_DELIVERY, dead_delivery),
        (removals.ALLOW_REMOVALS, StaffAction.ALLOW_REMOVALS, args()),
        (members.TURN_MEMBERS, StaffAction.LIST_STAFF, args("1")),
        (audit.TURN_AUDIT, StaffAction.READ_AUDIT, args("1", "{customer}")),
        (
            staff_refunds.CONFIRM,
            StaffAction.CONFIRM_REFUND,
            stored_refund(RefundState.PROPOSED, own=True),
        ),
        (
            staff_refunds.CANCEL,
            StaffAction.CANCEL_REFUND,
            stored_refund(RefundState.PROPOSED, own=True),
        ),
        (staff_refunds.APPROVE, StaffAction.APPROVE_REFUND, stored_refund(RefundState.AWAITING)),
        (staff_refunds.REJECT, StaffAction.REJECT_REFUND, stored_refund(RefundState.AWAITING)),
        (
            staff_refunds.ASK_AGAIN,
            StaffAction.ASK_REFUND_AGAIN,
            stored_refund(RefundState.UNKNOWN, asks=1),
        ),
        (
            staff_refunds.WAS_REFUNDED,
            StaffAction.SETTLE_REFUND,
            stored_refund(RefundState.UNKNOWN, asks=2),
        ),
        (
            staff_refunds.WAS_NOT_REFUNDED,
            StaffAction.SETTLE_REFUND,
            stored_refund(RefundState.UNKNOWN, asks=2),
        ),
        (staff_refunds.LOOK, StaffAction.VIEW_REFUND, stored_refund(RefundState.AWAITING)),
    )
}
