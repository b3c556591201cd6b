"""Who looks at a server's panels."""

from __future__ import annotations

import discord
from msgspec import Struct

from moddy.views.language import Language, language_for


class Visitor(Struct, frozen=True):
    """A member of the server, and the Discord locale they see it in."""

    member: discord.Member
    locale: str

    @property
    def guild(self) -> discord.Guild:
        """The server."""
        return self.member.guild

    @property
    def language(self) -> Language:
        """The language they are spoken to in."""
        return language_for(self.locale)
