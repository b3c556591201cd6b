"""Messages as Discord keeps them."""

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.standins.discord.components import texts_of, with_component_ids
from tests.standins.discord.snowflakes import moment_of, now_text
from tests.standins.discord.users import User

if TYPE_CHECKING:
    from tests.standins.discord.channels import Channel

EPHEMERAL = 1 << 6
LOADING = 1 << 7
IS_COMPONENTS_V2 = 1 << 15

_USER_MENTION = re.compile(r"<@!?(\d+)>")
_ROLE_MENTION = re.compile(r"<@&(\d+)>")


@dataclass(eq=False)
class Message:
    """One message; ``raw`` is the body it was made from, ``edits`` the bodies that changed it."""

    id: int
    channel: "Channel"
    author: User
    raw: dict[str, Any]
    content: str = ""
    embeds: list[dict[str, Any]] = field(default_factory=list)
    components: list[dict[str, Any]] = field(default_factory=list)
    attachments: list[dict[str, Any]] = field(default_factory=list)
    flags: int = 0
    nonce: str | int | None = None
    allowed_mentions: dict[str, Any] | None = None
    edits: list[dict[str, Any]] = field(default_factory=list)
    edited_timestamp: str | None = None
    deleted: bool = False
    # Fields that only some messages have, such as webhook_id and interaction_metadata.
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """Everything there is to read: the content and each text in the components."""
        return "\n".join(text for text in (self.content, *texts_of(self.components)) if text)

    @property
    def ephemeral(self) -> bool:
        """Whether only the person who used the command sees it."""
        return bool(self.flags & EPHEMERAL)

    def fill(self, body: dict[str, Any]) -> None:
        """Take over the fields that a create or edit body has."""
        if "content" in body:
            self.content = body["content"] or ""
        if "embeds" in body:
            self.embeds = list(body["embeds"] or [])
        if "components" in body:
            self.components = with_component_ids(body["components"] or [])
        if "allowed_mentions" in body:
            self.allowed_mentions = body["allowed_mentions"]
        if body.get("flags") is not None:
            # An ephemeral message stays so, and a V2 message too, whatever an edit says.
            self.flags = int(body["flags"]) | (self.flags & (EPHEMERAL | IS_COMPONENTS_V2))

    def edit(self, body: dict[str, Any]) -> None:
        """Change the message as an edit request says."""
        self.edits.append(body)
        self.fill(body)
        self.edited_timestamp = now_text()

    @property
    def mentioned_user_ids(self) -> list[int]:
        """Users that this message notifies, after its allowed mentions."""
        return self._allowed(_USER_MENTION, "users")

    @property
    def mentioned_role_ids(self) -> list[int]:
        """Roles that this message notifies, after its allowed mentions."""
        return self._allowed(_ROLE_MENTION, "roles")

    @property
    def mentions_everyone(self) -> bool:
        """Whether this message notifies everyone."""
        if self.allowed_mentions is not None and "everyone" not in self._parse:
            return False
        return "@everyone" in self.text or "@here" in self.text

    @property
    def _parse(self) -> list[str]:
        return list((self.allowed_mentions or {}).get("parse") or [])

    def _allowed(self, pattern: re.Pattern[str], kind: str) -> list[int]:
        found = list(dict.fromkeys(int(number) for number in pattern.findall(self.text)))
        if self.allowed_mentions is None or kind in self._parse:
            return found
        named = {int(number) for number in self.allowed_mentions.get(kind) or []}
        return [number for number in found if number in named]

    @property
    def payload(self) -> dict[str, Any]:
        """The message object, as a REST answer has it."""
        users = self.channel.world.users
        payload: dict[str, Any] = {
            "id": str(self.id),
            "channel_id": str(self.channel.id),
            "author": self.author.payload,
            "content": self.content,
            "timestamp": moment_of(self.id).isoformat(),
            "edited_timestamp": self.edited_timestamp,
            "tts": False,
            "mention_everyone": self.mentions_everyone,
            "mentions": [
                users[user_id].payload for user_id in self.mentioned_user_ids if user_id in users
            ],
            "mention_roles": [str(role_id) for role_id in self.mentioned_role_ids],
            "attachments": self.attachments,
            "embeds": self.embeds,
            "components": self.components,
            "pinned": False,
            "type": 0,
            "flags": self.flags,
            **self.extra,
        }
        if self.nonce is not None:
            payload["nonce"] = self.nonce
        return payload
