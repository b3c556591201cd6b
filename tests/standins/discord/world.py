"""Everything that exists in the pretend Discord."""

import time
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from tests.standins.discord.channels import Channel, DMChannel
from tests.standins.discord.errors import DiscordError
from tests.standins.discord.events import Emit, Event, Intent
from tests.standins.discord.guilds import Guild, Member, Role
from tests.standins.discord.messages import Message
from tests.standins.discord.snowflakes import SnowflakeSource
from tests.standins.discord.users import DirectMessagePolicy, User

# How long Discord remembers a nonce: "a few minutes".
NONCE_SECONDS = 180.0
ACCOUNT_AGE = timedelta(days=400)


class World:
    """Guilds, users, channels and messages; changes are told through ``emit``."""

    def __init__(self, emit: Emit) -> None:
        self.emit = emit
        self.guild_ids = SnowflakeSource(1, age=ACCOUNT_AGE)
        self.entity_ids = SnowflakeSource(2, age=ACCOUNT_AGE)
        self.event_ids = SnowflakeSource(3)
        self.application_id = self.entity_ids.next()
        # The bot user of an application has the application's id.
        self.bot = User(self.application_id, "moddy", bot=True)
        self.owner = User(self.entity_ids.next(), "owner")
        self.users: dict[int, User] = {user.id: user for user in (self.bot, self.owner)}
        self.guilds: dict[int, Guild] = {}
        self._left_guilds: list[Guild] = []
        self.dm_channels: dict[int, DMChannel] = {}
        self._nonces: dict[tuple[int, int, str], tuple[float, Message]] = {}

    def add_guild(
        self, name: str, preferred_locale: str, guild_id: int | None, bot_position: int
    ) -> Guild:
        """A new guild with the bot in it."""
        number = guild_id or self.guild_ids.next()
        guild = Guild(
            self,
            guild_id=number,
            name=name,
            preferred_locale=preferred_locale,
            owner=self.owner,
            bot_position=bot_position,
        )
        self.guilds[guild.id] = guild
        # A session that is live learns of it as of a guild that the bot was just added to.
        self.emit(Event("GUILD_CREATE", guild_create_payload(guild), guild.id, Intent.GUILDS))
        return guild

    def remove_guild(self, guild: Guild) -> None:
        """Throw the bot out of a guild."""
        self._left_guilds.append(self.guilds.pop(guild.id))
        self.emit(Event("GUILD_DELETE", {"id": str(guild.id)}, guild.id, Intent.GUILDS))

    def add_user(
        self, username: str, user_id: int | None, locale: str, dms: DirectMessagePolicy
    ) -> User:
        """A new account."""
        user = User(user_id or self.entity_ids.next(), username, locale=locale, dms=dms)
        self.users[user.id] = user
        return user

    def add_member(self, guild: Guild, user: User, roles: list[Role]) -> Member:
        """Let a user join a guild."""
        member = Member(user, {role.id for role in roles})
        guild.members[user.id] = member
        payload = {**member.payload, "guild_id": str(guild.id)}
        self.emit(Event("GUILD_MEMBER_ADD", payload, guild.id, Intent.GUILD_MEMBERS))
        return member

    def remove_member(self, guild: Guild, user: User) -> None:
        """Let a user leave a guild."""
        del guild.members[user.id]
        payload = {"guild_id": str(guild.id), "user": user.payload}
        self.emit(Event("GUILD_MEMBER_REMOVE", payload, guild.id, Intent.GUILD_MEMBERS))

    def dm_channel(self, user: User) -> DMChannel:
        """The direct-message channel with a user, made when there is none yet."""
        if user.id not in self.dm_channels:
            self.dm_channels[user.id] = DMChannel(self.entity_ids.next(), self, user)
        return self.dm_channels[user.id]

    def guild(self, guild_id: str) -> Guild:
        """A guild by the id in a path; 10004 when the bot is not in it."""
        guild = self.guilds.get(_number(guild_id))
        if guild is None:
            raise DiscordError.of(10004)
        return guild

    def channel(self, channel_id: str) -> Channel:
        """A channel by the id in a path; 10003 when there is none."""
        number = _number(channel_id)
        for guild in self.guilds.values():
            if number in guild.channels:
                return guild.channels[number]
        for dm_channel in self.dm_channels.values():
            if dm_channel.id == number:
                return dm_channel
        # A channel of a guild that the bot has left still exists.
        left = any(number in guild.channels for guild in self._left_guilds)
        raise DiscordError.of(50001 if left else 10003)

    def user(self, user_id: Any) -> User:
        """A user by id, number or text; 10013 when there is none."""
        user = self.users.get(_number(user_id))
        if user is None:
            raise DiscordError.of(10013)
        return user

    def post(
        self, channel: Channel, author: User, body: dict[str, Any], extra: dict[str, Any]
    ) -> Message:
        """Put a message into a channel, or give back the one with the same enforced nonce."""
        nonce = body.get("nonce")
        key = (channel.id, author.id, str(nonce))
        if nonce is not None and body.get("enforce_nonce"):
            posted_at, earlier = self._nonces.get(key, (0.0, None))
            if earlier is not None and time.monotonic() - posted_at < NONCE_SECONDS:
                return earlier
        message = self.draft(channel, author, body, extra)
        message.nonce = nonce
        if nonce is not None:
            self._nonces[key] = (time.monotonic(), message)
        self.publish(message)
        return message

    def draft(
        self, channel: Channel, author: User, body: dict[str, Any], extra: dict[str, Any]
    ) -> Message:
        """A message that nobody sees yet."""
        message = Message(self.event_ids.next(), channel, author, raw=body, extra=extra)
        message.attachments = body.get("attachments") or []
        message.fill(body)
        return message

    def publish(self, message: Message) -> None:
        """Show a message to the channel."""
        message.channel.messages.append(message)
        self.emit(message_event("MESSAGE_CREATE", message, self.bot))

    def delete(self, message: Message) -> None:
        """Take a message out of its channel."""
        message.deleted = True
        if message in message.channel.messages:
            message.channel.messages.remove(message)
        payload = {"id": str(message.id), "channel_id": str(message.channel.id)}
        guild = message.channel.guild
        guild_id = None if guild is None else guild.id
        if guild_id is not None:
            payload["guild_id"] = str(guild_id)
        self.emit(Event("MESSAGE_DELETE", payload, guild_id, _message_intent(message)))


class DirectMessages(Mapping[int, list[Message]]):
    """For each user id, what the bot wrote to them; an empty list when nothing."""

    def __init__(self, world: World) -> None:
        self._world = world

    def __getitem__(self, user_id: int) -> list[Message]:
        channel = self._world.dm_channels.get(user_id)
        if channel is None:
            return []
        return [message for message in channel.messages if message.author is self._world.bot]

    def __iter__(self) -> Iterator[int]:
        return iter(self._world.dm_channels)

    def __len__(self) -> int:
        return len(self._world.dm_channels)


def guild_payload(guild: Guild) -> dict[str, Any]:
    """The guild object of a REST answer."""
    nothing = ("icon", "splash", "discovery_splash", "description", "banner", "vanity_url_code")
    no_channel = ("afk", "system", "rules", "public_updates", "safety_alerts", "widget")
    return {
        "id": str(guild.id),
        "name": guild.name,
        "owner_id": str(guild.owner.id),
        "preferred_locale": guild.preferred_locale,
        "roles": [role.payload for role in guild.roles.values()],
        "emojis": [],
        "stickers": [],
        "features": [],
        "region": "deprecated",
        "afk_timeout": 300,
        "verification_level": 0,
        "default_message_notifications": 1,
        "explicit_content_filter": 0,
        "mfa_level": 0,
        "nsfw_level": 0,
        "application_id": None,
        "widget_enabled": False,
        "system_channel_flags": 0,
        "max_members": 500_000,
        "max_presences": None,
        "max_video_channel_users": 25,
        "premium_tier": 0,
        "premium_subscription_count": 0,
        "premium_progress_bar_enabled": False,
        "incidents_data": None,
        **dict.fromkeys(nothing),
        **{f"{kind}_channel_id": None for kind in no_channel},
    }


def guild_create_payload(guild: Guild, *, all_members: bool = False) -> dict[str, Any]:
    """The payload of GUILD_CREATE.

    Without the presences intent Discord puts only the bot into the list of members.
    """
    members = list(guild.members.values()) if all_members else [guild.bot_member]
    lists = ("voice_states", "presences", "threads", "stage_instances")
    more_lists = ("guild_scheduled_events", "soundboard_sounds")
    return {
        **guild_payload(guild),
        "joined_at": guild.bot_member.joined_at,
        "large": len(guild.members) > 250,
        "member_count": len(guild.members),
        "members": [member.payload for member in members],
        "channels": [channel.payload for channel in guild.channels.values()],
        **{name: [] for name in (*lists, *more_lists)},
    }


def message_event(name: str, message: Message, bot: User) -> Event:
    """The event about a message; its text is hidden from bots without the content intent."""
    guild = message.channel.guild
    payload = message.payload
    if guild is None:
        return Event(name, payload, None, Intent.DIRECT_MESSAGES)
    payload["guild_id"] = str(guild.id)
    member = guild.members.get(message.author.id)
    if member is not None:
        payload["member"] = member.partial_payload
    hidden = None
    if message.author is not bot and bot.id not in message.mentioned_user_ids:
        hidden = {**payload, "content": "", "embeds": [], "components": [], "attachments": []}
    return Event(name, payload, guild.id, Intent.GUILD_MESSAGES, without_content=hidden)


def _message_intent(message: Message) -> Intent:
    return Intent.DIRECT_MESSAGES if message.channel.guild is None else Intent.GUILD_MESSAGES


def _number(snowflake: Any) -> int:
    text = str(snowflake)
    return int(text) if text.isdecimal() else 0
