"""The module that greets new members."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import ClassVar

import discord
import structlog
from aiolimiter import AsyncLimiter
from discord import ui

from moddy.errors import DirectMessagesClosed, DiscordError, DiscordUnavailable, MissingPermissions
from moddy.modules.base import GuildModule, TextsRead
from moddy.modules.calls import GuildCalls, nonce
from moddy.modules.checks import TO_SEND, channel_problem
from moddy.modules.welcome.picture import Painter, Subject
from moddy.modules.welcome.settings import (
    WelcomeSettings,
    controls,
    default_text,
    read_form,
    text_boxes,
)
from moddy.modules.welcome.template import fill
from moddy.services.premium_gate import PremiumFeature
from moddy.views.language import Language, language_for
from moddy.views.layout import Colour
from moddy.views.links import web_address
from moddy.views.modules.fields import Field
from moddy.views.modules.welcome import MAX_TEXT, welcome_view
from moddy.views.texts import name_line

log = structlog.get_logger(__name__)

PICTURE = "welcome.png"
_NAME_LENGTH = 100


class Welcome(GuildModule[WelcomeSettings]):
    """Greets in a channel, in a direct message, or both.

    `new_dms` is how many direct messages are opened in what time; beyond that there is only the
    channel, as who opens many fast is taken for a spammer by Discord.
    """

    name = "welcome"
    settings_type = WelcomeSettings
    premium_fields: ClassVar[Mapping[str, PremiumFeature]] = {
        "picture": PremiumFeature.WELCOME_PICTURE
    }
    can_try = True

    def __init__(self, *, calls: GuildCalls, new_dms: AsyncLimiter) -> None:
        self._calls = calls
        self._new_dms = new_dms
        self._painter = Painter()

    def title(self, language: Language) -> str:
        """See `GuildModule.title`."""
        return language.gettext("Welcome")

    def summary(self, language: Language) -> str:
        """See `GuildModule.summary`."""
        return language.gettext("Greets new members in a channel, in a direct message, or both.")

    def fields(self, settings: WelcomeSettings, language: Language) -> Sequence[Field]:
        """See `GuildModule.fields`."""
        return (*controls(settings, language), *text_boxes(settings, language))

    def read_texts(self, texts: Mapping[str, str], language: Language) -> TextsRead:
        """See `GuildModule.read_texts`."""
        return read_form(texts, language)

    def problems(
        self,
        settings: WelcomeSettings,
        guild: discord.Guild,
        language: Language,
        *,
        actor: discord.Member | None = None,
    ) -> Sequence[str]:
        """See `GuildModule.problems`."""
        if settings.channel_id is None:
            return ()
        permissions = (*TO_SEND, "attach_files") if settings.picture else TO_SEND
        problem = channel_problem(guild, settings.channel_id, language, permissions=permissions)
        return (problem,) if problem else ()

    def missing(self, settings: WelcomeSettings, language: Language) -> Sequence[str]:
        """See `GuildModule.missing`."""
        if settings.channel_id is not None or settings.direct_message:
            return ()
        return (language.gettext("Choose a channel to greet in, or turn on direct messages."),)

    async def member_joined(self, settings: WelcomeSettings, member: discord.Member) -> None:
        """Greet, wherever it is wanted; one that fails does not keep the other from it."""
        if member.bot:
            return
        language = language_for(member.guild.preferred_locale.value)
        failures = await self._greet(settings, member, language, occasion="welcome")
        for place, error in failures.items():
            if error is not None and not isinstance(error, DirectMessagesClosed):
                log.warning(
                    "welcome not sent", place=place, guild_id=member.guild.id, error=error.code
                )

    async def try_out(
        self, settings: WelcomeSettings, member: discord.Member, language: Language
    ) -> Sequence[str]:
        """See `GuildModule.try_out`."""
        guild_language = language_for(member.guild.preferred_locale.value)
        # Each test is a message of its own, so that Discord does not drop it as a repeat.
        occasion = f"test {discord.utils.utcnow().isoformat()}"
        failures = await self._greet(settings, member, guild_language, occasion=occasion)
        places = {
            "channel": f"<#{settings.channel_id}>",
            "dm": language.gettext("Direct message"),
        }
        return [
            f"{places[place]}: {_outcome(error, language)}" for place, error in failures.items()
        ]

    async def _greet(
        self,
        settings: WelcomeSettings,
        member: discord.Member,
        language: Language,
        *,
        occasion: str,
    ) -> dict[str, DiscordError | None]:
        """Send what is wanted; return what failed, or None, for the places it was to go to."""
        failures: dict[str, DiscordError | None] = {}
        picture = None
        if settings.picture:
            picture = (PICTURE, await self.paint(settings, member, language))
        view = _view(settings, member, language, has_picture=picture is not None)
        if settings.channel_id is not None:
            sending = self._calls.send(
                settings.channel_id,
                view,
                nonce=nonce(occasion, member),
                mention=member,
                picture=picture,
            )
            failures["channel"] = await _failure(sending)
        if settings.direct_message:
            key = nonce(f"dm {occasion}", member)
            failures["dm"] = await _failure(self._send_dm(member, view, key, picture))
        return failures

    async def _send_dm(
        self,
        member: discord.Member,
        view: ui.LayoutView,
        key: str,
        picture: tuple[str, bytes] | None,
    ) -> None:
        if not self._new_dms.has_capacity():
            raise DiscordUnavailable("too many direct messages at once")
        await self._new_dms.acquire()
        await self._calls.send_dm(member, view, nonce=key, picture=picture)

    async def paint(
        self, settings: WelcomeSettings, member: discord.Member, language: Language
    ) -> bytes:
        """Return the member's welcome picture as a PNG."""
        try:
            avatar = await self._calls.read_avatar(member)
        except DiscordError:
            avatar = None  # drawn with the name's first letter then
        subject = Subject(
            name=member.display_name,
            username=member.name,
            server=member.guild.name,
            member_count=_member_count(member.guild),
            colour=accent_colour(settings),
            avatar=avatar,
        )
        return await self._painter.paint(subject, language)


def _view(
    settings: WelcomeSettings, member: discord.Member, language: Language, *, has_picture: bool
) -> ui.LayoutView:
    username = name_line(member.display_name, _NAME_LENGTH) or name_line(member.name, _NAME_LENGTH)
    values = {
        "user": member.mention,
        "username": username or str(member.id),
        "server": name_line(member.guild.name, _NAME_LENGTH) or str(member.guild.id),
        "member_count": str(_member_count(member.guild)),
    }
    return welcome_view(
        fill(settings.text or default_text(language), values, MAX_TEXT),
        colour=accent_colour(settings),
        image_url=web_address(settings.image_url),
        picture=PICTURE if has_picture else None,
    )


def accent_colour(settings: WelcomeSettings) -> int:
    """Return the colour of a server's welcome, as an RGB integer."""
    return Colour.PREMIUM.value if settings.colour is None else settings.colour


def _member_count(guild: discord.Guild) -> int:
    return guild.member_count or len(guild.members)


async def _failure(sending: Awaitable[None]) -> DiscordError | None:
    try:
        await sending
    except DiscordError as error:
        return error
    return None


def _outcome(error: DiscordError | None, language: Language) -> str:
    if error is None:
        return language.gettext("✅ sent")
    if isinstance(error, DirectMessagesClosed):
        return language.gettext("❌ your own privacy settings keep Moddy from writing to you")
    if isinstance(error, MissingPermissions):
        return language.gettext("❌ Moddy may not write there")
    if error.retryable:
        return language.gettext("❌ Discord did not answer in time, please try again")
    return language.gettext("❌ Discord refused it")
