"""Claims: which periodic work one of several processes is at, and until when it may be.

A claim is a row of ``memory`` that ends by itself at its moment. A lock of the database would end
with its connection instead, which a frozen process, or one whose machine is gone, keeps for hours.
The processes' clocks may differ by the time that a claim is longer than needed.
"""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from moddy.store.tables import memory
from moddy.store.transactions import Connection


async def take(connection: Connection, name: str, *, now: datetime, until: datetime) -> bool:
    """Claim the work of that name until then; returns False while somebody else has it."""
    insert = sqlite_insert if connection.dialect.name == "sqlite" else postgresql_insert
    query = (
        insert(memory)
        .values(key=_key(name), value=_text(until))
        .on_conflict_do_update(
            index_elements=[memory.c.key],
            set_={"value": _text(until)},
            where=memory.c.value <= _text(now),
        )
        .returning(memory.c.key)
    )
    return (await connection.execute(query)).first() is not None


async def give_back(connection: Connection, name: str, *, until: datetime, now: datetime) -> None:
    """End the claim that was taken until `until`, unless somebody else has it by now."""
    await connection.execute(
        sa.update(memory)
        .where(memory.c.key == _key(name), memory.c.value == _text(until))
        .values(value=_text(now))
    )


def _key(name: str) -> str:
    return f"claim of {name}"


def _text(moment: datetime) -> str:
    # Always as long, so that texts compare as their moments do.
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
