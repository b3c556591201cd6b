"""A store as the version before left it."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from moddy.store import migrate
from moddy.store.database import open_database


async def step_back(url: str) -> None:
    """Undo the newest migration, where it was made, so that the next start has one to make."""
    async with (
        open_database(url) as database,
        database.connect_patiently() as connection,
        connection.begin(),
    ):
        await connection.run_sync(_downgrade)


def _downgrade(connection: sa.Connection) -> None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return
    version = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
    if version != migrate.HEAD:
        return
    config = Config()
    location = str(Path(migrate.__file__).parent / "migrations")
    config.set_main_option("script_location", location.replace("%", "%%"))
    config.attributes["connection"] = connection
    command.downgrade(config, "-1")
