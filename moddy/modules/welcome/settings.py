"""The settings of the welcome module, and how people fill them in."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated

from msgspec import Meta, Struct

from moddy.models import Snowflake
from moddy.modules.base import TextsRead
from moddy.modules.welcome.template import PLACEHOLDERS, unknown_placeholders
from moddy.services.premium_gate import PremiumFeature
from moddy.views.language import Language
from moddy.views.links import web_address
from moddy.views.modules.fields import ChannelField, Field, SwitchField, TextField
from moddy.views.premium import feature_text
from moddy.views.texts import name_line

MAX_TEMPLATE = 1_500
MAX_URL = 512
_PLACEHOLDER_LENGTH = 40
_COLOUR = re.compile(r"#?([0-9a-f]{6})", re.IGNORECASE)


class WelcomeSettings(Struct, frozen=True, kw_only=True):
    """How a server greets; without `text` in Moddy's own words. `colour` is an RGB integer."""

    channel_id: Snowflake | None = None
    direct_message: bool = False
    text: Annotated[str, Meta(min_length=1, max_length=MAX_TEMPLATE)] | None = None
    image_url: Annotated[str, Meta(max_length=MAX_URL)] | None = None
    colour: Annotated[int, Meta(ge=0, le=0xFFFFFF)] | None = None
    picture: bool = False

    def __post_init__(self) -> None:
        if self.text is not None and unknown_placeholders(self.text):
            raise ValueError("unknown placeholders")
        if self.image_url is not None and web_address(self.image_url) is None:
            raise ValueError("not a web address")


def default_text(language: Language) -> str:
    """Return the greeting of a server that wrote none."""
    return language.gettext(
        "Welcome to **{server}**, {user}! You are member number {member_count}."
    )


def controls(settings: WelcomeSettings, language: Language) -> Sequence[Field]:
    """Return the fields that have a menu or a button."""
    return (
        ChannelField(
            name="channel_id",
            label=language.gettext("Channel to greet in"),
            value=settings.channel_id,
        ),
        SwitchField(
            name="direct_message",
            label=language.gettext("Direct message"),
            value=settings.direct_message,
        ),
        SwitchField(
            name="picture",
            label=language.gettext("Welcome picture"),
            value=settings.picture,
            about=feature_text(PremiumFeature.WELCOME_PICTURE, language),
        ),
    )


def text_boxes(settings: WelcomeSettings, language: Language) -> Sequence[Field]:
    """Return the fields of the form."""
    colour = "" if settings.colour is None else f"#{settings.colour:06X}"
    return (
        TextField(
            name="text",
            label=language.gettext("Text"),
            value=settings.text or default_text(language),
            hint=language.gettext("You can use {placeholders}").format(
                placeholders=" ".join(f"{{{name}}}" for name in PLACEHOLDERS)
            ),
            max_length=MAX_TEMPLATE,
            long=True,
        ),
        TextField(
            name="image_url",
            label=language.gettext("Image"),
            value=settings.image_url or "",
            hint=language.gettext("The address of an image, such as https://example.com/hi.png"),
            max_length=MAX_URL,
        ),
        TextField(
            name="colour",
            label=language.gettext("Colour"),
            value=colour,
            hint=language.gettext("Six hexadecimal digits, such as #8E5BD0"),
            max_length=7,
        ),
    )


def read_form(texts: Mapping[str, str], language: Language) -> TextsRead:
    """Return the settings that the form's texts make, and what of it is wrong."""
    text, address, colour = (texts.get(name, "") for name in ("text", "image_url", "colour"))
    digits = _COLOUR.fullmatch(colour)
    refused = []
    if unknown := unknown_placeholders(text):
        refused.append(_unknown(unknown, language))
    if address and web_address(address) is None:
        refused.append(
            language.gettext(
                "The image's address is not one that Discord can show. It begins with https:// "
                "and has at most 512 characters."
            )
        )
    if colour and digits is None:
        refused.append(
            language.gettext(
                "The colour is not one. Write six hexadecimal digits, such as #8E5BD0."
            )
        )
    is_default = text in {"", default_text(language)}
    values = {
        "text": None if is_default else text,
        "image_url": address or None,
        "colour": int(digits[1], 16) if digits else None,
    }
    return TextsRead(values=values, refused=refused)


def _unknown(names: Sequence[str], language: Language) -> str:
    shown = ", ".join(name_line(f"{{{name}}}", _PLACEHOLDER_LENGTH) or "{}" for name in names[:3])
    known = " ".join(f"`{{{name}}}`" for name in PLACEHOLDERS)
    return language.gettext(
        "The text has placeholders that mean nothing: {unknown}. There are {known}."
    ).format(unknown=shown, known=known)
