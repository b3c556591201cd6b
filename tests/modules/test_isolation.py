"""One faulty module or server never affects another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import discord
import pytest
from msgspec import Struct

from moddy.errors import DiscordUnavailable, StoreUnavailable
from moddy.models import Snowflake, encode
from moddy.modules.base import GuildModule
from moddy.modules.listeners import ModuleListeners
from moddy.modules.welcome import WelcomeSettings
from moddy.store.database import Database
from moddy.views.language import Language
from moddy.views.modules.fields import Field
from tests.modules.club import Club, shown, text


class NoSettings(Struct, frozen=True):
    pass


class Faulty(GuildModule[NoSettings]):
    """Does at each join what it is told to."""

    name = "faulty"
    settings_type = NoSettings

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.hangs = False
        self.seen: list[str] = []
        self.prepared = 0

    def title(self, language: Language) -> str:
        return "Faulty"

    def summary(self, language: Language) -> str:
        return "Fails."

    def fields(self, settings: NoSettings, language: Language) -> Sequence[Field]:
        return ()

    async def member_joined(self, settings: NoSettings, member: discord.Member) -> None:
        self.seen.append(member.name)
        if self.hangs:
            await asyncio.sleep(3600)
        if self.error is not None:
            raise self.error

    async def prepare(self, settings: NoSettings, guild: discord.Guild) -> bool:
        self.prepared += 1
        if self.error is not None:
            raise self.error
        return self.prepared > 2


@pytest.fixture
def faulty() -> Faulty:
    return Faulty()


@pytest.fixture
async def club(database: Database, faulty: Faulty) -> AsyncIterator[Club]:
    club = Club(database, others=[faulty])
    async with club.connect():
        await club.save(faulty, b"{}")
        settings = WelcomeSettings(channel_id=Snowflake(club.channel.id))
        await club.save(club.welcome, encode(settings))
        yield club


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ValueError("x"), "ValueError"),
        (DiscordUnavailable("x"), "discord_unavailable"),
        (StoreUnavailable("x"), "store_unavailable"),
    ],
    ids=repr,
)
async def test_a_module_that_raises(
    club: Club,
    faulty: Faulty,
    error: Exception,
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    faulty.error = error
    club.add("ada")
    await club.settle()
    assert faulty.seen == ["ada"]
    assert len(club.channel.history()) == 1
    logged = capsys.readouterr().out
    [line] = [one for one in logged.splitlines() if "about=member_joined" in one]
    assert "module=faulty" in line
    assert f"guild_id={club.guild.id}" in line
    assert words in logged


async def test_a_module_that_hangs_or_is_flooded(
    club: Club, faulty: Faulty, capsys: pytest.CaptureFixture[str]
) -> None:
    faulty.hangs = True
    listeners = ModuleListeners(
        active=club.active, preparations=club.preparations, deadline=0.3, max_at_work=2
    )
    guild = club.bot.guilds[0]
    members = [guild.me] * 3
    async with asyncio.timeout(5):
        await asyncio.gather(*(listeners.on_member_join(member) for member in members))
    assert len(faulty.seen) == 2
    logged = capsys.readouterr().out
    assert logged.count("too slow") == 2
    assert logged.count("event dropped") == 1
    # What was at work is done: there is room again.
    faulty.hangs = False
    await listeners.on_member_join(guild.me)
    assert len(faulty.seen) == 3


async def test_broken_settings_stop_that_module_there_only(
    club: Club, capsys: pytest.CaptureFixture[str]
) -> None:
    for broken in (b"{", b'{"channel_id": 5}', b'{"text": "{nobody}"}'):
        await club.save(club.welcome, broken)
        for name in ("ada", "ben"):
            club.add(f"{name}{len(broken)}")
            await club.settle()
        logged = capsys.readouterr().out
        [line] = [one for one in logged.splitlines() if "cannot be read" in one]
        assert "module=welcome" in line
        assert f"guild_id={club.guild.id}" in line
    assert club.channel.history() == []
    await club.save(club.welcome, encode(WelcomeSettings(channel_id=Snowflake(club.channel.id))))
    club.add("cleo")
    await club.settle()
    assert len(club.channel.history()) == 1


@pytest.mark.parametrize(
    ("french", "words"), [(False, "its settings cannot be read"), (True, "illisibles")]
)
async def test_the_panel_says_so_and_starts_over(club: Club, french: bool, words: str) -> None:
    await club.save(club.welcome, b'{"channel_id": 5}')
    actor = club.french if french else club.manager
    overview = shown(await actor.slash(club.log, "config modules"))
    assert words in text(overview)
    panel = await club.open_panel(actor, "welcome")
    assert words in text(panel)
    panel = shown(await actor.click(panel, custom_id="config_turn:welcome:reset"))
    assert words not in text(panel)
    rows = await club.store.find(club.guild_id)
    assert not rows["welcome"].enabled
    assert rows["faulty"].enabled


@pytest.mark.parametrize("error", [ValueError("x"), DiscordUnavailable("x"), None], ids=repr)
async def test_a_preparation_that_fails_is_made_again_and_holds_up_no_other(
    club: Club, faulty: Faulty, error: Exception | None
) -> None:
    faulty.error = error
    await club.save(club.restore_roles, b"{}")
    club.preparations.ask_all()
    await club.until(lambda: club.bot.guilds[0].chunked)
    await club.until(lambda: faulty.prepared >= 2)
    faulty.error = None
    await club.until(lambda: faulty.prepared >= 3)
