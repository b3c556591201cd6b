"""Names and descriptions of commands, in the languages of Discord's own menus."""

from __future__ import annotations

import discord
from discord import app_commands

from moddy.views.language import language_for


class CatalogueTranslator(app_commands.Translator):
    """Translates every `locale_str` of a command over Moddy's catalogues."""

    async def translate(
        self,
        string: app_commands.locale_str,
        locale: discord.Locale,
        context: app_commands.TranslationContextTypes,
    ) -> str | None:
        """Return the text in the language of `locale`, None where the English one serves."""
        language = language_for(locale.value)
        if language.is_source:
            return None
        translated = language.gettext(string.message)
        return translated if translated != string.message else None
