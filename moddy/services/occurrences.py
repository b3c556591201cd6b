"""What happened on Discord, on its way to the backend."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from msgspec import Struct

from moddy.models import EventType, Snowflake

JSON = Any

# Where a key says what it was made of: an entry of the audit log, the moment of joining.
_FROM_AUDIT_LOG = "audit-"
_FROM_JOINING = "joined-"


class Occurrence(Struct, frozen=True, kw_only=True):
    """One event that the backend is to be told of.

    `key` is its Idempotency-Key, see `event_key`. None: Discord told nothing to make one of, and
    the user's earlier events tell whether it was seen before (`moddy.services.event_batches`).
    `membership` is when the member of a role change had joined, if known.
    """

    event_type: EventType
    user_id: Snowflake
    metadata: dict[str, JSON]
    seen_at: datetime
    key: str | None = None
    membership: str | None = None


class RoleChange(Struct, frozen=True, kw_only=True):
    """Which roles a member got and lost at once."""

    added: frozenset[Snowflake]
    removed: frozenset[Snowflake]

    @classmethod
    def between(cls, before: Iterable[Snowflake], after: Iterable[Snowflake]) -> RoleChange:
        """Return what changed from one set of roles to another."""
        old, new = frozenset(before), frozenset(after)
        return cls(added=new - old, removed=old - new)

    @classmethod
    def of(cls, metadata: dict[str, JSON]) -> RoleChange:
        """Return what the metadata of a ``role_updated`` tells."""
        return cls(
            added=frozenset(map(Snowflake, metadata["added_roles"])),
            removed=frozenset(map(Snowflake, metadata["removed_roles"])),
        )

    @property
    def roles(self) -> frozenset[Snowflake]:
        """All roles that it is about."""
        return self.added | self.removed

    @property
    def metadata(self) -> dict[str, JSON]:
        """The fields of a ``role_updated`` event."""
        return {
            "added_roles": sorted(map(str, self.added)),
            "removed_roles": sorted(map(str, self.removed)),
        }


def event_key(
    event_type: EventType, user_id: Snowflake, occurrence: str, *, guild_id: Snowflake | None = None
) -> str:
    """Return the Idempotency-Key of an event, the same wherever and how often it is seen.

    `occurrence` is what Discord itself tells it from the user's other events of the type by: the
    id of the interaction or message, the moment of joining; visible ASCII.
    """
    return f"{event_type.value}:{guild_id or '-'}:{user_id}:{occurrence}"


def departure_key(user_id: Snowflake, joined_at: str, *, guild_id: Snowflake) -> str:
    """Return the key of the departure that ends the membership begun at `joined_at`."""
    return event_key(EventType.MEMBER_LEFT, user_id, _FROM_JOINING + joined_at, guild_id=guild_id)


def is_departure_key(key: str) -> bool:
    """Tell whether a key was made by `departure_key`."""
    return f":{_FROM_JOINING}" in key


def audit_key(user_id: Snowflake, entry_id: int, *, guild_id: Snowflake) -> str:
    """Return the key of the role update that an entry of the audit log tells of."""
    return event_key(
        EventType.ROLE_UPDATED, user_id, f"{_FROM_AUDIT_LOG}{entry_id}", guild_id=guild_id
    )


def is_audit_key(key: str) -> bool:
    """Tell whether a key was made by `audit_key`."""
    return f":{_FROM_AUDIT_LOG}" in key
