"""What the world tells the gateway to send."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntFlag
from typing import Any


class Intent(IntFlag):
    """The gateway intents that the stand-in looks at."""

    GUILDS = 1 << 0
    GUILD_MEMBERS = 1 << 1
    GUILD_MODERATION = 1 << 2
    GUILD_PRESENCES = 1 << 8
    GUILD_MESSAGES = 1 << 9
    DIRECT_MESSAGES = 1 << 12
    MESSAGE_CONTENT = 1 << 15


NO_INTENT = Intent(0)


@dataclass(frozen=True)
class Event:
    """A dispatch for every session that may see it.

    ``guild_id`` picks the shard (None: shard 0, where direct messages go). A session without
    the ``intent`` does not get it; one without the message-content intent gets
    ``without_content`` when there is one.
    """

    name: str
    payload: dict[str, Any]
    guild_id: int | None = None
    intent: Intent = NO_INTENT
    without_content: dict[str, Any] | None = None


Emit = Callable[[Event], None]
