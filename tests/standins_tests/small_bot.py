"""A small discord.py bot, and how to have it connected for a while."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import discord as discord_py
from discord import app_commands
from discord.ext import commands

from tests.standins.discord import DiscordStandin


class SmallBot(commands.AutoShardedBot):
    """A bot that does just enough to try the stand-in."""

    def __init__(
        self,
        *,
        message_content: bool = False,
        moderation: bool = False,
        learns_members: bool = True,
        heartbeat_timeout: float = 60.0,
    ) -> None:
        intents = discord_py.Intents(
            guilds=True,
            members=True,
            messages=True,
            message_content=message_content,
            moderation=moderation,
        )
        super().__init__(
            "!",
            intents=intents,
            chunk_guilds_at_startup=learns_members,
            guild_ready_timeout=0.05,
            heartbeat_timeout=heartbeat_timeout,
        )
        self.joined: asyncio.Queue[discord_py.Member] = asyncio.Queue()
        self.written: asyncio.Queue[discord_py.Message] = asyncio.Queue()
        self.up = asyncio.Event()
        self.resumed = asyncio.Event()

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        # discord.py waits five seconds here before each IDENTIFY after the first one.
        return

    async def setup_hook(self) -> None:
        self.tree.add_command(greet)
        self.tree.add_command(plans)
        await self.tree.sync()

    async def on_ready(self) -> None:
        self.up.set()

    async def on_member_join(self, member: discord_py.Member) -> None:
        self.joined.put_nowait(member)

    async def on_message(self, message: discord_py.Message, /) -> None:
        self.written.put_nowait(message)

    async def on_resumed(self) -> None:
        self.resumed.set()


@app_commands.command(description="Says hello")
async def greet(
    interaction: discord_py.Interaction[SmallBot],
    text: str,
    times: int = 1,
    friend: discord_py.User | None = None,
) -> None:
    """Answer at once, then once more."""
    who = friend.name if friend else interaction.user.name
    await interaction.response.send_message(f"{text * times} {who}", ephemeral=True)
    await interaction.followup.send("and goodbye")


plans = app_commands.Group(name="plans", description="About plans")


@plans.command(name="list", description="Lists the plans")
async def list_plans(interaction: discord_py.Interaction[SmallBot]) -> None:
    """Defer, then answer with a Components V2 view that has a button."""
    await interaction.response.defer(ephemeral=True, thinking=True)
    await interaction.followup.send(view=PlansView())


class PlansView(discord_py.ui.LayoutView):
    """A text and a button that changes the message."""

    def __init__(self) -> None:
        super().__init__(timeout=30)
        button: discord_py.ui.Button[PlansView] = discord_py.ui.Button(
            label="Next", custom_id="next"
        )
        button.callback = self.turn  # type: ignore[method-assign]
        self.add_item(discord_py.ui.Container(discord_py.ui.TextDisplay("Plan A")))
        later: discord_py.ui.Button[PlansView] = discord_py.ui.Button(
            label="Later", custom_id="later"
        )
        later.callback = self.turn_later  # type: ignore[method-assign]
        self.add_item(discord_py.ui.ActionRow(button, later))

    async def turn(self, interaction: discord_py.Interaction) -> None:
        """Show another page."""
        view = discord_py.ui.LayoutView()
        view.add_item(discord_py.ui.TextDisplay(f"Plan B in {interaction.locale.value}"))
        await interaction.response.edit_message(view=view)

    async def turn_later(self, interaction: discord_py.Interaction) -> None:
        """Ask for time, then show another page."""
        await interaction.response.defer()
        view = discord_py.ui.LayoutView()
        view.add_item(discord_py.ui.TextDisplay("Plan C"))
        await interaction.edit_original_response(view=view)


@asynccontextmanager
async def connected(bot: SmallBot, discord: DiscordStandin) -> AsyncIterator[SmallBot]:
    """The bot, logged in and ready."""
    running = asyncio.create_task(bot.start(discord.token))
    up = asyncio.create_task(bot.up.wait())
    try:
        await asyncio.wait({running, up}, timeout=10, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
        assert bot.up.is_set()
        yield bot
    finally:
        up.cancel()
        await bot.close()
        with suppress(asyncio.CancelledError):
            await asyncio.wait_for(running, 5)
