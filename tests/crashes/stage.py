"""A Discord with customers, and the settings of the lives that serve them."""

from __future__ import annotations

from pathlib import Path

from tests.crashes.launcher import Life
from tests.process.moddy_process import free_port
from tests.standins.discord import DiscordStandin, User

# Seconds; the shorter, the sooner another process takes over after a crash.
LEASE = 2.0


class Stage:
    """A guild with a premium role and with members."""

    secret = "crash-test-secret"

    def __init__(
        self, discord: DiscordStandin, database_url: str, directory: Path, *, users: int
    ) -> None:
        self.discord = discord
        self.guild = discord.add_guild()
        self.role = self.guild.add_role("Premium")
        self.users = [self._add_member(f"user-{number}") for number in range(users)]
        self.log = directory / "log"
        self.port = free_port()
        self.settings = {
            "DISCORD_TOKEN": discord.token,
            "DISCORD_API_BASE_URL": discord.rest_url,
            "INTERNAL_API_SECRET": self.secret,
            "BACKEND_INTERNAL_URL": "http://127.0.0.1:9",  # nobody is there
            "DATABASE_URL": database_url,
            "MODDY_GUILD_ID": str(self.guild.id),
            "MODDY_PREMIUM_ROLE_ID": str(self.role.id),
            "DM_OPENS_PER_MINUTE": "100000",
            "LOG_FORMAT": "json",
            "LOG_LEVEL": "WARNING",
        }

    @property
    def url(self) -> str:
        """Where the life on the stage's own port answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def user_ids(self) -> list[int]:
        """The ids of the members."""
        return [user.id for user in self.users]

    def life(self, point: str | None = None, hit: int = 1, *, port: int | None = None) -> Life:
        """Return a life that is killed there, or not at all."""
        return Life(
            settings={**self.settings, "INTERNAL_PORT": str(port or self.port)},
            log=str(self.log),
            lease=LEASE,
            point=point,
            hit=hit,
        )

    def path_of_messages(self, user: User) -> str:
        """Return the path on which a direct message to a user is sent."""
        return f"/channels/{self.discord.world.dm_channel(user).id}/messages"

    def _add_member(self, name: str) -> User:
        user = self.discord.add_user(name)
        self.discord.add_member(self.guild, user)
        return user
