"""What every guild module is: a name, a Struct of settings, fields for its panel, listeners."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, Generic, TypeVar

import discord
import msgspec
from msgspec import Struct, structs

from moddy.models import Snowflake, decoder, encode, from_json
from moddy.services.premium_gate import PremiumFeature, PremiumGate
from moddy.views.language import Language
from moddy.views.modules.fields import Field

S = TypeVar("S", bound=Struct)


class BrokenSettings(Exception):
    """What is stored of a module in a guild is not what its settings are."""


class GuildModule(ABC, Generic[S]):
    """A feature that each server has on or off, with settings of its own.

    All fields of `settings_type` have defaults; what its constraints or its ``__post_init__``
    refuse is never stored. `name` is the key in the store, at most 32 characters of ``[a-z_]``.
    `premium_fields` are the settings that servers without premium have at their defaults,
    whatever is stored.

    The listeners may take as long as `moddy.modules.listeners.DEADLINE`; what they raise is logged
    and touches no other module and no other server.
    """

    name: ClassVar[str]
    settings_type: type[S]
    premium_fields: ClassVar[Mapping[str, PremiumFeature]] = {}
    can_try: ClassVar[bool] = False

    @abstractmethod
    def title(self, language: Language) -> str:
        """Return the module's name for people, at most 45 characters."""

    @abstractmethod
    def summary(self, language: Language) -> str:
        """Return what it does, in a sentence."""

    @abstractmethod
    def fields(self, settings: S, language: Language) -> Sequence[Field]:
        """Return the settings as the panel shows them."""

    def read_texts(self, texts: Mapping[str, str], language: Language) -> TextsRead:
        """Return the settings that a filled form makes, and what of it is wrong.

        An empty text is None.
        """
        return TextsRead(values={name: text or None for name, text in texts.items()})

    def problems(
        self,
        settings: S,
        guild: discord.Guild,
        language: Language,
        *,
        actor: discord.Member | None = None,
    ) -> Sequence[str]:
        """Return what in these settings cannot work in the guild as it is, each with its fix.

        `actor` is who is about to change them, None while they are only looked at.
        """
        return ()

    def missing(self, settings: S, language: Language) -> Sequence[str]:
        """Return what has to be set before the module can be turned on."""
        return ()

    async def member_joined(self, settings: S, member: discord.Member) -> None:
        """A member joined. Discord may tell of it more than once."""

    async def member_left(
        self, settings: S, guild: discord.Guild, member: discord.Member | discord.User
    ) -> None:
        """A member left; it is a `discord.User` when their roles are not known."""

    async def roles_changed(self, settings: S, member: discord.Member) -> None:
        """A member has other roles than before."""

    async def prepare(self, settings: S, guild: discord.Guild) -> bool:
        """Do what the module needs once it is on and Moddy sees the guild.

        Returns False when it should be called again in a while. Meanwhile its events come.
        """
        return True

    async def forget(self, guild_id: Snowflake) -> None:
        """Remove what the module kept of the guild: it was turned off, or Moddy was removed."""

    async def try_out(
        self, settings: S, member: discord.Member, language: Language
    ) -> Sequence[str]:
        """Do for `member` what would be done for a new one; return in words what became of it."""
        return ()


class TextsRead(Struct, frozen=True, kw_only=True):
    """What was written in a form: values by the names of the settings, or why not."""

    values: Mapping[str, object] = {}
    refused: Sequence[str] = ()


def read_settings(module: GuildModule[S], stored: bytes) -> S:
    """Return a module's stored settings.

    Raises:
        BrokenSettings: they are none.
    """
    try:
        return decoder(module.settings_type).decode(stored)
    except (msgspec.MsgspecError, ValueError, TypeError) as error:
        raise BrokenSettings(type(error).__name__) from error


def with_values(module: GuildModule[S], settings: S, values: Mapping[str, object]) -> S:
    """Return the settings with other values, as JSON would have them.

    Raises:
        msgspec.ValidationError: they do not fit the module's Struct.
    """
    old = msgspec.json.decode(encode(settings))
    return from_json({**old, **values}, module.settings_type)


async def unlocked(
    module: GuildModule[S], settings: S, owner_id: int | None, gate: PremiumGate
) -> S:
    """Return the settings as they take effect: a server without premium has no premium fields.

    Raises StoreUnavailable.
    """
    defaults = {name: getattr(module.settings_type(), name) for name in module.premium_fields}
    is_plain = all(getattr(settings, name) == default for name, default in defaults.items())
    if is_plain or await gate.is_open(owner_id):
        return settings
    return structs.replace(settings, **defaults)
