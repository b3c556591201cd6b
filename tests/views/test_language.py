from __future__ import annotations

import discord
import pytest

from moddy.views.language import language_for


@pytest.mark.parametrize("locale", [one.value for one in discord.Locale] + ["", "xx", "français"])
def test_french_for_french_and_english_for_all_others(locale: str) -> None:
    assert language_for(locale).code == ("fr" if locale == "fr" else "en")


@pytest.mark.parametrize("locale", ["fr-CA", "fr_FR", "FR"])
def test_other_spellings_of_french(locale: str) -> None:
    assert language_for(locale).code == "fr"


def test_a_language_speaks() -> None:
    french, english = language_for("fr"), language_for("en-GB")
    assert french.gettext("Your invoices") == "Vos factures"
    assert english.gettext("Your invoices") == "Your invoices"
    assert french.gettext("not in the catalogue") == "not in the catalogue"
    assert french.amount(9900, "eur").endswith("€")
    assert english.amount(9900, "eur").startswith("€")
    assert (french.babel_locale.language, english.babel_locale.language) == ("fr", "en")
    assert english.is_source
    assert not french.is_source


@pytest.mark.parametrize(
    ("locale", "count", "expected"),
    [
        ("fr", 0, "{count} facture"),  # French counts none as one
        ("fr", 1, "{count} facture"),
        ("fr", 2, "{count} factures"),
        ("en-US", 0, "{count} invoices"),
        ("en-US", 1, "{count} invoice"),
    ],
)
def test_plurals(locale: str, count: int, expected: str) -> None:
    singular, plural = "{count} invoice", "{count} invoices"
    assert language_for(locale).ngettext(singular, plural, count) == expected


def test_a_language_is_read_once() -> None:
    assert language_for("fr") is language_for("fr-CA")
