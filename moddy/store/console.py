"""Deliveries as a person at the console sees and changes them, while Moddy runs or not.

Kinds and states are their stored words here: a row that a newer Moddy left behind, of a kind
that this version does not know, can be looked at all the same.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from enum import Enum

import sqlalchemy as sa
from msgspec import Struct, structs

from moddy.models import Snowflake
from moddy.store import users
from moddy.store.deliveries import DeliveryKind, DeliveryState
from moddy.store.tables import deliveries, delivery_audit
from moddy.store.transactions import Connection

STATES = tuple(state.value for state in DeliveryState)
# Everything that is not finished well.
OPEN = ("pending", "waiting", "kept", "uncertain", "dead")
RETRYABLE = ("dead", "uncertain", "refused", "kept")
DROPPABLE = OPEN


class Row(Struct, frozen=True, kw_only=True):
    """One delivery, without what it says and what it was asked with."""

    id: str
    kind: str
    user_id: str
    state: str
    tries: int
    last_error: str | None
    request_id: str | None
    created_at: datetime
    due_at: datetime | None
    leased_until: datetime | None
    sending_since: datetime | None
    retried_at: datetime | None
    finished_at: datetime | None

    def is_leased(self, now: datetime) -> bool:
        """Whether a running Moddy is at work on it."""
        return self.leased_until is not None and self.leased_until > now


class Selection(Struct, frozen=True, kw_only=True):
    """Which deliveries to look at; None: all of them."""

    states: Collection[str] | None = None
    kind: str | None = None
    user_id: Snowflake | None = None


class Act(Struct, frozen=True, kw_only=True):
    """What a person did to a delivery. `actor` is user@host of the operating system."""

    delivery_id: str
    action: str
    actor: str
    old_state: str
    at: datetime


class Action(Enum):
    """What a person can do to a delivery."""

    RETRY = "retry"
    DROP = "drop"


class Obstacle(Enum):
    """Why an act was not done; nothing was changed then."""

    GONE = "gone"
    LEASED = "leased"  # a running Moddy is at work on it
    CHANGED = "changed"  # its state is no longer what the person saw
    OUTDATED = "outdated"  # a newer role update was accepted since


async def find_revision(connection: Connection) -> str | None:
    """Return the schema's revision, None for a database without one."""
    if not await connection.run_sync(lambda sync: sa.inspect(sync).has_table("alembic_version")):
        return None
    revision: str | None = await connection.scalar(
        sa.text("SELECT version_num FROM alembic_version")
    )
    return revision


async def count_states(connection: Connection, selection: Selection) -> dict[str, int]:
    """Return how many deliveries there are of each state, whatever states are selected."""
    table = deliveries.c
    counted = structs.replace(selection, states=None)
    query = sa.select(table.state, sa.func.count()).where(*_conditions(counted))
    rows = (await connection.execute(query.group_by(table.state))).all()
    return {str(row[0]): int(row[1]) for row in rows}


async def find(
    connection: Connection, selection: Selection, *, limit: int | None = None
) -> list[Row]:
    """Return the newest `limit` of the selected deliveries, newest last."""
    query = _select().where(*_conditions(selection))
    query = query.order_by(deliveries.c.sequence.desc()).limit(limit)
    rows = (await connection.execute(query)).all()
    return [_row(row) for row in reversed(rows)]


async def find_by_prefix(connection: Connection, prefix: str, *, limit: int) -> list[Row]:
    """Return up to `limit` deliveries whose id begins with `prefix`."""
    query = _select().where(deliveries.c.id.startswith(prefix, autoescape=True))
    return [_row(row) for row in await connection.execute(query.limit(limit))]


async def find_payload(connection: Connection, delivery_id: str) -> tuple[bytes, int | None] | None:
    """Return a delivery's payload and the HTTP status of its final answer."""
    table = deliveries.c
    query = sa.select(table.payload, table.answer_status).where(table.id == delivery_id)
    row = (await connection.execute(query)).first()
    return None if row is None else (row[0], row[1])


async def find_acts(connection: Connection, delivery_id: str) -> list[Act]:
    """Return what people did to a delivery, oldest first."""
    query = (
        sa.select(*(delivery_audit.c[name] for name in Act.__struct_fields__))
        .where(delivery_audit.c.delivery_id == delivery_id)
        .order_by(delivery_audit.c.sequence)
    )
    return [Act(**row) for row in (await connection.execute(query)).mappings()]


async def act(
    connection: Connection, action: Action, row: Row, *, now: datetime, actor: str
) -> Obstacle | None:
    """Do one act to a delivery that is still as `row` shows it, and note it in the trail.

    Retried, it is due at once, with all tries and the whole time before it is given up ahead.
    For an uncertain one that is the decision to send it again; with any other the worker goes
    on looking for what it may have sent already. Returns what stood in the way, None when it is
    done.
    """
    if action is Action.RETRY and row.kind == DeliveryKind.ROLES.value:
        # From here on no newer one is accepted before this one is due, and then replaced by it.
        await users.lock(connection, Snowflake(row.user_id))
        if await _has_younger(connection, row):
            return Obstacle.OUTDATED
    table = deliveries.c
    # Without a lease the outcome of an attempt that outlived its own is not recorded.
    values: dict[str, object] = {"leased_until": None}
    if action is Action.RETRY:
        values |= {"state": DeliveryState.PENDING.value, "tries": 0, "due_at": now}
        values |= {"retried_at": now, "finished_at": None}
        if row.state == DeliveryState.UNCERTAIN.value:
            values["sending_since"] = None
    else:
        values |= {"state": DeliveryState.DROPPED.value, "due_at": None, "finished_at": now}
    result = await connection.execute(
        sa.update(deliveries)
        .where(table.id == row.id, table.state == row.state)
        .where(sa.or_(table.leased_until.is_(None), table.leased_until <= now))
        .values(values)
    )
    if result.rowcount != 1:
        return await _obstacle(connection, row, now)
    trace = Act(delivery_id=row.id, action=action.value, actor=actor, old_state=row.state, at=now)
    await connection.execute(sa.insert(delivery_audit).values(**structs.asdict(trace)))
    return None


async def _obstacle(connection: Connection, row: Row, now: datetime) -> Obstacle:
    found = await find_by_prefix(connection, row.id, limit=1)
    if not found:
        return Obstacle.GONE
    return Obstacle.LEASED if found[0].is_leased(now) else Obstacle.CHANGED


async def _has_younger(connection: Connection, row: Row) -> bool:
    """Tell whether a newer delivery of the same kind to the same user counts."""
    table, elder = deliveries.c, deliveries.alias("elder")
    query = (
        sa.select(table.id)
        .join(elder, elder.c.id == row.id)
        .where(
            table.kind == row.kind,
            table.discord_id == row.user_id,
            table.state != DeliveryState.DROPPED.value,
        )
        .where(table.sequence > elder.c.sequence)
        .limit(1)
    )
    return (await connection.execute(query)).first() is not None


def _conditions(selection: Selection) -> list[sa.ColumnElement[bool]]:
    table = deliveries.c
    conditions: list[sa.ColumnElement[bool]] = []
    if selection.states is not None:
        conditions.append(table.state.in_(selection.states))
    if selection.kind is not None:
        conditions.append(table.kind == selection.kind)
    if selection.user_id is not None:
        conditions.append(table.discord_id == selection.user_id)
    return conditions


def _select() -> sa.Select[tuple[object, ...]]:
    table = deliveries.c
    names = (name for name in Row.__struct_fields__ if name != "user_id")
    return sa.select(*(table[name] for name in names), table.discord_id.label("user_id"))


def _row(row: sa.Row[tuple[object, ...]]) -> Row:
    return Row(**row._mapping)
