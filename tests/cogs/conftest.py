"""Moddy's bot in a Discord in memory, with a fake backend behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime

import discord
import pytest
import sqlalchemy as sa
from discord import ui
from discord.ext import commands
from simcord.backend.models import Interaction
from simcord.backend.serializers import message_payload
from simcord.components import walk_components
from simcord.enums import ComponentType, InteractionType
from simcord.interactions import base_payload
from simcord.results import InteractionResult, ResponseMessage
from yarl import URL

from moddy.bot import ModdyBot
from moddy.cogs.cooldown import Cooldown
from moddy.cogs.customers import PER_SECONDS, USES, Customers
from moddy.cogs.listeners import Listeners
from moddy.cogs.presses import Presses, gather_presses
from moddy.models import (
    Snowflake,
    Subscription,
    SubscriptionInfoResponse,
    SubscriptionStatus,
)
from moddy.sandbox.world import Person, World
from moddy.store.database import Database
from moddy.store.transactions import Connection
from moddy.views.translator import CatalogueTranslator
from tests.fakes import FakeBackend
from tests.migrated import migrated_sqlite_file, sqlite_database
from tests.modules.club import Club
from tests.services.stage import Stage
from tests.views.reading import BUTTON

__all__ = ["migrated_sqlite_file", "sqlite_database"]

WEBSITE = URL("https://moddy.example/account")


class Office:
    """A connected Moddy and everything around it."""

    def __init__(self, database: Database, world: World) -> None:
        self.world = world
        self.backend = FakeBackend()
        self.stage = Stage(database)
        # What the cooldowns take for the time, in seconds.
        self.seconds = 1000.0
        self.bot = self._make_bot()

    def _make_bot(self) -> ModdyBot:
        return ModdyBot(
            database=self.stage.database,
            make_cogs=self._make_cogs,
            translator=CatalogueTranslator(),
            shard_count=1,
        )

    async def restart(self) -> None:
        """Put another Moddy in the place of this one, over the same store and Discord."""
        await self.bot.close()
        self.bot = self._make_bot()
        await self.world.env.restart_bot(self.bot)

    def _make_cogs(self, _bot: ModdyBot) -> list[commands.Cog]:
        stage = self.stage
        cogs: list[commands.Cog] = [
            Customers(
                backend=self.backend,
                notifications=stage.notifications,
                premium=stage.premium,
                clock=stage.clock,
                website_url=WEBSITE,
                cooldown=Cooldown(uses=USES, seconds=PER_SECONDS, monotonic=lambda: self.seconds),
            ),
            Listeners(
                notifications=stage.notifications,
                deliveries=stage.deliveries,
                guild_id=self.world.guild_id,
            ),
        ]
        return [*cogs, Presses(gather_presses(cogs))]

    def user_id(self, person: Person) -> Snowflake:
        return self.world.user_id(person)

    async def break_store(self, table: str = "deliveries", new_name: str = "gone") -> None:
        """Have every look at a table fail, as when the file cannot be read."""

        async def work(connection: Connection) -> None:
            await connection.execute(sa.text(f"ALTER TABLE {table} RENAME TO {new_name}"))

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

    async def click(
        self, person: Person, message: ResponseMessage | discord.Message, label: str
    ) -> list[ResponseMessage]:
        """Have a person press a button; returns the new messages that came of it."""
        in_guild = channel_id_of(message) in {self.world.general.id, self.world.staff_channel.id}
        actor = self.world.members[person] if in_guild else self.world.user(person)
        result = await actor.click(message, label=label)
        assert result.acknowledged
        return answers(result)

    async def post_button(self, custom_id: str, label: str = "Press") -> discord.Message:
        """Put a button where everybody can press it, as a modified client could."""
        view = ui.LayoutView(timeout=None)
        view.add_item(ui.ActionRow(ui.Button(label=label, custom_id=custom_id)))
        view.stop()
        channel = self.bot.get_partial_messageable(self.world.general.id)
        return await channel.send(view=view)


def monthly_subscription(start: datetime, end: datetime) -> SubscriptionInfoResponse:
    """Return what the backend says of somebody who pays 9.99 EUR a month, and goes on to."""
    return SubscriptionInfoResponse(
        success=True,
        message="",
        has_subscription=True,
        subscription=Subscription(
            subscription_id="sub_1",
            customer_id="cus_1",
            status=SubscriptionStatus.ACTIVE,
            subscription_type="monthly",
            current_period_start=start,
            current_period_end=end,
            cancel_at_period_end=False,
            amount=999,
            currency="eur",
        ),
    )


def answers(result: InteractionResult) -> list[ResponseMessage]:
    """Return all new messages; each is for the asking person's eyes only.

    The message whose button was pressed is none of them.
    """
    pressed = result._interaction.source_message_id
    first = [result.response] if result.response and result.response.id != pressed else []
    ids = {message.id for message in first}
    found = [*first, *(message for message in result.followups if message.id not in ids)]
    assert all(message.ephemeral for message in found)
    return found


def press_beside(
    world: World, person: Person, message: ResponseMessage | discord.Message, custom_id: str
) -> Interaction:
    """Have a person press a button beside another press, or one that their client still shows.

    SimCord has no verb for that: it presses one after the other, and only what is there.
    """
    backend, channel_id = world.env.backend, channel_id_of(message)
    in_guild = channel_id == world.general.id
    interaction, payload = base_payload(
        backend,
        type=InteractionType.MESSAGE_COMPONENT,
        channel_id=channel_id,
        guild_id=int(world.guild_id) if in_guild else None,
        user_id=int(world.user_id(person)),
        data={"custom_id": custom_id, "component_type": ComponentType.BUTTON},
    )
    interaction.source_message_id = message.id
    stored = backend.get_message(channel_id, message.id)
    payload["message"] = dict(message_payload(backend, stored))
    backend.emit("INTERACTION_CREATE", payload)
    return interaction


def text(message: ResponseMessage) -> str:
    """Return everything there is to read in a message."""
    contents = (one.get("content") for one in walk_components(message.components))
    return "\n".join(one for one in contents if isinstance(one, str)) or message.content


def buttons(message: ResponseMessage) -> list[str]:
    """Return the labels of the buttons that can be pressed."""
    return [
        one["label"]
        for one in walk_components(message.components)
        if one["type"] == BUTTON and not one.get("disabled")
    ]


def links(message: ResponseMessage) -> dict[str, str]:
    """Return the addresses of the link buttons by their labels."""
    return {
        one["label"]: one["url"] for one in walk_components(message.components) if one.get("url")
    }


def channel_id_of(message: ResponseMessage | discord.Message) -> int:
    """Return where a message is."""
    return message.channel.id if isinstance(message, discord.Message) else message.channel_id


@pytest.fixture
def database(sqlite_database: Database) -> Database:
    return sqlite_database


@pytest.fixture
async def office(database: Database) -> AsyncIterator[Office]:
    office = Office(database, World())
    async with office.world.connect(office.bot):
        yield office
    await office.bot.close()


@pytest.fixture
async def club(database: Database) -> AsyncIterator[Club]:
    club = Club(database)
    async with club.connect():
        yield club
