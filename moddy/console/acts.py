"""What the commands do on the database, in short transactions, beside a Moddy that may run."""

from __future__ import annotations

import asyncio
import os
import pwd
import socket
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import structlog
from msgspec import Struct

from moddy.console.facts import Facts, read_facts
from moddy.errors import ModdyError, SchemaTooNew, SchemaTooOld
from moddy.models import Snowflake
from moddy.store import console as store
from moddy.store import migrate
from moddy.store.console import Act, Action, Obstacle, Row, Selection
from moddy.store.database import Database

log = structlog.get_logger(__name__)

# How many acts share a transaction at most.
BATCH = 100


class DeliveryNotFound(ModdyError):
    """No delivery, or more than one, has an id that begins as asked."""

    code = "delivery_not_found"


class Listing(Struct, frozen=True, kw_only=True):
    """A list of deliveries, newest last, with how many there are of each state."""

    counts: dict[str, int]
    rows: list[Row]


class Details(Struct, frozen=True, kw_only=True):
    """All about one delivery that may be shown."""

    row: Row
    facts: Facts
    answer_status: int | None
    acts: list[Act]


class Results(Struct, frozen=True, kw_only=True):
    """What became of acts: those done, and what stood in the way of the others."""

    done: list[Row]
    failed: list[tuple[Row, Obstacle]]


def read_actor() -> str:
    """Return who runs this process: user@host."""
    # Not getpass.getuser(), which believes the environment.
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's user may have no name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"[:128]


async def check_schema(database: Database) -> None:
    """Refuse a database that this version cannot work with as it is.

    Raises: SchemaTooOld, SchemaTooNew, StoreUnavailable.
    """
    revision = await database.read(store.find_revision) if _exists(database) else None
    if revision == migrate.HEAD:
        return
    if revision is None:
        raise SchemaTooOld(
            "DATABASE_URL: this database has no tables of Moddy yet: start Moddy, or run "
            "`moddy migrate`"
        )
    known = (Path(migrate.__file__).parent / "migrations" / "versions").glob("[0-9]*.py")
    if any(script.name.startswith(f"{revision}_") for script in known):
        raise SchemaTooOld(
            f"the database has schema revision {revision}, this version of Moddy needs "
            f"{migrate.HEAD}: run `moddy migrate` first"
        )
    raise SchemaTooNew(
        f"the database has schema revision {revision}, this version of Moddy knows "
        f"{migrate.HEAD} and older: use the newer Moddy"
    )


def _exists(database: Database) -> bool:
    # Connecting to a SQLite file makes it.
    return not database.is_sqlite or Path(database.engine.url.database or "").is_file()


async def list_deliveries(database: Database, selection: Selection, *, limit: int) -> Listing:
    """Return the newest of the selected deliveries."""
    counts = await database.read(lambda c: store.count_states(c, selection))
    rows = await database.read(lambda c: store.find(c, selection, limit=limit))
    return Listing(counts=counts, rows=rows)


async def find_in_state(database: Database, state: str) -> list[Row]:
    """Return all deliveries of one state, oldest first."""
    return await database.read(lambda c: store.find(c, Selection(states=[state])))


async def find_by_ids(database: Database, prefixes: Sequence[str]) -> list[Row]:
    """Return the deliveries with these ids, each once; an id may be cut to a unique beginning.

    Raises:
        DeliveryNotFound: one of them is of no delivery, or of several.
    """
    rows: dict[str, Row] = {}
    for prefix in prefixes:
        row = await find_by_id(database, prefix)
        rows[row.id] = row
    return list(rows.values())


async def find_by_id(database: Database, prefix: str) -> Row:
    """Return the delivery whose id begins so. Raises DeliveryNotFound."""
    found = await database.read(lambda c: store.find_by_prefix(c, prefix, limit=2))
    if len(found) == 1:
        return found[0]
    if not found:
        raise DeliveryNotFound(f"no delivery has an id that begins with {prefix}")
    raise DeliveryNotFound(f"several deliveries have an id that begins with {prefix}")


async def show(database: Database, prefix: str) -> Details:
    """Return all about one delivery. Raises DeliveryNotFound."""
    row = await find_by_id(database, prefix)
    stored = await database.read(lambda c: store.find_payload(c, row.id))
    if stored is None:
        raise DeliveryNotFound(f"no delivery has an id that begins with {prefix}")
    payload, status = stored
    acts = await database.read(lambda c: store.find_acts(c, row.id))
    return Details(row=row, facts=read_facts(row.kind, payload), answer_status=status, acts=acts)


async def do(
    database: Database, action: Action, rows: Sequence[Row], *, now: datetime, actor: str
) -> Results:
    """Do the same act to deliveries that are still as `rows` show them, and log each."""
    results = Results(done=[], failed=[])

    async def do_one(row: Row) -> None:
        obstacle = await database.transaction(
            lambda c: store.act(c, action, row, now=now, actor=actor),
            about=Snowflake(row.user_id),
        )
        if obstacle is not None:
            results.failed.append((row, obstacle))
            return
        results.done.append(row)
        log.info(
            "delivery changed by hand",
            action=action.value,
            delivery_id=row.id,
            kind=row.kind,
            old_state=row.state,
            actor=actor,
        )

    for start in range(0, len(rows), BATCH):
        async with asyncio.TaskGroup() as group:
            for row in rows[start : start + BATCH]:
                group.create_task(do_one(row))
    return results
