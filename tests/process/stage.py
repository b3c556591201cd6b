"""What a Moddy of a test runs against: a Discord with a guild, a backend, settings."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.process.moddy_process import ModdyProcess, free_port
from tests.standins.backend import BackendStandin
from tests.standins.discord import DiscordStandin, User


class Stage:
    """A guild with a premium role, and the settings that let Moddy work with it."""

    def __init__(self, discord: DiscordStandin, backend: BackendStandin, directory: Path) -> None:
        self.discord = discord
        self.backend = backend
        self.directory = directory
        self.guild = discord.add_guild()
        self.premium_role = self.guild.add_role("Premium")
        self.settings = {
            "DISCORD_TOKEN": discord.token,
            "DISCORD_API_BASE_URL": discord.rest_url,
            "INTERNAL_API_SECRET": backend.secret,
            "INTERNAL_PORT": str(free_port()),
            "BACKEND_INTERNAL_URL": backend.url,
            "DATABASE_URL": f"sqlite:///{directory / 'moddy.db'}",
            "MODDY_GUILD_ID": str(self.guild.id),
            "MODDY_PREMIUM_ROLE_ID": str(self.premium_role.id),
            "LOG_FORMAT": "json",
        }

    def moddy(self, *expected_errors: str, **changes: str | None) -> ModdyProcess:
        """Return a Moddy to start, with some settings changed, or without those that are None.

        `expected_errors` are beginnings of messages that it may log at level error.
        """
        settings = {**self.settings, **changes}
        given = {name: value for name, value in settings.items() if value is not None}
        return ModdyProcess(given, self.directory, expected_errors=expected_errors)

    def add_member(self, name: str) -> User:
        """Return a new account that is in the guild."""
        user = self.discord.add_user(name)
        self.discord.add_member(self.guild, user)
        return user

    def messages_path(self, user: User) -> str:
        """Return the path on which a direct message to a user is sent."""
        return f"/channels/{self.discord.world.dm_channel(user).id}/messages"

    def has_premium_role(self, user: User) -> bool:
        """Tell whether a member has the premium role."""
        return self.premium_role.id in self.guild.members[user.id].roles

    def message_count(self, user: User) -> int:
        """Return how many direct messages of Moddy a user sees."""
        return len(self.discord.dms[user.id])


@asynccontextmanager
async def open_stage(directory: Path) -> AsyncIterator[Stage]:
    """Open a stage; Moddy must have called nothing that its Discord does not know."""
    async with DiscordStandin() as discord, BackendStandin() as backend:
        yield Stage(discord, backend, directory)
        assert discord.unknown_routes == []
