"""What is shown in place of what only premium servers have: what it is, and how to get it."""

from __future__ import annotations

from typing import Any

from discord import ui

from moddy.services.premium_gate import PremiumFeature
from moddy.views.language import Language, language_for
from moddy.views.layout import Colour, card, row_of
from moddy.views.links import link_button


def locked_view(feature: PremiumFeature, *, website_url: str | None, locale: str) -> ui.LayoutView:
    """Return the answer of a command that is locked on this server."""
    language = language_for(locale)
    return card(
        Colour.PREMIUM,
        language.gettext("This is for premium servers"),
        locked_text(feature_text(feature, language), language),
        rows=row_of(premium_button(website_url, language)),
    )


def locked_text(about: str, language: Language) -> str:
    """Return a paragraph on what is locked and how it opens."""
    how = language.gettext(
        "A server is premium while its owner has Moddy premium; `/subscription` shows the owner "
        "how theirs stands."
    )
    return f"🔒 {about}\n-# {how}"


def premium_button(website_url: str | None, language: Language) -> ui.Button[Any] | None:
    """Return the way to the website, where there is one."""
    return link_button(language.gettext("Get premium"), website_url)


def feature_text(feature: PremiumFeature, language: Language) -> str:
    """Return in words what a premium feature is."""
    texts = {
        PremiumFeature.WELCOME_PICTURE: language.gettext(
            "**Welcome picture**: a picture with the new member's name and avatar, made for each "
            "welcome."
        )
    }
    return texts[feature]
