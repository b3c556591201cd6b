"""The bot's commands on Discord, its intents, and when it counts as ready."""

from __future__ import annotations

import discord
import pytest
from yarl import URL

from moddy.bot import SYNCED_COMMANDS, ModdyBot, intents, use_api_base
from moddy.store import memory
from moddy.store.database import Database
from moddy.views.translator import CatalogueTranslator
from tests.cogs.conftest import Office


async def test_commands_can_be_used_everywhere_and_are_translated(office: Office) -> None:
    payloads = {
        command.name: await command.get_translated_payload(office.bot.tree, CatalogueTranslator())
        for command in office.bot.tree.get_commands()
    }
    assert set(payloads) == {"subscription", "invoices", "profile"}
    for payload in payloads.values():
        assert payload["contexts"] == [0, 1, 2]
        assert payload["integration_types"] == [0, 1]
        assert "fr" in payload["description_localizations"]
    [limit] = payloads["invoices"]["options"]
    assert (limit["min_value"], limit["max_value"]) == (1, 50)
    assert not limit["required"]


async def test_commands_are_synced_only_when_they_changed(office: Office) -> None:
    assert not await office.bot.sync_commands()
    office.bot.tree.remove_command("profile")
    assert await office.bot.sync_commands()
    assert not await office.bot.sync_commands()
    database = office.stage.database
    await database.transaction(lambda c: memory.remember(c, SYNCED_COMMANDS, "other"))
    assert await office.bot.sync_commands()


async def test_ready_and_logged_in(office: Office) -> None:
    assert office.bot.logged_in.is_set()
    assert office.bot.gateway_ready
    await office.bot.on_shard_disconnect(0)
    assert not office.bot.gateway_ready
    await office.bot.on_shard_resumed(0)
    assert office.bot.gateway_ready
    await office.bot.on_shard_disconnect(0)
    await office.bot.on_shard_ready(0)
    assert office.bot.gateway_ready
    await office.bot.close()
    assert not office.bot.logged_in.is_set()


async def test_not_ready_before_it_is_connected(database: Database) -> None:
    bot = ModdyBot(
        database=database, make_cogs=lambda _: [], translator=CatalogueTranslator(), shard_count=1
    )
    assert not bot.logged_in.is_set()
    assert not bot.gateway_ready
    assert bot.commands == set()


def test_intents_are_only_what_is_needed() -> None:
    wanted = intents()
    assert wanted == discord.Intents(
        guilds=True, members=True, moderation=True, guild_messages=True, dm_messages=True
    )
    assert not wanted.message_content


def test_nobody_is_mentioned_by_default(office: Office) -> None:
    allowed = office.bot.allowed_mentions
    assert allowed is not None
    assert list(allowed.to_dict().values()) == [[]]


def test_api_base(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discord.http.Route, "BASE", discord.http.Route.BASE)
    use_api_base(URL("http://127.0.0.1:4000/api/v10/"))
    assert discord.http.Route("GET", "/users/@me").url == "http://127.0.0.1:4000/api/v10/users/@me"


async def test_commands_survive_a_second_login(office: Office) -> None:
    await office.bot.setup_hook()
    assert len(office.bot.tree.get_commands()) == 3
