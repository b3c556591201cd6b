"""A terminal before a migrated database, on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from datetime import timedelta
from typing import Any, TypeVar

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result
from structlog.testing import capture_logs

from moddy.console import deliveries as commands
from moddy.models import Snowflake
from moddy.ports import SystemClock
from moddy.store.database import Database, open_database
from moddy.store.deliveries import DeliveryKind, DeliveryState
from moddy.store.tables import deliveries
from moddy.store.transactions import Connection
from tests.migrated import (
    database,
    empty,
    migrated_postgresql_url,
    migrated_sqlite_file,
    migrated_url,
)
from tests.store import rows

__all__ = ["database", "migrated_postgresql_url", "migrated_sqlite_file", "migrated_url"]

T = TypeVar("T")


class Terminal:
    """Where a person types commands; each has connections of its own, as a process has."""

    def __init__(self, url: str, log: list[Any]) -> None:
        self.url = url
        self.log = log

    def on_database(self, work: Callable[[Database], Coroutine[Any, Any, T]]) -> T:
        """Run work on the database."""

        async def run() -> T:
            async with open_database(self.url) as opened:
                return await work(opened)

        return asyncio.run(run())

    def type(self, *arguments: str, answer: str | None = None) -> Result:
        """Run ``moddy deliveries …`` to its end; `answer` is typed when it asks."""
        return CliRunner().invoke(commands, arguments, obj=self.on_database, input=answer)

    def execute(self, statement: sa.Executable) -> None:
        """Change the database behind everybody's back."""

        async def work(connection: Connection) -> None:
            await connection.execute(statement)

        self.on_database(lambda opened: opened.transaction(work))

    def add(
        self,
        number: int,
        state: DeliveryState = DeliveryState.DEAD,
        *,
        kind: DeliveryKind = DeliveryKind.NOTIFY,
        user_id: Snowflake = rows.ADA,
        payload: bytes = b"{}",
        age: timedelta = timedelta(hours=80),
        **values: object,
    ) -> str:
        """Store a delivery and return its id, which begins with `number` in 8 digits."""
        row = rows.delivery(
            int(f"{number:08x}{0:016x}", 16),
            user_id=user_id,
            kind=kind,
            payload=payload,
            created_at=SystemClock().now() - age,
        )
        self.on_database(lambda opened: rows.insert(opened, row))
        statement = sa.update(deliveries).where(deliveries.c.id == row.id)
        self.execute(statement.values(state=state.value, **values))
        return row.id

    def read(self, delivery_id: str, *names: str) -> list[Any]:
        """Return some columns of a delivery."""
        columns = (deliveries.c[name] for name in names)
        query = sa.select(*columns).where(deliveries.c.id == delivery_id)

        async def work(connection: Connection) -> list[Any]:
            return list((await connection.execute(query)).one())

        return self.on_database(lambda opened: opened.read(work))


@pytest.fixture
def terminal(migrated_url: str) -> Iterator[Terminal]:
    with capture_logs() as log:
        found = Terminal(migrated_url, log)
        if not migrated_url.startswith("sqlite"):
            found.on_database(lambda opened: opened.transaction(empty))
        yield found
