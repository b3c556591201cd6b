"""Who of the staff may do what, and who says so. Default closed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import TypeVar

from msgspec import Struct

from moddy.errors import StaffRefused
from moddy.models import Snowflake
from moddy.ports import Clock
from moddy.services.staff_audit import StaffAudit
from moddy.staff import AuditOutcome, Refusal, StaffAction, StaffMember, StaffRole
from moddy.store import staff as store
from moddy.store.database import Database
from moddy.store.transactions import Connection

T = TypeVar("T")

_VIEW = frozenset(
    {
        StaffAction.VIEW_SUBSCRIPTION,
        StaffAction.VIEW_INVOICES,
        StaffAction.VIEW_ACCOUNT,
        StaffAction.REVEAL_EMAIL,
        StaffAction.VIEW_DELIVERIES,
    }
)
_MANAGE = frozenset(
    {
        StaffAction.RETRY_DELIVERY,
        StaffAction.PROPOSE_REFUND,
        StaffAction.CONFIRM_REFUND,
        StaffAction.CANCEL_REFUND,
        StaffAction.APPROVE_REFUND,
        StaffAction.REJECT_REFUND,
        StaffAction.ASK_REFUND_AGAIN,
        StaffAction.SETTLE_REFUND,
        StaffAction.VIEW_REFUND,
    }
)
_SUPERVISOR = frozenset(
    {StaffAction.LIST_STAFF, StaffAction.READ_AUDIT, StaffAction.ALLOW_REMOVALS}
)
_MANAGER = frozenset({StaffAction.ADD_STAFF, StaffAction.REMOVE_STAFF})


class Authority(Struct, frozen=True, kw_only=True):
    """What a person may do. Developers may everything; `member` is None for who is no staff."""

    person_id: Snowflake
    is_developer: bool
    member: StaffMember | None

    def refusal(self, action: StaffAction) -> Refusal | None:
        """Return why the person may not do this, None when they may."""
        if self.is_developer:
            return None
        member = self.member
        if member is None:
            return Refusal.NOT_STAFF
        needs = (
            (_VIEW, member.may_view, Refusal.NEEDS_VIEW),
            (_MANAGE, member.may_manage, Refusal.NEEDS_MANAGE),
            (_SUPERVISOR, member.role is not StaffRole.SUPPORT, Refusal.NEEDS_SUPERVISOR),
            (_MANAGER, member.role is StaffRole.MANAGER, Refusal.NEEDS_MANAGER),
        )
        return next((why for actions, has, why in needs if action in actions and not has), None)

    def require(self, action: StaffAction) -> Authority:
        """Return this authority. Raises StaffRefused unless the person may do this."""
        refusal = self.refusal(action)
        if refusal is not None:
            raise StaffRefused(refusal)
        return self

    def require_rank_above(self, member: StaffMember) -> None:
        """Raise StaffRefused unless the person stands above this member of the staff."""
        if member.discord_id == self.person_id:
            raise StaffRefused(Refusal.ONESELF)
        own = self.member
        if not self.is_developer and (own is None or member.role.rank >= own.role.rank):
            raise StaffRefused(Refusal.RANK_TOO_HIGH)

    def require_appointing(self, wanted: StaffMember, before: StaffMember | None) -> None:
        """Raise StaffRefused unless the person may make somebody `wanted`, who was `before`.

        A Manager gives roles below their own, and permissions that they hold themselves; nobody
        raises themselves.
        """
        for member in (wanted, before):
            if member is not None:
                self.require_rank_above(member)
        own = self.member
        if self.is_developer or own is None:
            return
        if (wanted.may_view and not own.may_view) or (wanted.may_manage and not own.may_manage):
            raise StaffRefused(Refusal.PERMISSION_NOT_HELD)


Act = Callable[[Connection, Authority], Awaitable[T]]


class Description(Struct, frozen=True, kw_only=True):
    """What the trail says of an act beside who did what to whom."""

    detail: str | None = None
    refund_id: str | None = None


class Staff:
    """Lets staff do what they may, and Managers say who may what."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        audit: StaffAudit,
        developer_ids: Collection[Snowflake],
    ) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit
        self._developer_ids = frozenset(developer_ids)

    async def authority(self, connection: Connection, person_id: Snowflake) -> Authority:
        """Return what a person may do now."""
        return Authority(
            person_id=person_id,
            is_developer=person_id in self._developer_ids,
            member=await store.find(connection, person_id),
        )

    async def act(
        self,
        actor_id: Snowflake,
        action: StaffAction,
        work: Act[T],
        *,
        subject_id: Snowflake | None = None,
        detail: str | None = None,
        refund_id: str | None = None,
        describe: Callable[[T], Description] | None = None,
    ) -> T:
        """Let a person do something, in one transaction with its note in the trail.

        `work` gets the connection and the person's authority. It may raise StaffRefused before
        it has written anything; that is noted too, with `detail` and `refund_id`. What was done
        is noted as `describe` says, where it is given.

        Raises:
            StaffRefused: nothing was done.
            StoreUnavailable: then nobody may anything.
        """
        given = Description(detail=detail, refund_id=refund_id)

        async def attempt(connection: Connection) -> T | StaffRefused:
            authority = await self.authority(connection, actor_id)
            result: T | StaffRefused
            try:
                result = await work(connection, authority.require(action))
            except StaffRefused as error:
                result = error
            if isinstance(result, StaffRefused):
                outcome = AuditOutcome.REFUSED
                words = ": ".join(filter(None, [detail, result.refusal.value]))
                told = Description(detail=words, refund_id=refund_id)
            else:
                outcome = AuditOutcome.ALLOWED
                told = describe(result) if describe else given
            await self._audit.note(
                connection,
                actor_id,
                action,
                outcome,
                subject_id=subject_id,
                detail=told.detail,
                refund_id=told.refund_id,
            )
            return result

        result = await self._database.transaction(attempt, about=subject_id or actor_id)
        if isinstance(result, StaffRefused):
            raise result
        return result

    async def require(
        self,
        actor_id: Snowflake,
        action: StaffAction,
        *,
        subject_id: Snowflake | None = None,
        detail: str | None = None,
    ) -> Authority:
        """Return a person's authority when they may do this. Notes and raises as `act` does."""

        async def work(_connection: Connection, authority: Authority) -> Authority:
            return authority

        return await self.act(actor_id, action, work, subject_id=subject_id, detail=detail)

    async def add(
        self,
        actor_id: Snowflake,
        person_id: Snowflake,
        role: StaffRole,
        *,
        may_view: bool,
        may_manage: bool,
    ) -> StaffMember:
        """Make somebody staff, or change what they are.

        Raises:
            StaffRefused: nothing was changed.
        """
        member = StaffMember(
            discord_id=person_id,
            role=role,
            may_view=may_view,
            may_manage=may_manage,
            added_by=actor_id,
            added_at=self._clock.now(),
        )

        async def work(connection: Connection, authority: Authority) -> StaffMember:
            authority.require_appointing(member, await store.find(connection, person_id))
            await store.save(connection, member)
            return member

        granted = [name for name, has in (("view", may_view), ("manage", may_manage)) if has]
        detail = " ".join([role.value, *(f"subscription_{name}" for name in granted)])
        return await self.act(
            actor_id, StaffAction.ADD_STAFF, work, subject_id=person_id, detail=detail
        )

    async def remove(self, actor_id: Snowflake, person_id: Snowflake) -> None:
        """Take somebody off the staff.

        Raises:
            StaffRefused: nothing was changed.
        """

        async def work(connection: Connection, authority: Authority) -> None:
            member = await store.find(connection, person_id)
            if member is None:
                raise StaffRefused(Refusal.NO_SUCH_MEMBER)
            authority.require_rank_above(member)
            await store.remove(connection, person_id)

        await self.act(actor_id, StaffAction.REMOVE_STAFF, work, subject_id=person_id)

    async def find_all(self) -> list[StaffMember]:
        """Return all staff. Raises StoreUnavailable."""
        return await self._database.read(store.find_all)
