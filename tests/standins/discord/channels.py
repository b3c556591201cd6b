"""Text channels of guilds, and direct-message channels."""

from typing import TYPE_CHECKING, Any

from tests.standins.discord.errors import DiscordError
from tests.standins.discord.messages import Message
from tests.standins.discord.permissions import Permission, in_channel
from tests.standins.discord.users import User

if TYPE_CHECKING:
    from tests.standins.discord.guilds import Guild
    from tests.standins.discord.world import World


class TextChannel:
    """A text channel of a guild; ``overwrites`` are its permission overwrites."""

    def __init__(
        self, channel_id: int, guild: "Guild", name: str, overwrites: list[dict[str, Any]]
    ) -> None:
        self.id = channel_id
        self.guild: Guild = guild
        self.world: World = guild.world
        self.name = name
        self.overwrites = overwrites
        self.messages: list[Message] = []

    @property
    def bot_permissions(self) -> int:
        """What the bot may do here."""
        bot = self.guild.members[self.world.bot.id]
        return in_channel(
            self.guild.permissions_of(bot),
            self.overwrites,
            self.guild.id,
            sorted(bot.roles),
            bot.user.id,
        )

    def check_view(self) -> None:
        """Raise what Discord answers when the bot may not see this channel."""
        if not self.bot_permissions & Permission.VIEW_CHANNEL:
            raise DiscordError.of(50001)

    def check_send(self) -> None:
        """Raise what Discord answers when the bot may not write here."""
        self.check_view()
        if not self.bot_permissions & Permission.SEND_MESSAGES:
            raise DiscordError.of(50013)

    @property
    def payload(self) -> dict[str, Any]:
        """The channel object."""
        return {
            "id": str(self.id),
            "type": 0,
            "guild_id": str(self.guild.id),
            "name": self.name,
            "topic": None,
            "nsfw": False,
            "position": list(self.guild.channels).index(self.id),
            "parent_id": None,
            "permission_overwrites": self.overwrites,
            "rate_limit_per_user": 0,
            "last_message_id": str(self.messages[-1].id) if self.messages else None,
            "flags": 0,
        }


class DMChannel:
    """The direct messages between the bot and one user."""

    guild: None = None

    def __init__(self, channel_id: int, world: "World", recipient: User) -> None:
        self.id = channel_id
        self.world: World = world
        self.recipient = recipient
        self.messages: list[Message] = []

    @property
    def bot_permissions(self) -> int:
        """What the bot may do here, as an interaction tells it."""
        return int(Permission.VIEW_CHANNEL | Permission.SEND_MESSAGES | Permission.EMBED_LINKS)

    def check_view(self) -> None:
        """A direct-message channel can always be looked at."""

    def check_send(self) -> None:
        """Raise what Discord answers when the user takes no direct messages.

        Discord says so only here, not when the channel is opened.
        """
        if self.recipient.dms == "closed" or self.recipient.bot:
            raise DiscordError.of(50007)
        if self.recipient.dms == "closed_50278":
            raise DiscordError.of(50278)

    @property
    def payload(self) -> dict[str, Any]:
        """The channel object."""
        return {
            "id": str(self.id),
            "type": 1,
            "recipients": [self.recipient.payload],
            "last_message_id": str(self.messages[-1].id) if self.messages else None,
            "flags": 0,
        }


Channel = TextChannel | DMChannel
