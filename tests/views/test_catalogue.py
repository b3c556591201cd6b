from __future__ import annotations

import re
import string
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po

import moddy
from moddy.locales import DOMAIN, TRANSLATED

PACKAGE = Path(moddy.__file__).parent
KEYWORDS = {**DEFAULT_KEYWORDS, "locale_str": None}
COMMAND_DESCRIPTIONS = (
    "Show your subscription",
    "Show your invoices",
    "Show a profile",
    "How many invoices to show (1 to 50)",
    "Whose profile to show",
)
COMMAND_NAMES = ("subscription", "invoices", "profile", "limit", "user")
Key = str | tuple[str, ...]


def _file(code: str, suffix: str) -> Path:
    return PACKAGE / "locales" / code / "LC_MESSAGES" / f"{DOMAIN}.{suffix}"


def _source(code: str) -> Catalog:
    with _file(code, "po").open("rb") as file:
        return read_po(file, locale=code, domain=DOMAIN, abort_invalid=True)


def _messages(catalogue: Catalog) -> dict[Key, Message]:
    return {_key(message.id): message for message in catalogue if message.id}


def _key(message_id: str | tuple[str, ...] | list[str]) -> Key:
    return message_id if isinstance(message_id, str) else tuple(message_id)


def _in_code() -> set[Key]:
    found = extract_from_dir(PACKAGE, [("**.py", "python")], keywords=KEYWORDS)
    return {_key(message) for _file, _line, message, _comments, _context in found}


def _forms(value: str | tuple[str, ...] | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _placeholders(text: str) -> set[str | None]:
    return {name for _text, name, _spec, _conversion in string.Formatter().parse(text) if name}


def test_the_extraction_finds_texts_plurals_and_command_texts(tmp_path: Path) -> None:
    (tmp_path / "cog.py").write_text(
        'x = locale_str("Show it")\n'
        'y = language.gettext("a" "b")\n'
        'z = language.ngettext("one", "many", n)\n'
    )
    found = extract_from_dir(tmp_path, [("**.py", "python")], keywords=KEYWORDS)
    assert {_key(one[2]) for one in found} == {"Show it", "ab", ("one", "many")}


@pytest.mark.parametrize("code", sorted(TRANSLATED))
def test_every_text_of_the_code_is_in_the_catalogue_and_no_other(code: str) -> None:
    wanted = _in_code() | set(COMMAND_DESCRIPTIONS) | set(COMMAND_NAMES)
    assert set(_messages(_source(code))) == wanted


@pytest.mark.parametrize("code", sorted(TRANSLATED))
def test_every_text_is_translated_with_the_same_placeholders(code: str) -> None:
    catalogue = _source(code)
    for key, message in _messages(catalogue).items():
        translations = _forms(message.string)
        assert not message.fuzzy, key
        assert len(translations) == (1 if isinstance(key, str) else catalogue.num_plurals), key
        assert all(text.strip() for text in translations), key
        assert all(_placeholders(text) == _placeholders(_forms(key)[0]) for text in translations)


@pytest.mark.parametrize("code", sorted(TRANSLATED))
def test_the_compiled_catalogue_is_up_to_date(code: str) -> None:
    with _file(code, "mo").open("rb") as file:
        compiled = _messages(read_mo(file))
    source = _messages(_source(code))
    assert {key: _forms(one.string) for key, one in compiled.items()} == {
        key: _forms(one.string) for key, one in source.items()
    }


@pytest.mark.parametrize("code", sorted(TRANSLATED))
def test_command_texts_are_what_discord_takes(code: str) -> None:
    messages = _messages(_source(code))
    for name in COMMAND_NAMES:
        translated = str(messages[name].string)
        assert re.fullmatch(r"[-_\w]{1,32}", translated)
        assert translated == translated.lower()
    for description in COMMAND_DESCRIPTIONS:
        assert 1 <= len(str(messages[description].string)) <= 100


def test_french_punctuation_has_no_break_spaces() -> None:
    for message in _messages(_source("fr")).values():
        for text in _forms(message.string):
            assert not re.search(r"(?<=\w) [:;?!]|'", text), text
