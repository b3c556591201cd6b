"""Work that stays inside its transaction until it is let go."""

from __future__ import annotations

import asyncio
import threading

import sqlalchemy as sa

from moddy.store.database import Database
from moddy.store.transactions import Connection

_SLEEP = sa.text("SELECT pg_sleep(0.005)")
PATIENCE = 20.0  # seconds; only a test that goes wrong waits as long


class Holding:
    """Holds transactions open: on SQLite, whose works run on threads, a thread with each."""

    def __init__(self, database: Database) -> None:
        self._on_thread = database.is_sqlite
        self._loop = asyncio.get_running_loop()
        self.inside = asyncio.Event()
        self._leave = threading.Event()

    async def hold(self, connection: Connection) -> None:
        """Work: say that it is under way, and wait."""
        self._loop.call_soon_threadsafe(self.inside.set)
        if self._on_thread:
            self._leave.wait(PATIENCE)
        while not self._leave.is_set():
            await connection.execute(_SLEEP)

    def release(self) -> None:
        """Let all of it go on."""
        self._leave.set()
