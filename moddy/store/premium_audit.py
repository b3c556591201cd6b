"""The audit trail of the PREMIUM attribute: who changed it, from what to what, why and when."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from msgspec import Struct, structs

from moddy.models import Snowflake
from moddy.store.prepared import Prepared
from moddy.store.tables import premium_audit
from moddy.store.transactions import Connection


class PremiumChange(Struct, frozen=True, kw_only=True):
    """One change. `actor` is who asked for it, `reason` the action that did."""

    discord_id: Snowflake
    actor: str
    old_premium: bool
    old_until: datetime | None
    new_premium: bool
    new_until: datetime | None
    reason: str
    request_id: str | None
    at: datetime


_INSERT = Prepared(sa.insert(premium_audit).inline(), writes=PremiumChange.__struct_fields__)


async def add(connection: Connection, change: PremiumChange) -> None:
    """Append a change to the trail."""
    await connection.fetch(_INSERT, structs.asdict(change))


async def find(connection: Connection, user_id: Snowflake) -> list[PremiumChange]:
    """Return a user's changes, oldest first."""
    columns = [premium_audit.c[name] for name in PremiumChange.__struct_fields__]
    query = (
        sa.select(*columns)
        .where(premium_audit.c.discord_id == user_id)
        .order_by(premium_audit.c.sequence)
    )
    return [_change(row) for row in (await connection.execute(query)).mappings()]


async def find_last(connection: Connection, user_id: Snowflake) -> PremiumChange | None:
    """Return a user's newest change."""
    columns = [premium_audit.c[name] for name in PremiumChange.__struct_fields__]
    query = (
        sa.select(*columns)
        .where(premium_audit.c.discord_id == user_id)
        .order_by(premium_audit.c.sequence.desc())
        .limit(1)
    )
    row = (await connection.execute(query)).mappings().first()
    return None if row is None else _change(row)


def _change(row: sa.RowMapping) -> PremiumChange:
    return PremiumChange(**{**row, "discord_id": Snowflake(row["discord_id"])})


async def find_start(connection: Connection, user_id: Snowflake) -> datetime | None:
    """Return when premium last went from off to on, None where it never did."""
    query = (
        sa.select(premium_audit.c.at)
        .where(
            premium_audit.c.discord_id == user_id,
            sa.not_(premium_audit.c.old_premium),
            premium_audit.c.new_premium,
        )
        .order_by(premium_audit.c.sequence.desc())
        .limit(1)
    )
    at: datetime | None = await connection.scalar(query)
    return at
