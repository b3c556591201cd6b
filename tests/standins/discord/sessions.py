"""Gateway sessions: what a bot has been told, so that it can resume."""

import json
import secrets
from typing import TYPE_CHECKING, Any

from tests.standins.discord.events import Event, Intent

if TYPE_CHECKING:
    from tests.standins.discord.connections import Connection


class Session:
    """One identified shard of a bot; it outlives its connection."""

    def __init__(self, identify: dict[str, Any]) -> None:
        shard = identify.get("shard") or [0, 1]
        self.id = secrets.token_hex(16)
        self.shard: tuple[int, int] = (int(shard[0]), int(shard[1]))
        self.intents = Intent(int(identify.get("intents") or 0))
        self.library = str((identify.get("properties") or {}).get("browser"))
        self.sequence = 0
        self.connection: Connection | None = None
        self._sent: list[tuple[int, str]] = []

    def has_guild(self, guild_id: int | None) -> bool:
        """Whether events of this guild (None: direct messages) belong to this shard."""
        shard_id, shard_count = self.shard
        return ((guild_id or 0) >> 22) % shard_count == shard_id

    def wants(self, event: Event) -> bool:
        """Whether this session gets the event."""
        return self.has_guild(event.guild_id) and event.intent in self.intents

    def give(self, event: Event) -> None:
        """Send an event if it is for this session."""
        if not self.wants(event):
            return
        hidden = event.without_content
        visible = hidden is None or Intent.MESSAGE_CONTENT in self.intents
        self.dispatch(event.name, event.payload if visible else hidden)

    def dispatch(self, name: str, payload: Any) -> None:
        """Send a payload; while there is no connection it waits for the resume."""
        self.sequence += 1
        frame = json.dumps({"op": 0, "t": name, "s": self.sequence, "d": payload})
        self._sent.append((self.sequence, frame))
        if self.connection is not None:
            self.connection.send_text(frame)

    def missed(self, sequence: int) -> list[str]:
        """The frames after a sequence number."""
        return [frame for number, frame in self._sent if number > sequence]
