"""The language one person is spoken to in."""

from __future__ import annotations

from functools import cache
from gettext import NullTranslations

from babel import Locale

from moddy.locales import SOURCE_LANGUAGE, language_code, load_catalogue
from moddy.views.money import format_amount


class Language:
    """Texts, plurals and amounts in one language."""

    def __init__(self, code: str, catalogue: NullTranslations) -> None:
        self.code = code
        self.babel_locale = Locale.parse(code)
        self._catalogue = catalogue

    @property
    def is_source(self) -> bool:
        """Whether this is the language the code is written in."""
        return self.code == SOURCE_LANGUAGE

    def gettext(self, text: str) -> str:
        """Return the translation of an English text."""
        return self._catalogue.gettext(text)

    def ngettext(self, singular: str, plural: str, count: int) -> str:
        """Return the translation that fits `count`."""
        return self._catalogue.ngettext(singular, plural, count)

    def amount(self, amount_minor: int, currency: str) -> str:
        """Return an amount in minor units as people write it. Never raises."""
        return format_amount(amount_minor, currency, self.code)


def language_for(locale: str) -> Language:
    """Return the language for a Discord locale: French for ``fr``, English for all others."""
    return _language(language_code(locale))


@cache
def _language(code: str) -> Language:
    return Language(code, load_catalogue(code))
