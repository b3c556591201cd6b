"""What every part is built on."""

from __future__ import annotations

from msgspec import Struct

from moddy.backend import BackendClient
from moddy.config import Settings
from moddy.ports import Clock
from moddy.store.database import Database


class Ground(Struct, frozen=True, kw_only=True):
    """The settings, and what is there before any service."""

    settings: Settings
    database: Database
    backend: BackendClient
    clock: Clock
