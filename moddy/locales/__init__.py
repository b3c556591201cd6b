"""The gettext catalogues: English is in the code, French in ``fr/LC_MESSAGES/moddy.po``.

The compiled ``moddy.mo`` is kept beside its source, so that installing needs no build step.
After a change of a text::

    pybabel extract -k locale_str --no-wrap --sort-output -o moddy.pot moddy
    pybabel update -D moddy -l fr -d moddy/locales -i moddy.pot --no-fuzzy-matching
    pybabel compile -D moddy -d moddy/locales
"""

from __future__ import annotations

import gettext
from functools import cache
from pathlib import Path

DOMAIN = "moddy"
SOURCE_LANGUAGE = "en"
TRANSLATED = frozenset({"fr"})


def language_code(locale: str) -> str:
    """Return the language Moddy speaks to someone with this Discord locale: ``fr`` or ``en``.

    Source: https://discord.com/developers/docs/reference#locales
    """
    code = locale.replace("_", "-").partition("-")[0].lower()
    return code if code in TRANSLATED else SOURCE_LANGUAGE


@cache
def load_catalogue(code: str) -> gettext.NullTranslations:
    """Return the texts of one language; those of the source language are the code's own."""
    if code == SOURCE_LANGUAGE:
        return gettext.NullTranslations()
    return gettext.translation(DOMAIN, Path(__file__).parent, languages=[code])
