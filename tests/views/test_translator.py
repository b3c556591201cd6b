from __future__ import annotations

import discord
import pytest
from discord import app_commands
from discord.app_commands import TranslationContextTypes, locale_str

from moddy.views.translator import CatalogueTranslator

CONTEXT: TranslationContextTypes = app_commands.TranslationContext(
    app_commands.TranslationContextLocation.other, None
)
OTHERS = [one for one in discord.Locale if one is not discord.Locale.french]


@pytest.mark.parametrize(
    ("text", "french"),
    [
        ("subscription", "abonnement"),
        ("invoices", "factures"),
        ("profile", "profil"),
        ("limit", "limite"),
        ("user", "utilisateur"),
        ("Show your subscription", "Afficher votre abonnement"),
        ("How many invoices to show (1 to 50)", "Nombre de factures à afficher (1 à 50)"),
        ("a text nobody translated", None),
    ],
)
async def test_french(text: str, french: str | None) -> None:
    translate = CatalogueTranslator().translate
    assert await translate(locale_str(text), discord.Locale.french, CONTEXT) == french


@pytest.mark.parametrize("locale", OTHERS)
async def test_all_others_read_the_english(locale: discord.Locale) -> None:
    assert await CatalogueTranslator().translate(locale_str("profile"), locale, CONTEXT) is None


async def test_a_command_is_published_in_both_languages() -> None:
    @app_commands.command(name=locale_str("invoices"), description=locale_str("Show your invoices"))
    @app_commands.describe(limit=locale_str("How many invoices to show (1 to 50)"))
    @app_commands.rename(limit=locale_str("limit"))
    async def invoices(_interaction: discord.Interaction, limit: int) -> None:
        raise NotImplementedError(limit)

    async with discord.Client(intents=discord.Intents.none()) as client:
        tree = app_commands.CommandTree(client)
        tree.add_command(invoices)
        published = await invoices.get_translated_payload(tree, CatalogueTranslator())
    assert published["name"] == "invoices"
    assert published["name_localizations"] == {"fr": "factures"}
    assert published["description_localizations"] == {"fr": "Afficher vos factures"}
    [option] = published["options"]
    assert option["name_localizations"] == {"fr": "limite"}
    assert option["description_localizations"] == {"fr": "Nombre de factures à afficher (1 à 50)"}
