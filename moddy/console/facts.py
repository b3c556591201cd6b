"""What may be shown of a delivery's content: facts, never what the customer reads.

A text that is neither a word nor an id is not shown, whoever wrote it: it may be an address, or
steer the terminal.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

import msgspec
from msgspec import Struct

from moddy.models import EventType
from moddy.store.deliveries import DeliveryKind

Facts = dict[str, str]

_HARMLESS = re.compile(r"[A-Za-z0-9 ._:/+-]{1,64}", re.ASCII)
UNREADABLE: Facts = {"content": "not readable by this version"}


class _Metadata(Struct, frozen=True, kw_only=True):
    old_plan: str | None = None
    new_plan: str | None = None
    cancel_at_period_end: bool | None = None
    current_period_end: datetime | None = None
    event_created: datetime | None = None


class _Notify(Struct, frozen=True, kw_only=True):
    action: str | None = None
    plan: str | None = None
    ends_at: datetime | None = None
    metadata: _Metadata = _Metadata()


class _Roles(Struct, frozen=True, kw_only=True):
    guild_id: str | None = None
    add: list[str] = []
    remove: list[str] = []


class _Event(Struct, frozen=True, kw_only=True):
    event_type: EventType | None = None


def harmless(text: str | None) -> str | None:
    """Return a word, an id or a code as it is, and only the length of any other text."""
    if text is None or _HARMLESS.fullmatch(text):
        return text
    return f"(not shown: {len(text)} characters)"


def read_facts(kind: str, payload: bytes) -> Facts:
    """Return what a delivery is about, name by name, in the order to show."""
    try:
        match kind:
            case DeliveryKind.NOTIFY.value:
                found = _notify(msgspec.json.decode(payload, type=_Notify))
            case DeliveryKind.ROLES.value:
                found = _roles(msgspec.json.decode(payload, type=_Roles))
            case DeliveryKind.EVENT.value:
                event = msgspec.json.decode(payload, type=_Event)
                found = iter([("event", event.event_type.value if event.event_type else None)])
            case _:
                return UNREADABLE
    except msgspec.DecodeError:
        return UNREADABLE
    return {name: text for name, text in found if text}


def _notify(notify: _Notify) -> Iterator[tuple[str, str | None]]:
    metadata = notify.metadata
    yield "action", harmless(notify.action)
    yield "plan", harmless(notify.plan)
    yield "old plan", harmless(metadata.old_plan)
    yield "new plan", harmless(metadata.new_plan)
    yield "ends at period end", "yes" if metadata.cancel_at_period_end else None
    yield "period ends", moment(metadata.current_period_end)
    yield "premium until", moment(notify.ends_at)
    yield "event created", moment(metadata.event_created)


def _roles(roles: _Roles) -> Iterator[tuple[str, str | None]]:
    yield "guild", harmless(roles.guild_id)
    yield "add roles", " ".join(str(harmless(role_id)) for role_id in roles.add)
    yield "remove roles", " ".join(str(harmless(role_id)) for role_id in roles.remove)


def moment(at: datetime | None) -> str | None:
    """Return a moment as people and machines read it, to the second, in UTC."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC" if at else None
