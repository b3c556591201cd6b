"""Fakes of the ports: they do as told and record what they were asked to do."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import Struct

from moddy.models import (
    BackendHealthResponse,
    EventNotifyResponse,
    EventType,
    InvoicesResponse,
    RefundResponse,
    Snowflake,
    SubscriptionInfoResponse,
    UserInfoResponse,
)
from moddy.notices import AnyNotice
from moddy.ports import GuildRoles, MemberPage, RoleInfo

START = datetime(2025, 1, 1, 12, 0, tzinfo=UTC)


class FixedClock:
    """A clock that moves only by `advance`."""

    def __init__(self, now: datetime = START) -> None:
        self._now = now

    def now(self) -> datetime:
        """Return the moment it was set to."""
        return self._now

    def advance(self, by: timedelta) -> None:
        """Let time pass."""
        self._now += by


class Gate:
    """Holds callers up while it is closed; `reached` is set once one has come to it."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self._open = asyncio.Event()
        self._open.set()

    def close(self) -> None:
        """Hold up whoever comes from now on."""
        self.reached.clear()
        self._open.clear()

    def open(self) -> None:
        """Let everybody through."""
        self._open.set()

    async def pass_through(self) -> None:
        """Return once the gate is open."""
        self.reached.set()
        await self._open.wait()


class SentNotice(Struct, frozen=True, kw_only=True):
    """One direct message."""

    user_id: Snowflake
    notice: Any  # a Notice or a RefundNotice, which each test knows
    nonce: str


class SentFallback(Struct, frozen=True, kw_only=True):
    """One mention in the fallback channel."""

    user_id: Snowflake
    channel_id: Snowflake
    locale: str
    nonce: str


class FakeMessenger:
    """Delivers at once, but for users in `errors`; while `gate` is closed, it hangs."""

    def __init__(self) -> None:
        self.errors: dict[str, Exception] = {}
        self.gate = Gate()
        self.fallback_reaches = True
        self.locale: str | None = None
        self.asked: list[SentNotice] = []
        self.sent: list[SentNotice] = []
        self.looked_for: list[str] = []
        self.fallbacks: list[SentFallback] = []

    async def send_notice(self, user_id: Snowflake, notice: AnyNotice, *, nonce: str) -> str:
        """Record the message, or raise what was set for the user."""
        message = SentNotice(user_id=user_id, notice=notice, nonce=nonce)
        self.asked.append(message)
        await self.gate.pass_through()
        error = self.errors.get(user_id)
        if error is not None:
            raise error
        self.sent.append(message)
        return str(len(self.sent))

    async def find_notice(
        self, user_id: Snowflake, notice: AnyNotice, *, since: datetime, besides: Collection[str]
    ) -> str | None:
        """Look through what was sent."""
        self.looked_for.append(user_id)
        error = self.errors.get(user_id)
        if error is not None:
            raise error
        for number, message in enumerate(self.sent, start=1):
            if (message.user_id, message.notice) == (user_id, notice) and str(
                number
            ) not in besides:
                return str(number)
        return None

    async def send_fallback(
        self, user_id: Snowflake, *, channel_id: Snowflake, locale: str, nonce: str
    ) -> bool:
        """Record the mention; returns `fallback_reaches`."""
        self.fallbacks.append(
            SentFallback(user_id=user_id, channel_id=channel_id, locale=locale, nonce=nonce)
        )
        return self.fallback_reaches

    async def guild_locale(self) -> str | None:
        """Return `locale`."""
        return self.locale


class RoleChange(Struct, frozen=True, kw_only=True):
    """One change of a member's roles."""

    user_id: Snowflake
    add: tuple[Snowflake, ...]
    remove: tuple[Snowflake, ...]


class FakeRoles:
    """One guild with its roles and members; while `gate` is closed, a change hangs."""

    def __init__(self, guild_id: Snowflake) -> None:
        self.guild_id = guild_id
        self.known: bool | None = True
        self.may_manage = True
        self.top_position = 10
        self.roles: dict[Snowflake, RoleInfo] = {}
        self.members: dict[Snowflake, set[Snowflake]] = {}
        self.gate = Gate()
        self.read_error: Exception | None = None
        self.change_error: Exception | None = None
        self.changes: list[RoleChange] = []
        self.page_size = 1000
        self.pages: list[int] = []
        self.page_errors: list[Exception | None] = []
        self.add_role(guild_id, position=0)

    def add_role(self, role_id: str, *, position: int = 1, managed: bool = False) -> Snowflake:
        """Let the guild have a role."""
        found = Snowflake.parse(role_id)
        self.roles[found] = RoleInfo(id=found, position=position, managed=managed)
        return found

    def add_member(self, user_id: str, *role_ids: str) -> None:
        """Let a user be in the guild, with these roles."""
        self.members[Snowflake.parse(user_id)] = {Snowflake.parse(one) for one in role_ids}

    async def read(self, guild_id: Snowflake, user_id: Snowflake | None) -> GuildRoles:
        """Return the guild as it is now."""
        if self.read_error is not None:
            raise self.read_error
        member = None if user_id is None else self.members.get(user_id)
        return GuildRoles(
            guild_id=guild_id,
            roles=dict(self.roles),
            member_role_ids=None if member is None else frozenset(member),
            top_rank=(self.top_position, 0),
            may_manage=self.may_manage,
        )

    async def read_guild(self, guild_id: Snowflake) -> GuildRoles:
        """Return the guild as it is now, of no member."""
        return await self.read(guild_id, None)

    async def read_members(self, guild_id: Snowflake, *, after: int) -> MemberPage:
        """Return the next `page_size` members; `pages` has where each began.

        Of `page_errors`, one for each page, None lets it be read.
        """
        error = self.page_errors.pop(0) if self.page_errors else self.read_error
        if error is not None:
            raise error
        self.pages.append(after)
        larger = sorted((one for one in self.members if int(one) > after), key=int)
        ids = larger[: self.page_size]
        return MemberPage(
            members={one: frozenset(self.members[one]) for one in ids},
            last=ids[-1] if len(ids) == self.page_size else None,
        )

    async def change(
        self,
        guild_id: Snowflake,
        user_id: Snowflake,
        *,
        add: Sequence[Snowflake],
        remove: Sequence[Snowflake],
    ) -> None:
        """Record the change and make it, once the gate is open."""
        await self.gate.pass_through()
        if self.change_error is not None:
            raise self.change_error
        self.changes.append(RoleChange(user_id=user_id, add=tuple(add), remove=tuple(remove)))
        self.members[user_id] |= set(add)
        self.members[user_id] -= set(remove)

    def knows_guild(self, guild_id: Snowflake) -> bool | None:
        """Return `known`."""
        return self.known


class FakeBackend:
    """The website backend: gives the answers that are set; while `gate` is closed, it hangs.

    `error`, when set, is raised by every call. `calls` has each call's name and arguments.
    """

    def __init__(self) -> None:
        self.subscription = SubscriptionInfoResponse(
            success=True, message="", has_subscription=False
        )
        self.invoices = InvoicesResponse(success=True, message="")
        self.user = UserInfoResponse(success=True, message="", user_found=False)
        self.refund = RefundResponse(success=True, message="", refunded=True)
        self.error: Exception | None = None
        self.gate = Gate()
        self.calls: list[tuple[Any, ...]] = []

    async def _called(self, *call: Any) -> None:
        self.calls.append(call)
        await self.gate.pass_through()
        if self.error is not None:
            raise self.error

    async def health_check(self) -> BackendHealthResponse:
        """Return that all is well."""
        await self._called("health_check")
        return BackendHealthResponse(status="healthy", service="website-backend", version="1")

    async def get_user_info(self, discord_id: Snowflake) -> UserInfoResponse:
        """Return `user`."""
        await self._called("get_user_info", discord_id)
        return self.user

    async def notify_event(
        self,
        event_type: EventType,
        discord_id: Snowflake,
        metadata: Mapping[str, Any],
        *,
        idempotency_key: str | None = None,
    ) -> EventNotifyResponse:
        """Take the event."""
        await self._called("notify_event", event_type, discord_id, dict(metadata))
        return EventNotifyResponse(success=True, message="", event_received=True)

    async def get_subscription_info(self, discord_id: Snowflake) -> SubscriptionInfoResponse:
        """Return `subscription`."""
        await self._called("get_subscription_info", discord_id)
        return self.subscription

    async def get_subscription_invoices(
        self, discord_id: Snowflake, limit: int = 10
    ) -> InvoicesResponse:
        """Return `invoices`."""
        await self._called("get_subscription_invoices", discord_id, limit)
        return self.invoices

    async def refund_payment(
        self,
        discord_id: Snowflake,
        amount_minor: int | None,
        reason: str,
        *,
        idempotency_key: str | None = None,
    ) -> RefundResponse:
        """Return `refund`."""
        await self._called("refund_payment", discord_id, amount_minor, reason)
        return self.refund
