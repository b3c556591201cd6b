"""What staff are shown, through whichever door they ask: the services' answers, rendered.

Who may see what is the services' to say, and each question is in the trail.
"""

from __future__ import annotations

from discord import ui
from msgspec import Struct

from moddy.cogs.refund_desk import RefundDesk
from moddy.errors import BackendRefused, StaffRefused
from moddy.models import Snowflake
from moddy.ports import Clock
from moddy.services.staff import Staff
from moddy.services.staff_audit import StaffAudit
from moddy.services.support import Support
from moddy.staff import Refusal, StaffAction, StaffRole
from moddy.views.staff.account import account_view, email_view
from moddy.views.staff.audit import audit_view
from moddy.views.staff.deliveries import deliveries_view, retried_view
from moddy.views.staff.help import Topic, help_view, unknown_command_view, usage_view
from moddy.views.staff.invoices import DEFAULT_INVOICES, staff_invoices_view
from moddy.views.staff.members import member_added_view, member_removed_view, members_view
from moddy.views.staff.removals import removals_allowed_view
from moddy.views.staff.subscription import staff_subscription_view


class Agent(Struct, frozen=True, kw_only=True):
    """Who asks, and the Discord locale to answer in."""

    id: Snowflake
    locale: str


class StaffAnswers:
    """The answers to staff. Every method raises StaffRefused and StoreUnavailable."""

    def __init__(
        self, *, support: Support, staff: Staff, audit: StaffAudit, desk: RefundDesk, clock: Clock
    ) -> None:
        self._support = support
        self._staff = staff
        self._audit = audit
        self._desk = desk
        self._clock = clock

    async def find_locale(self, person_id: Snowflake) -> str | None:
        """Return the Discord locale that a person was last seen with."""
        return await self._support.find_locale(person_id)

    async def subscription(self, agent: Agent, customer_id: Snowflake) -> ui.LayoutView:
        """Return a customer's subscription. Raises BackendError."""
        file = await self._support.subscription(agent.id, customer_id)
        if not file.response.success:
            raise BackendRefused(file.response.message, status=200)
        return staff_subscription_view(file, customer_id=customer_id, locale=agent.locale)

    async def invoices(
        self,
        agent: Agent,
        customer_id: Snowflake,
        *,
        limit: int = DEFAULT_INVOICES,
        page: int = 1,
    ) -> ui.LayoutView:
        """Return a customer's newest invoices. Raises BackendError."""
        response = await self._support.invoices(agent.id, customer_id, limit)
        if not response.success:
            raise BackendRefused(response.message, status=200)
        return staff_invoices_view(
            response,
            customer_id=customer_id,
            locale=agent.locale,
            now=self._clock.now(),
            limit=limit,
            page=page,
        )

    async def refund(
        self, agent: Agent, customer_id: Snowflake, amount: str, reason: str
    ) -> ui.LayoutView:
        """Return a refund to be confirmed. Raises BackendError."""
        return await self._desk.propose(agent.id, customer_id, amount, reason, locale=agent.locale)

    async def account(self, agent: Agent, customer_id: Snowflake) -> ui.LayoutView:
        """Return a customer's account, its e-mail masked. Raises BackendError."""
        response = await self._support.account(agent.id, customer_id)
        if not response.success and response.user_found:
            raise BackendRefused(response.message, status=200)
        return account_view(response, customer_id=customer_id, locale=agent.locale)

    async def email(self, agent: Agent, customer_id: Snowflake) -> ui.LayoutView:
        """Return a customer's e-mail, for this agent's eyes only. Raises BackendError."""
        email = await self._support.reveal_email(agent.id, customer_id)
        return email_view(email, customer_id=customer_id, locale=agent.locale)

    async def deliveries(
        self, agent: Agent, customer_id: Snowflake, *, page: int = 1
    ) -> ui.LayoutView:
        """Return what Moddy owes or owed a customer."""
        rows = await self._support.deliveries(agent.id, customer_id)
        return deliveries_view(rows, customer_id=customer_id, locale=agent.locale, page=page)

    async def retry(self, agent: Agent, customer_id: Snowflake, delivery_id: str) -> ui.LayoutView:
        """Have a delivery tried anew, and return what became of that."""
        retried = await self._support.retry(agent.id, customer_id, delivery_id)
        return retried_view(retried, locale=agent.locale)

    async def allow_removals(self, agent: Agent) -> ui.LayoutView:
        """Have the removals carried out that wait for a person's word."""
        count = await self._support.allow_removals(agent.id)
        return removals_allowed_view(count, locale=agent.locale)

    async def members(self, agent: Agent, *, page: int = 1) -> ui.LayoutView:
        """Return who is staff."""
        await self._staff.require(agent.id, StaffAction.LIST_STAFF)
        members = await self._staff.find_all()
        return members_view(members, locale=agent.locale, page=page)

    async def add_member(
        self,
        agent: Agent,
        person_id: Snowflake,
        role: StaffRole,
        *,
        may_view: bool,
        may_manage: bool,
    ) -> ui.LayoutView:
        """Make somebody staff, or change what they are."""
        member = await self._staff.add(
            agent.id, person_id, role, may_view=may_view, may_manage=may_manage
        )
        return member_added_view(member, locale=agent.locale)

    async def remove_member(self, agent: Agent, person_id: Snowflake) -> ui.LayoutView:
        """Take somebody off the staff."""
        await self._staff.remove(agent.id, person_id)
        return member_removed_view(person_id, locale=agent.locale)

    async def audit(
        self, agent: Agent, *, person_id: Snowflake | None = None, page: int = 1
    ) -> ui.LayoutView:
        """Return a page of the trail, or of what one person did or was the subject of."""
        await self._staff.require(agent.id, StaffAction.READ_AUDIT, subject_id=person_id)
        found = await self._audit.read_page(page, person_id=person_id)
        return audit_view(found, locale=agent.locale, person_id=person_id)

    async def help(self, agent: Agent) -> ui.LayoutView:
        """Return all commands."""
        await self._staff.require(agent.id, StaffAction.READ_HELP)
        return help_view(locale=agent.locale)

    async def usage(self, agent: Agent, topic: Topic) -> ui.LayoutView:
        """Return how a command is written that could not be read."""
        detail = f"could not read {topic.value}"
        await self._staff.require(agent.id, StaffAction.READ_HELP, detail=detail)
        return usage_view(topic, locale=agent.locale)

    async def unknown_command(self, agent: Agent) -> ui.LayoutView:
        """Return that there is no such command."""
        await self._staff.require(agent.id, StaffAction.READ_HELP, detail="unknown command")
        return unknown_command_view(locale=agent.locale)

    async def refuse(
        self, agent: Agent, action: StaffAction, refusal: Refusal, customer_id: Snowflake
    ) -> None:
        """Refuse what the agent might do elsewhere, and note it. Always raises StaffRefused."""

        async def work(*_: object) -> None:
            raise StaffRefused(refusal)

        await self._staff.act(agent.id, action, work, subject_id=customer_id)
