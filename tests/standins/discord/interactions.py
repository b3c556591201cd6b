"""Interactions: what a user did, and what the bot answered to it."""

import secrets
import time
from typing import Any

from tests.standins.discord.changes import Changes
from tests.standins.discord.channels import Channel
from tests.standins.discord.guilds import Guild
from tests.standins.discord.messages import EPHEMERAL, LOADING, Message
from tests.standins.discord.permissions import ALL_PERMISSIONS
from tests.standins.discord.users import User
from tests.standins.discord.world import World

COMMAND, COMPONENT = 2, 3


class Interaction:
    """One use of a command or component, with everything the bot sent back."""

    def __init__(
        self, world: World, changes: Changes, kind: int, user: User, channel: Channel
    ) -> None:
        self.id = world.event_ids.next()
        self.token = secrets.token_urlsafe(32)
        self.type = kind
        self.user = user
        self.channel = channel
        self.created = time.monotonic()
        self.callbacks: list[dict[str, Any]] = []
        self.original: Message | None = None
        self.followups: list[Message] = []
        # The message whose button or select was used.
        self.source: Message | None = None
        self.source_changed = False
        self._changes = changes

    @property
    def guild(self) -> Guild | None:
        """The guild it happened in; None in direct messages."""
        return self.channel.guild

    @property
    def messages(self) -> list[Message]:
        """What the user sees as answers: the first response, then the followups."""
        first = self.original
        waiting = first is None or bool(first.flags & LOADING)
        # After a deferred update, the old message is no answer until it is changed.
        untouched = first is self.source and not self.source_changed
        answers = self.followups if waiting or untouched else [first, *self.followups]
        return [message for message in answers if message and not message.deleted]

    @property
    def edits(self) -> list[dict[str, Any]]:
        """The bodies of all edits of the answers, oldest message first."""
        answers = [self.original, *self.followups]
        return [body for message in answers if message for body in message.edits]

    @property
    def deferred(self) -> bool:
        """Whether the bot asked for more time first."""
        return any(callback["type"] in (5, 6) for callback in self.callbacks)

    @property
    def modal(self) -> dict[str, Any] | None:
        """The form that the bot opened, if it did."""
        found = (callback.get("data") for callback in self.callbacks if callback["type"] == 9)
        return next(found, None)

    async def wait_callback(
        self,
        timeout: float = 5.0,  # noqa: ASYNC109 - the tests' word for it
    ) -> dict[str, Any]:
        """The bot's first acknowledgement, of whatever type."""
        what = "an answer to the interaction"
        await self._changes.until(lambda: bool(self.callbacks), timeout=timeout, what=what)
        return self.callbacks[0]

    async def wait_response(
        self,
        timeout: float = 5.0,  # noqa: ASYNC109 - the tests' word for it
    ) -> Message:
        """The first answer with something to read in it (not a mere deferral)."""
        return (await self.wait_messages(1, timeout=timeout))[0]

    async def wait_messages(
        self,
        count: int,
        timeout: float = 5.0,  # noqa: ASYNC109 - the tests' word for it
    ) -> list[Message]:
        """The answers, once there are this many."""
        what = f"{count} answer message(s) to the interaction"
        await self._changes.until(lambda: len(self.messages) >= count, timeout=timeout, what=what)
        return self.messages

    @property
    def metadata(self) -> dict[str, Any]:
        """What a message that answers this interaction says about it."""
        return {
            "id": str(self.id),
            "type": self.type,
            "user": self.user.payload,
            "authorizing_integration_owners": self._owners,
        }

    @property
    def _owners(self) -> dict[str, str]:
        return {"0": str(self.guild.id) if self.guild else "0"}

    def payload(self, data: dict[str, Any], locale: str | None) -> dict[str, Any]:
        """The payload of INTERACTION_CREATE."""
        world = self.channel.world
        payload: dict[str, Any] = {
            "id": str(self.id),
            "application_id": str(world.application_id),
            "type": self.type,
            "token": self.token,
            "version": 1,
            "data": data,
            "channel": self.channel.payload,
            "channel_id": str(self.channel.id),
            "app_permissions": str(self.channel.bot_permissions),
            "locale": locale or self.user.locale,
            "entitlements": [],
            "authorizing_integration_owners": self._owners,
            "context": 0 if self.guild else 1,
            "attachment_size_limit": 10 * 1024 * 1024,
        }
        if self.source is not None:
            payload["message"] = self.source.payload
        return {**payload, **self._who()}

    def _who(self) -> dict[str, Any]:
        guild = self.guild
        if guild is None:
            return {"user": self.user.payload}
        member = guild.members.get(self.user.id)
        if member is None:
            raise LookupError(f"{self.user.username} is not a member of {guild.name}")
        permissions = guild.permissions_of(member) & ALL_PERMISSIONS
        return {
            "member": {**member.payload, "permissions": str(permissions)},
            "guild_id": str(guild.id),
            "guild_locale": guild.preferred_locale,
            "guild": {"id": str(guild.id), "locale": guild.preferred_locale, "features": []},
        }

    def reply(self, body: dict[str, Any]) -> Message:
        """A followup; after a deferral the first one takes the place of "thinking..."."""
        if self.original is not None and self.original.flags & LOADING:
            return self.fill_original(body)
        message = self._draft(body)
        message.nonce = body.get("nonce")
        self.followups.append(message)
        self._show(message)
        return message

    def respond(self, body: dict[str, Any], *, loading: bool = False) -> Message:
        """Make the first response; with ``loading`` the user sees "thinking..."."""
        message = self._draft(body)
        message.extra["type"] = 20
        message.extra["interaction_metadata"] = self.metadata
        self.original = message
        if loading:
            message.flags |= LOADING
        else:
            self._show(message)
        return message

    def fill_original(self, body: dict[str, Any]) -> Message:
        """Change the first response, or put it in the place of "thinking..."."""
        message = self.original
        if message is None:
            raise LookupError("the interaction has no response yet")
        was_loading = bool(message.flags & LOADING)
        if was_loading:
            # Whether it is ephemeral was decided by the deferral.
            kept = message.flags & EPHEMERAL
            message.edits.append(body)
            message.fill(body)
            message.flags = (message.flags & ~(LOADING | EPHEMERAL)) | kept
            self._show(message)
        else:
            message.edit(body)
        return message

    def _draft(self, body: dict[str, Any]) -> Message:
        world = self.channel.world
        extra = {
            "webhook_id": str(world.application_id),
            "application_id": str(world.application_id),
        }
        return world.draft(self.channel, world.bot, body, extra)

    def _show(self, message: Message) -> None:
        # Only the user of the command sees an ephemeral message, so the channel does not have it.
        if not message.ephemeral:
            self.channel.world.publish(message)
