"""Texts of others, made safe to show: no markup, no mentions, no personal data, a bounded length.

What the backend or a Discord user wrote becomes one line of plain text.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from itertools import accumulate

REDACTED = "•••"
CUT = "…"

# Cc, Cf, Co, Cs: controls, bidi overrides, zero-width and tag characters, private use, surrogates.
_INVISIBLE_CATEGORIES = frozenset({"Cc", "Cf", "Co", "Cs"})
# What renders as nothing in spite of its category; source: Unicode's Default_Ignorable_Code_Point,
# and the empty braille pattern.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\ufff0-\ufff8\ufffe\uffff\U000e0000-\U000e0fff]"
)
# No script stacks more than four marks on a letter; what does is meant to cover other lines.
_STACKED_MARKS = 4

# Source: https://docs.stripe.com/api; prefixes that are words of a language or of plan names
# count only before what looks random, so that "price_basic" and "plan_2" stay readable.
_STRIPE_ID = re.compile(
    r"(?<![^\W_])(?:"
    r"(?:sub|cus|in|evt|pi|ch|py|re|pyr|si|seti|cs|acct|txn|il|ii|pm|ba|cn|di|req|sk|pk|rk|whsec)"
    r"\\*_"
    r"|(?:price|prod|promo|card|src|tok|we|link|file|mandate)\\*_(?=[^\W\d_]*\d|[^\W_]{14})"
    r"|plan\\*_(?=[^\W_]{14})"
    r")[\w\\]+",
    re.IGNORECASE,
)
_EMAIL = re.compile(r"(?<![^\s@<>()\[\]{},;:\"])[^\s@<>()\[\]{},;:\"]+[@﹫＠]\S+")  # noqa: RUF001
_DIGIT_RUN = re.compile(r"\+?\(?\d(?:[\s().\-/_\u2010-\u2015·+]{0,4}\d)+")
_DATE = re.compile(
    r"(?<![\d.\-/+])"
    r"(?:(?:19|20)\d\d[\-/.][01]?\d[\-/.][0-3]?\d|[0-3]?\d[\-/.][0-3]?\d[\-/.](?:19|20)\d\d)"
    r"(?!\d|[.\-/]\d)"
)
_PHONE_DIGITS = 7
_PHONE_DIGITS_BESIDE_DATE = 5

_MARKUP = frozenset("\\*_~`|<>@#[]()")
_LIST_MARK = re.compile(r"\d*[-+.)]")
_MASS_MENTION = re.compile(r"@(?=everyone|here)", re.IGNORECASE)


def one_line(text: str | None, limit: int) -> str | None:
    """Return a text of the backend as one line of Discord markdown that shows it literally.

    It is `readable`, then `escaped` to at most `limit` UTF-16 units; None when nothing is left.
    """
    line = readable(text) if text else None
    return escaped(line, limit) if line else None


def name_line(name: str, limit: int) -> str | None:
    """Return a Discord user's own name as `one_line` does, without redaction."""
    line = _visible(name)
    return escaped(line, limit) if line else None


def readable(text: str) -> str | None:
    """Return `text` on one line, without what cannot be seen or must not be shown.

    E-mail addresses, phone-like numbers and Stripe's ids are replaced by `REDACTED`; None when
    nothing else is left. The result is not yet `escaped`.
    """
    line = _STRIPE_ID.sub(REDACTED, _visible(text))
    line = _EMAIL.sub(REDACTED, line)
    line = _DIGIT_RUN.sub(_redact_phone, line)
    return line if line.replace(REDACTED, "").strip() else None


def escaped(line: str, limit: int) -> str:
    """Return a line with Discord's markup escaped, cut to `limit` UTF-16 units."""
    parts = [_escape_at(line, index) for index in range(len(line))]
    if (mark := _LIST_MARK.match(line)) and parts[mark.end() - 1] == mark[0][-1]:
        parts[mark.end() - 1] = "\\" + mark[0][-1]
    lengths = list(accumulate(len(part) + (part > "\uffff") for part in parts))
    if lengths[-1] <= limit:
        return "".join(parts)
    return "".join(parts[: bisect_right(lengths, limit - len(CUT))]).rstrip() + CUT


def _visible(text: str) -> str:
    """Return `text` on one line, without what cannot be seen."""
    kept: list[str] = []
    marks = 0
    for character in " ".join(unicodedata.normalize("NFC", text).split()):
        category = unicodedata.category(character)
        if category in _INVISIBLE_CATEGORIES or _INVISIBLE.match(character):
            continue
        marks = marks + 1 if category in {"Mn", "Me"} else 0
        if marks <= _STACKED_MARKS:
            kept.append(character)
    return " ".join("".join(kept).split())


def _redact_phone(match: re.Match[str]) -> str:
    """Return the digits unless they may be a phone number; dates may stay."""
    rest = _DATE.sub("", match[0])
    most = _PHONE_DIGITS if rest == match[0] else _PHONE_DIGITS_BESIDE_DATE
    return match[0] if sum(map(str.isdigit, rest)) < most else REDACTED


def _escape_at(line: str, index: int) -> str:
    character = line[index]
    if character == ":":
        # Links, emojis and timestamps have no space after their colon.
        return "\\:" if line[index + 1 : index + 2].strip() else ":"
    if character not in _MARKUP:
        return character
    # Discord's servers read a mass mention in spite of a backslash; a zero-width space breaks it.
    return "\\" + character + ("\u200b" if _MASS_MENTION.match(line, index) else "")
