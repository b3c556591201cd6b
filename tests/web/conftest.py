"""A running API, and the log that it writes."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec
import pytest
import structlog
from aiohttp import http_exceptions

from moddy.config import LogFormat, LogLevel
from moddy.logs import configure_logging
from moddy.store.database import Database
from tests.migrated import (
    database,
    migrated_postgresql_url,
    migrated_sqlite_file,
    migrated_url,
    sqlite_database,
)
from tests.web.api import Api, open_api

__all__ = [
    "database",
    "migrated_postgresql_url",
    "migrated_sqlite_file",
    "migrated_url",
    "sqlite_database",
]


PARSER_ERRORS = {
    name
    for name, kind in vars(http_exceptions).items()
    if isinstance(kind, type) and issubclass(kind, http_exceptions.HttpProcessingError)
}


class Log:
    """What is logged, as a deployed Moddy writes it."""

    def __init__(self, stream: io.StringIO) -> None:
        self._stream = stream
        self.errors_expected = False

    @property
    def text(self) -> str:
        """All of it."""
        return self._stream.getvalue()

    def lines(self, **fields: object) -> list[dict[str, Any]]:
        """Return the lines that have these fields."""
        lines = [msgspec.json.decode(line) for line in self.text.splitlines()]
        return [line for line in lines if fields.items() <= line.items()]

    def errors(self) -> list[dict[str, Any]]:
        """Return the lines that no request may cause; the HTTP parser refuses in its own way."""
        lines = [line for line in self.lines() if line["level"] in ("error", "critical")]
        return [line for line in lines if line.get("error_type") not in PARSER_ERRORS]


@pytest.fixture(autouse=True)
def log() -> Iterator[Log]:
    """Configure logging as Moddy does; an error in the log fails the test."""
    root, moddy = logging.getLogger(), logging.getLogger("moddy")
    before = (root.level, moddy.level, structlog.get_config())
    stream = io.StringIO()
    handlers = root.handlers
    with contextlib.redirect_stdout(stream):
        configure_logging(LogLevel.DEBUG, LogFormat.JSON)
    (ours,) = root.handlers
    root.handlers = [*handlers, ours]
    found = Log(stream)
    yield found
    root.removeHandler(ours)
    root.setLevel(before[0])
    moddy.setLevel(before[1])
    structlog.configure(**before[2])
    assert found.errors_expected or not found.errors()


@pytest.fixture
async def api(database: Database, log: Log) -> AsyncIterator[Api]:
    """The API with everything configured, on SQLite and on PostgreSQL."""
    async with open_api(database) as opened:
        yield opened


@pytest.fixture
async def lite(sqlite_database: Database, log: Log) -> AsyncIterator[Api]:
    """The API with everything configured, for what has nothing to do with the store."""
    async with open_api(sqlite_database) as opened:
        yield opened
