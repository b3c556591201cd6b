"""Welcome texts with placeholders such as ``{user}``: plain replacement, nothing is evaluated."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

PLACEHOLDERS = ("user", "username", "server", "member_count")
CUT = "…"
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


def unknown_placeholders(text: str) -> list[str]:
    """Return the names in braces that mean nothing, each once, in their order."""
    names = dict.fromkeys(match[1] for match in _PLACEHOLDER.finditer(text))
    return [name for name in names if name not in PLACEHOLDERS]


def fill(text: str, values: Mapping[str, str], limit: int) -> str:
    """Return `text` with `values` in the place of their names, cut to `limit` UTF-16 units.

    A value is put in whole or not at all; what looks like a placeholder in one is left alone.
    """
    parts: list[str] = []
    left = limit - 1  # for the mark of the cut
    for part, is_value in _parts(text, values):
        length = _length(part)
        if length > left:
            parts += ["" if is_value else _start(part, left), CUT]
            break
        parts.append(part)
        left -= length
    return "".join(parts)


def _parts(text: str, values: Mapping[str, str]) -> Iterator[tuple[str, bool]]:
    end = 0
    for match in _PLACEHOLDER.finditer(text):
        yield text[end : match.start()], False
        known = match[1] in values
        yield values[match[1]] if known else match[0], known
        end = match.end()
    yield text[end:], False


def _start(text: str, limit: int) -> str:
    """Return as much of the beginning as fits into `limit` UTF-16 units."""
    while _length(text) > limit:
        text = text[: min(len(text) - 1, limit)]
    return text


def _length(text: str) -> int:
    return len(text) + sum(character > "\uffff" for character in text)
