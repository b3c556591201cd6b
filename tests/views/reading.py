"""Reading a layout the way Discord does: what it counts and what it would show."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from discord import ui
from hypothesis import strategies as st
from simcord.components import COMPONENTS_V2_FLAG, validate_components, walk_components

TEXT_DISPLAY = 10
CONTAINER = 17
BUTTON = 2
# What Discord's markdown takes as an escape, and what becomes of it here: an inert character.
_ESCAPE = re.compile(r"\\[^0-9A-Za-z\s]")
INERT = "\N{REPLACEMENT CHARACTER}"

NASTY = (
    "@everyone",
    "@here",
    "<@1234567890>",
    "<@!12>",
    "<@&55>",
    "<#77>",
    "</pay:99>",
    "<:a:1>",
    "<a:b:2>",
    "<t:1700000000:D>",
    "<id:home>",
    "[x](http://evil.example)",
    "https://evil.example",
    "```",
    "`",
    "||",
    "**",
    "__",
    "~~",
    "# ",
    "-# ",
    "- ",
    "1. ",
    "> ",
    ">>> ",
    "\n",
    "\r\n",
    "\u202e",
    "\u2066",
    "\u200b",
    "\u00ad",
    "\u2028",
    "\x00",
    "\x1b[31m",
    "\\",
    "\U000e0041",
    "\u0301\u0301\u0301",
    "😀",
    "👩\u200d👩\u200d👧",
    "{price}",
    "%s",
    "sub_1NxYz",
    "cus_abc",
    "in_1Q",
    "a@b.example",
    "+33 6 12 34 56 78",
    "(555) 123-4567",
)


def hostile_texts() -> st.SearchStrategy[str]:
    """Return any text, among it much that Discord would read as markup or nobody should see."""
    pieces = st.one_of(st.sampled_from(NASTY), st.text(max_size=40))
    short = st.lists(pieces, max_size=12).map("".join)
    # Long ones by repetition: limits are about length, not about variety.
    long = st.tuples(short, st.integers(1, 400)).map(lambda pair: pair[0] * pair[1])
    return st.one_of(short, long)


def components(view: ui.LayoutView) -> list[dict[str, Any]]:
    """Return all components of a view, nested ones included, after SimCord's validation."""
    wire: list[dict[str, Any]] = view.to_components()  # type: ignore[no-untyped-call]
    return list(walk_components(validate_components(wire, flags=COMPONENTS_V2_FLAG)))


def texts(view: ui.LayoutView) -> Iterator[str]:
    """Yield the content of each text display."""
    for component in components(view):
        if component["type"] == TEXT_DISPLAY:
            yield component["content"]


def plain_text(view: ui.LayoutView) -> str:
    """Return all texts of a view, one after the other."""
    return "\n".join(texts(view))


def accent(view: ui.LayoutView) -> int:
    """Return the colour of a view's one container."""
    [container] = [one for one in components(view) if one["type"] == CONTAINER]
    colour = container["accent_color"]
    assert isinstance(colour, int)
    return colour


def labels(view: ui.LayoutView) -> list[str]:
    """Return the labels of the buttons."""
    return [component["label"] for component in components(view) if component["type"] == BUTTON]


def links(view: ui.LayoutView) -> list[str]:
    """Return the addresses of the link buttons."""
    return [component["url"] for component in components(view) if component.get("url")]


def custom_ids(view: ui.LayoutView) -> list[str]:
    """Return the custom ids of the buttons and menus that can be used."""
    return [
        component["custom_id"]
        for component in components(view)
        if component.get("custom_id") and not component.get("disabled")
    ]


def utf16_length(text: str) -> int:
    """Return the length in UTF-16 units, the most anyone counts."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def unescaped(text: str) -> str:
    """Return what is left for Discord to read as markup."""
    return _ESCAPE.sub(INERT, text)


def assert_within_limits(view: ui.LayoutView) -> None:
    """Hold Discord's limits: 40 components, 4000 characters, no empty text, no long label."""
    everything = components(view)
    assert len(everything) <= 40
    assert view.total_children_count <= 40
    assert utf16_length("".join(texts(view))) <= 4000
    assert all(text.strip() for text in texts(view))
    assert all(1 <= len(label) <= 80 for label in labels(view))
    assert all(len(url) <= 512 for url in links(view))
    ids = [component["custom_id"] for component in everything if component.get("custom_id")]
    assert all(len(one) <= 100 for one in ids)
    assert len(set(ids)) == len(ids)
    assert view.timeout is None
