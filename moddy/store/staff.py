"""Support staff: who they are and what they may do."""

from __future__ import annotations

import sqlalchemy as sa
from msgspec import structs
from sqlalchemy.dialects import postgresql, sqlite

from moddy.models import Snowflake
from moddy.staff import StaffMember, StaffRole
from moddy.store.tables import staff
from moddy.store.transactions import Connection


async def find(connection: Connection, person_id: Snowflake) -> StaffMember | None:
    """Return a staff member, None for anybody else."""
    row = (await connection.execute(sa.select(staff).where(_is(person_id)))).first()
    return None if row is None else _member(row)


async def find_all(connection: Connection) -> list[StaffMember]:
    """Return all staff, in the order in which they came."""
    query = sa.select(staff).order_by(staff.c.added_at, staff.c.discord_id)
    return [_member(row) for row in await connection.execute(query)]


async def save(connection: Connection, member: StaffMember) -> None:
    """Add a staff member, or change one to what is given."""
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    values = structs.asdict(member) | {"role": member.role.value}
    query: sqlite.Insert | postgresql.Insert = insert(staff)
    await connection.execute(
        query.values(values).on_conflict_do_update(index_elements=[staff.c.discord_id], set_=values)
    )


async def remove(connection: Connection, person_id: Snowflake) -> bool:
    """Remove a staff member; returns False when there was none."""
    return (await connection.execute(sa.delete(staff).where(_is(person_id)))).rowcount == 1


def _is(person_id: Snowflake) -> sa.ColumnElement[bool]:
    return staff.c.discord_id == person_id


def _member(row: sa.Row[tuple[object, ...]]) -> StaffMember:
    values = dict(row._mapping)
    return StaffMember(
        discord_id=Snowflake(values["discord_id"]),
        role=StaffRole(values["role"]),
        may_view=values["may_view"],
        may_manage=values["may_manage"],
        added_by=Snowflake(values["added_by"]),
        added_at=values["added_at"],
    )
