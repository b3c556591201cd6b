"""Discord accounts."""

from dataclasses import dataclass
from typing import Any, Literal

DirectMessagePolicy = Literal["open", "closed", "closed_50278"]


@dataclass(eq=False)
class User:
    """A person, or the bot itself.

    ``dms`` says what happens to a direct message from the bot: ``closed`` answers 50007,
    ``closed_50278`` answers 50278 (no mutual guilds).
    """

    id: int
    username: str
    locale: str = "en-US"
    dms: DirectMessagePolicy = "open"
    bot: bool = False
    global_name: str | None = None

    @property
    def mention(self) -> str:
        """The text that mentions this user in a message."""
        return f"<@{self.id}>"

    @property
    def payload(self) -> dict[str, Any]:
        """The user object that others see; the locale is not in it."""
        return {
            "id": str(self.id),
            "username": self.username,
            "discriminator": "0",
            "global_name": self.global_name,
            "avatar": None,
            "banner": None,
            "accent_color": None,
            "avatar_decoration_data": None,
            "bot": self.bot,
            "system": False,
            "public_flags": 0,
        }

    @property
    def own_payload(self) -> dict[str, Any]:
        """The user object that the account gets about itself."""
        return {
            **self.payload,
            "email": None,
            "verified": True,
            "mfa_enabled": True,
            "flags": 0,
            "premium_type": 0,
            "locale": self.locale,
        }
