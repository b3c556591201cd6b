"""Storing a batch of events, each of them once, however often and by whom it was seen.

Most events carry a fact of Discord's own that their key is made of. A departure of a member whom
the cache does not know and a role change without an entry in the audit log carry none: whether
such a one was seen before, by another process or before a resume, the user's earlier events tell.
"""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct

from moddy.models import EventType, Snowflake
from moddy.services.intake import new_delivery_id
from moddy.services.occurrences import (
    Occurrence,
    RoleChange,
    event_key,
    is_audit_key,
    is_departure_key,
)
from moddy.store import events as store
from moddy.store.deliveries import Delivery, DeliveryKind, DeliveryState
from moddy.store.events import NewEvent, StoredEvent
from moddy.store.transactions import Connection

# A second departure this soon with no arrival in between, and the same role change by another
# process, is the same.
SAME = timedelta(minutes=5)
MEMBERSHIP = (EventType.MEMBER_JOINED, EventType.MEMBER_LEFT)


class EventPayload(Struct, frozen=True, kw_only=True):
    """An event as stored; every try to deliver it carries `key` as its Idempotency-Key."""

    key: str
    event_type: EventType
    metadata: dict[str, Any]


class History(Struct, frozen=True, kw_only=True):
    """What this process knows of the role changes in the store.

    `own` has the keys of those that it has seen itself, lately; it began to see at `since`.
    """

    own: Container[str]
    since: datetime


class _ToldChange(Struct, frozen=True, kw_only=True):
    """A role change that is stored."""

    key: str
    change: RoleChange


async def store_batch(
    connection: Connection, batch: Sequence[Occurrence], history: History
) -> frozenset[str]:
    """Store those that are not stored yet; what is about one user keeps its order.

    Returns the keys of the role changes that they are.
    """
    # Two processes that see the same events lock the rows in the same order.
    ordered = sorted(batch, key=lambda occurrence: occurrence.user_id)
    memberships = await _Memberships.read(connection, ordered)
    role_changes = await _RoleChanges.read(connection, ordered, history)
    new: list[NewEvent] = []
    for occurrence in ordered:
        key = occurrence.key
        if occurrence.event_type in MEMBERSHIP:
            key = memberships.add(occurrence)
        elif occurrence.event_type is EventType.ROLE_UPDATED:
            key = role_changes.add(occurrence)
        if key is not None:
            new.append(_new_event(occurrence, key))
    await store.insert_all(connection, new)
    return frozenset(role_changes.seen)


class _Memberships:
    """Who came and went last, with this batch's events added one by one."""

    def __init__(self, newest: dict[Snowflake, StoredEvent], known: Iterable[str]) -> None:
        self._newest = newest
        self._known = set(known)

    @classmethod
    async def read(cls, connection: Connection, batch: Sequence[Occurrence]) -> _Memberships:
        leavers = _users(batch, EventType.MEMBER_LEFT)
        if not leavers:
            return cls({}, ())
        keys = [one.key for one in batch if one.key is not None and one.user_id in leavers]
        return cls(
            await store.find_newest(connection, leavers, MEMBERSHIP),
            await store.find_known_keys(connection, keys),
        )

    def add(self, occurrence: Occurrence) -> str | None:
        """Return the key to store an event under, None when it is stored already."""
        last = self._newest.get(occurrence.user_id)
        key = occurrence.key
        if key in self._known:
            return None
        if occurrence.event_type is EventType.MEMBER_LEFT:
            if last is not None and _is_same_departure(occurrence, last):
                return None
            key = key or _derived_key(occurrence, last)
        if key is not None:
            self._known.add(key)
            self._newest[occurrence.user_id] = StoredEvent(
                event_type=occurrence.event_type, key=key, created_at=occurrence.seen_at
            )
        return key


def _is_same_departure(occurrence: Occurrence, last: StoredEvent) -> bool:
    if last.event_type is not EventType.MEMBER_LEFT:
        return False
    if occurrence.key is not None and is_departure_key(last.key):
        return occurrence.key == last.key
    return occurrence.seen_at - last.created_at < SAME


class _RoleChanges:
    """What was told of each member's roles lately, with this batch's events added one by one."""

    def __init__(
        self,
        newest: dict[Snowflake, StoredEvent],
        told: dict[Snowflake, list[_ToldChange]],
        own: Container[str],
    ) -> None:
        self._newest = newest
        self._told = told
        self._own = own
        self.seen: set[str] = set()

    @classmethod
    async def read(
        cls, connection: Connection, batch: Sequence[Occurrence], history: History
    ) -> _RoleChanges:
        changed = _users(batch, EventType.ROLE_UPDATED)
        if not changed:
            return cls({}, {}, ())
        since = max(min(one.seen_at for one in batch) - SAME, history.since)
        decoder = msgspec.json.Decoder(EventPayload)
        told: dict[Snowflake, list[_ToldChange]] = {}
        for user_id, payload in await store.find_since(
            connection, changed, EventType.ROLE_UPDATED, since
        ):
            event = decoder.decode(payload)
            change = RoleChange.of(event.metadata)
            told.setdefault(user_id, []).append(_ToldChange(key=event.key, change=change))
        newest = await store.find_newest(connection, changed, (EventType.ROLE_UPDATED,))
        return cls(newest, told, history.own)

    def add(self, occurrence: Occurrence) -> str | None:
        """Return the key to store an event under, None when it is stored already.

        The oldest of the same that others told, and that was not met before, is this one. So is
        one that was the last word: nobody gets a role twice without losing it.
        """
        change = RoleChange.of(occurrence.metadata)
        history = self._told.setdefault(occurrence.user_id, [])
        for told in history:
            if self._is_new(told.key) and _is_same_change(occurrence, change, told):
                self.seen.add(told.key)
                return None
        last = next((one for one in reversed(history) if one.change.roles & change.roles), None)
        if last is not None and _is_last_word(occurrence, change, last):
            return None
        newest = self._newest.get(occurrence.user_id)
        key = occurrence.key or _derived_key(occurrence, newest, *sorted(change.roles))
        self.seen.add(key)
        history.append(_ToldChange(key=key, change=change))
        self._newest[occurrence.user_id] = StoredEvent(
            event_type=occurrence.event_type, key=key, created_at=occurrence.seen_at
        )
        return key

    def _is_new(self, key: str) -> bool:
        return key not in self._own and key not in self.seen


def _is_same_change(occurrence: Occurrence, change: RoleChange, told: _ToldChange) -> bool:
    if occurrence.key is not None and is_audit_key(told.key):
        return occurrence.key == told.key
    return change == told.change


def _is_last_word(occurrence: Occurrence, change: RoleChange, last: _ToldChange) -> bool:
    if occurrence.key is not None or occurrence.membership is None:
        return False
    return change == last.change and _membership_place(occurrence.membership) in last.key


def _membership_place(membership: str) -> str:
    return f":in-{membership}-"


def _derived_key(occurrence: Occurrence, last: StoredEvent | None, *more: str) -> str:
    """Return a key made of the user's event before this one, the same for whoever makes it."""
    facts = " ".join(("" if last is None else last.key, *more))
    place = "after-" + hashlib.sha256(facts.encode()).hexdigest()[:32]
    if occurrence.membership is not None:
        place = _membership_place(occurrence.membership).removeprefix(":") + place
    guild_id = Snowflake(occurrence.metadata["guild_id"])
    return event_key(occurrence.event_type, occurrence.user_id, place, guild_id=guild_id)


def _users(batch: Iterable[Occurrence], event_type: EventType) -> frozenset[Snowflake]:
    return frozenset(one.user_id for one in batch if one.event_type is event_type)


def _new_event(occurrence: Occurrence, key: str) -> NewEvent:
    payload = EventPayload(key=key, event_type=occurrence.event_type, metadata=occurrence.metadata)
    delivery = Delivery(
        id=new_delivery_id(),
        kind=DeliveryKind.EVENT,
        user_id=occurrence.user_id,
        state=DeliveryState.PENDING,
        payload=msgspec.json.encode(payload),
        created_at=occurrence.seen_at,
    )
    return NewEvent(delivery=delivery, event_type=occurrence.event_type, key=key)
