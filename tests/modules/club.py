"""A server with guild modules in a Discord in memory, over a real store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import discord
import pytest
import simcord
from aiolimiter import AsyncLimiter
from discord.ext import commands
from msgspec import structs
from simcord.actors import MemberActor
from simcord.backend.models import Overwrite
from simcord.builders import ChannelHandle, RoleHandle, UserHandle
from simcord.components import walk_components
from simcord.enums import OverwriteType
from simcord.results import InteractionResult, ResponseMessage

from moddy.bot import ModdyBot
from moddy.cogs.config import Config
from moddy.cogs.presses import Presses, gather_presses
from moddy.messenger import Connection
from moddy.models import Snowflake, decoder
from moddy.modules.active import ActiveModules
from moddy.modules.base import GuildModule
from moddy.modules.calls import GuildCalls
from moddy.modules.desk import ModuleDesk
from moddy.modules.listeners import ModuleListeners
from moddy.modules.preparations import Preparations
from moddy.modules.restore_roles import RestoreRoles
from moddy.modules.restore_roles.keeper import Keeper
from moddy.modules.welcome import Welcome, WelcomeSettings
from moddy.modules.welcome.preview import WelcomePreview
from moddy.ports import SystemClock
from moddy.sandbox.world import RealClock
from moddy.services.guild_modules import GuildModules
from moddy.services.premium import Premium
from moddy.services.premium_gate import PremiumGate
from moddy.store import users
from moddy.store.database import Database
from moddy.store.guild_modules import ModuleRow
from moddy.views.translator import CatalogueTranslator

WEBSITE = "https://moddy.example/premium"
MANAGER = discord.Permissions(manage_guild=True, manage_roles=True, view_channel=True)
CHANNEL = "config_set:welcome:channel_id"
LANGUAGES = pytest.mark.parametrize("french", [False, True], ids=["en", "fr"])
Shown = ResponseMessage | discord.Message


class Club:
    """The server, its people, and Moddy with its modules; `others` are modules besides."""

    def __init__(self, database: Database, *, others: Sequence[GuildModule[Any]] = ()) -> None:
        self.database = database
        self.clock = SystemClock()
        self._others = others
        nobody = discord.Client(intents=discord.Intents(guilds=True))
        self.env = simcord.Env(nobody, check_errors=False)
        self.env.backend.clock = RealClock()  # type: ignore[assignment]
        self.owner = self.env.create_user("olga")
        self.guild = self.env.create_guild("Book *Club*", owner=self.owner)
        self.manager_role = self.guild.create_role("Manager", permissions=MANAGER)
        self.channel = self.guild.create_text_channel("welcome")
        self.log = self.guild.create_text_channel("log")
        self.locales: dict[int, str] = {}
        self.manager = self.add("max", roles=[self.manager_role])
        self.french = self.add("fanny", roles=[self.manager_role], locale="fr")
        # Before the bot's own subscriber, so that it sees what is written here.
        self.env.backend.subscribers.insert(0, self._write_locale)

    @property
    def guild_id(self) -> Snowflake:
        """The server's id."""
        return Snowflake(self.guild.id)

    def add(
        self, name: str, *, roles: Sequence[RoleHandle] = (), locale: str = "en-US"
    ) -> MemberActor:
        """Have somebody join."""
        user = self.env.create_user(name, global_name=name.title())
        self.locales[user.id] = locale
        return self.guild.add_member(user, roles=roles)

    def speaker(self, *, french: bool) -> MemberActor:
        """Return the manager who reads Discord in that language."""
        return self.french if french else self.manager

    def _make_bot(self) -> ModdyBot:
        return ModdyBot(
            database=self.database,
            make_cogs=self._make_cogs,
            translator=CatalogueTranslator(),
            shard_count=1,
        )

    def _make_cogs(self, bot: ModdyBot) -> list[commands.Cog]:
        cogs: list[commands.Cog] = [
            ModuleListeners(active=self.active, preparations=self.preparations),
            Config(desk=self.desk, preview=self.preview, premium_gate=self.gate),
        ]
        return [*cogs, Presses(gather_presses(cogs))]

    def _build(self) -> None:
        calls = GuildCalls(Connection(self.bot, self.bot.logged_in.is_set))
        premium = Premium(database=self.database, clock=self.clock, premium_plans=frozenset())
        self.gate = PremiumGate(premium=premium, website_url=WEBSITE)
        self.store = GuildModules(database=self.database, clock=self.clock)
        self.preparations = Preparations(get_guild=self.bot.get_guild, first_retry=0.05)
        self.new_dms = AsyncLimiter(30, 60)
        self.welcome = Welcome(calls=calls, new_dms=self.new_dms)
        self.keeper = Keeper(database=self.database, clock=self.clock, reserved=frozenset())
        self.restore_roles = RestoreRoles(
            keeper=self.keeper,
            calls=calls,
            clock=self.clock,
            prepare_later=self.preparations.ask_later,
        )
        self.active = ActiveModules(
            [*self._others, self.welcome, self.restore_roles], store=self.store, gate=self.gate
        )
        self.desk = ModuleDesk(
            active=self.active, store=self.store, gate=self.gate, preparations=self.preparations
        )
        self.preview = WelcomePreview(welcome=self.welcome, store=self.store)

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[None]:
        """Bring Moddy in until the block ends."""
        self.bot = self._make_bot()
        self._build()
        self._preparing = asyncio.create_task(self.preparations.run(self.active))
        self.env.bot = self.bot
        await self.env.start()
        try:
            yield
        finally:
            self._preparing.cancel()
            await asyncio.gather(self._preparing, return_exceptions=True)
            await self.bot.close()
            await self.env.shutdown()

    async def restart(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Put another Moddy in the place of this one, which missed what happens `meanwhile`."""
        self._preparing.cancel()
        await asyncio.gather(self._preparing, return_exceptions=True)
        subscribers = self.env.backend.subscribers[:]
        self.env.backend.subscribers.clear()
        meanwhile()
        self.env.backend.subscribers.extend(subscribers)
        await self.bot.close()
        self.bot = self._make_bot()
        self._build()
        self._preparing = asyncio.create_task(self.preparations.run(self.active))
        await self.env.restart_bot(self.bot)

    async def save(
        self, module: GuildModule[Any], settings: bytes, *, enabled: bool = True
    ) -> None:
        """Store a module's settings, past all checks."""
        await self.store.change(
            self.guild_id,
            module.name,
            lambda row: _with(row, settings, enabled),
            default=b"{}",
            by=self.guild_id,
        )

    async def is_on(self, module: str) -> bool:
        """Tell whether a module is at work."""
        row = (await self.store.find(self.guild_id)).get(module)
        return row is not None and row.enabled

    async def welcome_settings(self) -> WelcomeSettings | None:
        """Return the welcome's stored settings."""
        row = (await self.store.find(self.guild_id)).get("welcome")
        return decoder(WelcomeSettings).decode(row.settings) if row else None

    async def make_premium(self, user: UserHandle) -> None:
        """Give somebody premium."""
        user_id = Snowflake(user.id)

        async def work(connection: Any) -> None:
            await users.lock(connection, user_id)
            await users.save_premium(connection, user_id, premium=True, until=None)

        await self.database.transaction(work)

    async def settle(self) -> None:
        """Return once Moddy has dealt with what happened."""
        await self.env.settle()

    async def until(self, condition: Callable[[], Any]) -> None:
        """Return once something holds that a task of the application brings about."""
        async with asyncio.timeout(10):
            while not condition():
                await self.env.settle()
                await asyncio.sleep(0.01)

    def roles_of(self, member: MemberActor | UserHandle) -> set[int]:
        """Return what roles somebody has, by Discord's word."""
        return set(self.env.backend.get_guild(self.guild.id).members[member.id].role_ids)

    def deny(self, channel: ChannelHandle, **permissions: bool) -> None:
        """Take permissions in a channel from Moddy itself."""
        denied = discord.Permissions(**permissions).value
        bot_id = self.env.backend.bot_user.id
        overwrite = Overwrite(target_id=bot_id, type=OverwriteType.MEMBER, allow=0, deny=denied)
        self.env.backend.set_overwrite(channel.id, overwrite)

    async def open_panel(self, actor: MemberActor, module: str) -> ResponseMessage:
        """Have somebody open a module's panel."""
        result = await actor.slash(self.log, "config modules")
        overview = shown(result)
        return shown(await actor.click(overview, custom_id=f"config_panel:{module}"))

    def _write_locale(self, event: str, payload: Any) -> None:
        if event == "INTERACTION_CREATE":
            user = payload.get("user") or payload["member"]["user"]
            payload["locale"] = self.locales.get(int(user["id"]), "en-US")


def _with(row: ModuleRow, settings: bytes, enabled: bool) -> ModuleRow:
    return structs.replace(row, settings=settings, enabled=enabled)


def shown(result: InteractionResult) -> ResponseMessage:
    """Return the panel that an interaction left on the screen."""
    assert result.acknowledged
    message = result.response or (result.followups[-1] if result.followups else None)
    assert message is not None
    return message


def text(message: Shown) -> str:
    """Return everything there is to read in a message."""
    contents = (one.get("content") for one in components(message))
    return "\n".join(one for one in contents if isinstance(one, str))


def components(message: Shown) -> list[dict[str, Any]]:
    """Return all components of a message, nested ones included."""
    raw = (
        message.components
        if isinstance(message, ResponseMessage)
        else [one.to_dict() for one in message.components]
    )
    return list(walk_components(raw))
