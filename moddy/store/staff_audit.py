"""The staff's trail: what each of them did or was refused. It only grows."""

from __future__ import annotations

import sqlalchemy as sa
from msgspec import Struct, structs

from moddy.models import Snowflake
from moddy.staff import AuditEntry, AuditOutcome, StaffAction
from moddy.store.tables import staff_audit
from moddy.store.transactions import Connection

MAX_DETAIL = 500


class Page(Struct, frozen=True, kw_only=True):
    """Some entries of the trail, newest first. `number` counts from 1 to `count`."""

    entries: tuple[AuditEntry, ...]
    number: int
    count: int


async def add(connection: Connection, entry: AuditEntry) -> None:
    """Append an entry."""
    values = structs.asdict(entry) | {
        "action": entry.action.value,
        "outcome": entry.outcome.value,
        "detail": entry.detail[:MAX_DETAIL] if entry.detail else None,
    }
    await connection.execute(sa.insert(staff_audit).values(values))


async def read_page(
    connection: Connection, number: int, *, person_id: Snowflake | None, size: int
) -> Page:
    """Return a page of the whole trail, or of what one person did or was the subject of.

    A number beyond the last page gives the last one.
    """
    condition: sa.ColumnElement[bool] = sa.true()
    if person_id is not None:
        table = staff_audit.c
        condition = sa.or_(table.actor_id == person_id, table.subject_id == person_id)
    total = await connection.scalar(
        sa.select(sa.func.count()).select_from(staff_audit).where(condition)
    )
    count = max(1, -(-(total or 0) // size))
    number = min(max(1, number), count)
    rows = await connection.execute(
        sa.select(*(staff_audit.c[name] for name in AuditEntry.__struct_fields__))
        .where(condition)
        .order_by(staff_audit.c.sequence.desc())
        .limit(size)
        .offset((number - 1) * size)
    )
    return Page(entries=tuple(map(_entry, rows)), number=number, count=count)


def _entry(row: sa.Row[tuple[object, ...]]) -> AuditEntry:
    values = dict(row._mapping)
    subject = values["subject_id"]
    return AuditEntry(
        actor_id=Snowflake(values["actor_id"]),
        action=StaffAction(values["action"]),
        outcome=AuditOutcome(values["outcome"]),
        at=values["at"],
        subject_id=None if subject is None else Snowflake(subject),
        detail=values["detail"],
        refund_id=values["refund_id"],
    )
