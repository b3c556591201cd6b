"""What support staff look up about a customer, and what they do about deliveries."""

from __future__ import annotations

from msgspec import Struct

from moddy.errors import StaffRefused
from moddy.models import InvoicesResponse, Snowflake, SubscriptionInfoResponse, UserInfoResponse
from moddy.ports import Backend, Clock
from moddy.services.removal_brake import RemovalBrake
from moddy.services.staff import Authority, Staff
from moddy.staff import Refusal, StaffAction
from moddy.store import console, users
from moddy.store.console import Action, Obstacle, Row, Selection
from moddy.store.database import Database
from moddy.store.transactions import Connection
from moddy.store.users import User

DELIVERIES_SHOWN = 200


class SubscriptionFile(Struct, frozen=True, kw_only=True):
    """How a customer's subscription stands, at the backend and with Moddy."""

    response: SubscriptionInfoResponse
    user: User


class Retried(Struct, frozen=True, kw_only=True):
    """What became of a retry; `obstacle` is None when the delivery is due now."""

    row: Row
    obstacle: Obstacle | None


class Support:
    """Looks things up for staff who may see them; each look is in the trail.

    Every method raises StaffRefused, StoreUnavailable, and BackendError where it asks the backend.
    """

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        backend: Backend,
        staff: Staff,
        brake: RemovalBrake,
    ) -> None:
        self._brake = brake
        self._database = database
        self._clock = clock
        self._backend = backend
        self._staff = staff

    async def find_locale(self, person_id: Snowflake) -> str | None:
        """Return the Discord locale that a person was last seen with."""
        return (await self._database.read(lambda c: users.find(c, person_id))).locale

    async def subscription(self, agent_id: Snowflake, customer_id: Snowflake) -> SubscriptionFile:
        """Return a customer's subscription."""
        await self._staff.require(agent_id, StaffAction.VIEW_SUBSCRIPTION, subject_id=customer_id)
        response = await self._backend.get_subscription_info(customer_id)
        user = await self._database.read(lambda c: users.find(c, customer_id))
        return SubscriptionFile(response=response, user=user)

    async def invoices(
        self, agent_id: Snowflake, customer_id: Snowflake, limit: int
    ) -> InvoicesResponse:
        """Return a customer's invoices, at most `limit` (1 to 100)."""
        await self._staff.require(agent_id, StaffAction.VIEW_INVOICES, subject_id=customer_id)
        return await self._backend.get_subscription_invoices(customer_id, limit)

    async def account(self, agent_id: Snowflake, customer_id: Snowflake) -> UserInfoResponse:
        """Return a customer's account; its e-mail is to be masked."""
        await self._staff.require(agent_id, StaffAction.VIEW_ACCOUNT, subject_id=customer_id)
        return await self._backend.get_user_info(customer_id)

    async def reveal_email(self, agent_id: Snowflake, customer_id: Snowflake) -> str | None:
        """Return a customer's e-mail, for this agent's eyes only; None when there is none."""
        await self._staff.require(agent_id, StaffAction.REVEAL_EMAIL, subject_id=customer_id)
        return (await self._backend.get_user_info(customer_id)).email

    async def deliveries(self, agent_id: Snowflake, customer_id: Snowflake) -> list[Row]:
        """Return a customer's deliveries, newest first, at most `DELIVERIES_SHOWN`."""
        await self._staff.require(agent_id, StaffAction.VIEW_DELIVERIES, subject_id=customer_id)
        rows = await self._database.read(
            lambda c: console.find(c, Selection(user_id=customer_id), limit=DELIVERIES_SHOWN)
        )
        return rows[::-1]

    async def retry(self, agent_id: Snowflake, customer_id: Snowflake, delivery_id: str) -> Retried:
        """Have a customer's delivery tried anew, with all its tries and time ahead.

        Raises:
            StaffRefused: also when this customer has no such delivery.
        """

        async def work(connection: Connection, _authority: Authority) -> Retried:
            rows = await console.find_by_prefix(connection, delivery_id, limit=1)
            if not rows or rows[0].id != delivery_id or rows[0].user_id != customer_id:
                raise StaffRefused(Refusal.GONE)
            obstacle: Obstacle | None = Obstacle.CHANGED
            if rows[0].state in console.RETRYABLE:
                obstacle = await console.act(
                    connection,
                    Action.RETRY,
                    rows[0],
                    now=self._clock.now(),
                    actor=f"discord:{agent_id}",
                )
            return Retried(row=rows[0], obstacle=obstacle)

        return await self._staff.act(
            agent_id,
            StaffAction.RETRY_DELIVERY,
            work,
            subject_id=customer_id,
            detail=delivery_id,
        )

    async def allow_removals(self, agent_id: Snowflake) -> int:
        """Say that what reconciliation holds back may be taken; returns from how many people."""

        async def work(connection: Connection, _authority: Authority) -> int:
            return await self._brake.allow(connection)

        return await self._staff.act(agent_id, StaffAction.ALLOW_REMOVALS, work)
