"""What the services need of the outside, as Protocols.

`moddy.messenger` and `moddy.backend` implement them over real connections; tests bring fakes.
Every call that reaches Discord raises one of the `DiscordError`s of `moddy.errors`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

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
from moddy.staff import AuditEntry


class Clock(Protocol):
    """Where services read the time."""

    def now(self) -> datetime:
        """Return the current moment, aware, in UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the current moment, aware, in UTC."""
        return datetime.now(UTC)


class Messenger(Protocol):
    """Telling a Discord user something."""

    async def send_notice(self, user_id: Snowflake, notice: AnyNotice, *, nonce: str) -> str:
        """Send `notice` as a direct message and return that message's id.

        `nonce` is at most 25 characters; Discord drops a repeat of it for a few minutes.

        Raises:
            DirectMessagesClosed, UserNotFound, DiscordRefused: for good.
            DiscordUnavailable: it may work later.
        """
        ...

    async def find_notice(
        self,
        user_id: Snowflake,
        notice: AnyNotice,
        *,
        since: datetime,
        besides: Collection[str],
    ) -> str | None:
        """Look for `notice` among the direct messages sent since then; return its message's id.

        `besides` are ids of messages that are known to be others. Raises as `send_notice`.
        """
        ...

    async def send_fallback(
        self, user_id: Snowflake, *, channel_id: Snowflake, locale: str, nonce: str
    ) -> bool:
        """Mention the user in a channel they can see, without any detail.

        Returns False when the channel cannot reach them. Raises DiscordUnavailable.
        """
        ...

    async def guild_locale(self) -> str | None:
        """Return the main guild's preferred locale, None while it is not known."""
        ...


class StaffLog(Protocol):
    """The channel where staff see what staff did."""

    async def post(self, channel_id: Snowflake, entry: AuditEntry, *, nonce: str) -> str:
        """Post an entry and return the message's id. Raises as `Messenger.send_notice`."""
        ...


class RoleInfo(Struct, frozen=True, kw_only=True):
    """A role of the guild. `position` grows upwards; of two alike the smaller id is higher."""

    id: Snowflake
    position: int
    managed: bool

    @property
    def rank(self) -> tuple[int, int]:
        """The place in the hierarchy; a larger rank stands higher."""
        return (self.position, -int(self.id))


class GuildRoles(Struct, frozen=True, kw_only=True):
    """What must be known before a role is changed.

    `member_role_ids` is None when the user is not in the guild; `top_rank` is the rank of
    Moddy's highest role; `may_manage` is whether it has Manage Roles (or Administrator).
    """

    guild_id: Snowflake
    roles: Mapping[Snowflake, RoleInfo]
    member_role_ids: frozenset[Snowflake] | None
    top_rank: tuple[int, int]
    may_manage: bool


class MemberPage(Struct, frozen=True, kw_only=True):
    """A stretch of a guild's members, by their ids in order, each with the ids of their roles.

    `last` is the largest id in it; None when no members come after this page.
    """

    members: Mapping[Snowflake, frozenset[Snowflake]]
    last: Snowflake | None


class Roles(Protocol):
    """Reading and changing the roles of guild members."""

    async def read(self, guild_id: Snowflake, user_id: Snowflake) -> GuildRoles:
        """Return the guild's roles, the member's and Moddy's place among them, as of now.

        Raises: GuildNotFound, DiscordUnavailable, MissingPermissions, DiscordRefused.
        """
        ...

    async def read_guild(self, guild_id: Snowflake) -> GuildRoles:
        """Return the guild's roles and Moddy's place among them, of no member. Raises as `read`."""
        ...

    async def read_members(self, guild_id: Snowflake, *, after: int) -> MemberPage:
        """Return the members with the next larger ids. Raises as `read`."""
        ...

    async def change(
        self,
        guild_id: Snowflake,
        user_id: Snowflake,
        *,
        add: Sequence[Snowflake],
        remove: Sequence[Snowflake],
    ) -> None:
        """Give and take single roles; the member's other roles stay as they are.

        Raises: MemberNotFound, RoleNotFound, MissingPermissions, DiscordRefused,
        DiscordUnavailable (some of the changes may have been made; repeating is harmless).
        """
        ...

    def knows_guild(self, guild_id: Snowflake) -> bool | None:
        """Tell whether Moddy is in the guild; None while the gateway is not ready."""
        ...


class Backend(Protocol):
    """The website backend. Every call raises one of the `BackendError`s."""

    async def health_check(self) -> BackendHealthResponse: ...

    async def get_user_info(self, discord_id: Snowflake) -> UserInfoResponse: ...

    async def notify_event(
        self,
        event_type: EventType,
        discord_id: Snowflake,
        metadata: Mapping[str, Any],
        *,
        idempotency_key: str | None = None,
    ) -> EventNotifyResponse: ...

    async def get_subscription_info(self, discord_id: Snowflake) -> SubscriptionInfoResponse: ...

    async def get_subscription_invoices(
        self, discord_id: Snowflake, limit: int = 10
    ) -> InvoicesResponse: ...

    async def refund_payment(
        self,
        discord_id: Snowflake,
        amount_minor: int | None,
        reason: str,
        *,
        idempotency_key: str | None = None,
    ) -> RefundResponse: ...
