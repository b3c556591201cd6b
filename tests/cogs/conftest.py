"""Moddy's bot in a Discord in memory, with a fake backend behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from simcord.results import InteractionResult, ResponseMessage
from sqlalchemy.ext.asyncio import AsyncConnection

from moddy.bot import ModdyBot
from moddy.cogs.customers import Customers
from moddy.cogs.listeners import Listeners
from moddy.models import Snowflake
from moddy.sandbox.world import Person, World
from moddy.store.database import Database, open_database
from moddy.store.migrate import migrate
from moddy.views.translator import CatalogueTranslator
from tests.fakes import FakeBackend
from tests.services.stage import Stage


class Office:
    """A connected Moddy and everything around it."""

    def __init__(self, database: Database, world: World) -> None:
        self.world = world
        self.backend = FakeBackend()
        self.stage = Stage(database)
        self.bot = ModdyBot(
            database=database,
            make_cogs=self._make_cogs,
            translator=CatalogueTranslator(),
            shard_count=1,
        )

    def _make_cogs(self, _bot: ModdyBot) -> list[Customers | Listeners]:
        stage = self.stage
        return [
            Customers(
                backend=self.backend, notifications=stage.notifications, premium=stage.premium
            ),
            Listeners(
                notifications=stage.notifications,
                deliveries=stage.deliveries,
                guild_id=self.world.guild_id,
            ),
        ]

    def user_id(self, person: Person) -> Snowflake:
        return self.world.user_id(person)

    async def break_store(self) -> None:
        """Have every look at the deliveries fail, as when the file cannot be read."""

        async def work(connection: AsyncConnection) -> None:
            await connection.execute(sa.text("ALTER TABLE deliveries RENAME TO gone"))

        await self.stage.database.transaction(work)

    async def run(
        self, person: Person, command: str, *, in_guild: bool = False, **options: object
    ) -> list[ResponseMessage]:
        """Have a person use a command; returns what only they see, in order."""
        result: InteractionResult
        if in_guild:
            actor = self.world.members[person]
            result = await actor.slash(self.world.general, command, **options)
        else:
            result = await self.world.user(person).slash(command, **options)
        assert result.acknowledged
        return answers(result)


def answers(result: InteractionResult) -> list[ResponseMessage]:
    """Return all answers; each is for the asking person's eyes only."""
    first = [result.response] if result.response else []
    ids = {message.id for message in first}
    found = [*first, *(message for message in result.followups if message.id not in ids)]
    assert all(message.ephemeral for message in found)
    return found


def text(message: ResponseMessage) -> str:
    """Return everything there is to read in a message."""
    return "\n".join(_texts(message.components)) or message.content


def _texts(components: list[dict[str, object]]) -> list[str]:
    found = []
    for component in components:
        content, children = component.get("content"), component.get("components")
        if isinstance(content, str):
            found.append(content)
        if isinstance(children, list):
            found += _texts(children)
    return found


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with open_database(f"sqlite:///{tmp_path / 'moddy.db'}") as opened:
        await migrate(opened)
        yield opened


@pytest.fixture
async def office(database: Database) -> AsyncIterator[Office]:
    office = Office(database, World())
    async with office.world.connect(office.bot):
        yield office
    await office.bot.close()
