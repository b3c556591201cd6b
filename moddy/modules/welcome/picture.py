"""The welcome picture: an SVG made into a PNG by resvg, with a font that comes along.

resvg-py holds Python's global lock while it renders, so that a thread alone would not keep the
event loop going. The picture is drawn in plain colours for that reason: it takes about 20 ms,
where one gradient adds 30. One is rendered at a time.
"""

from __future__ import annotations

import asyncio
import base64
import re
import unicodedata
from pathlib import Path
from xml.sax.saxutils import escape

import resvg_py
from msgspec import Struct

from moddy.views.language import Language

FONT = Path(__file__).parent / "DejaVuSans-Bold-subset.ttf"
# What can be drawn: ranges of code points that the font has in full.
DRAWABLE = (
    (0x20, 0x7E),
    (0xA1, 0xAC),
    (0xAE, 0x24F),
    (0x386, 0x386),
    (0x388, 0x38A),
    (0x38C, 0x38C),
    (0x38E, 0x3A1),
    (0x3A3, 0x3CE),
    (0x400, 0x481),
    (0x48A, 0x513),
    (0x1E00, 0x1EFB),
    (0x2010, 0x2015),
    (0x2018, 0x201E),
    (0x2026, 0x2026),
    (0x20AC, 0x20AC),
    (0x2122, 0x2122),
)
PNG_MARK = b"\x89PNG\r\n\x1a\n"
WIDTH, HEIGHT = 800, 260
_LEFT = 250
_ROOM = WIDTH - _LEFT - 40
_SPACE = re.compile(r"\s+")
# Widths of the font's letters in ems, rounded up.
_NARROW, _USUAL, _WIDE = 0.45, 0.8, 1.15
_NARROW_LETTERS = frozenset("iIjlftr.,:;'|!()[] ")
_WIDE_LETTERS = frozenset("mwMW@%&ЖЩШЮжшщюмМ")

_TEMPLATE = """\
<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">
<rect width="{width}" height="{height}" fill="#23252f"/>
<path d="M0 0h16v{height}H0z" fill="{accent}"/>
<path d="M640 0h160v{height}H560z" fill="#2b2e3b"/>
<circle cx="140" cy="130" r="88" fill="{accent}"/>
{avatar}
<g font-family="DejaVu Sans" font-weight="bold">
<text x="{left}" y="84" font-size="28" fill="#b9bdcc">{welcome}</text>
<text x="{left}" y="150" font-size="{name_size}" fill="#ffffff">{name}</text>
<text x="{left}" y="204" font-size="{server_size}" fill="#b9bdcc">{server}</text>
</g>
</svg>"""
# The corners of the square picture are painted over: a clip path takes twice as long.
_AVATAR = """\
<image x="60" y="50" width="160" height="160" \
href="data:image/png;base64,{data}"/>
<path d="M50 40h180v180H50zM140 50a80 80 0 0 0 0 160a80 80 0 0 0 0-160z" fill="#23252f" \
fill-rule="evenodd"/>
<circle cx="140" cy="130" r="83" fill="none" stroke="{accent}" stroke-width="10"/>"""
_INITIAL = """\
<text x="140" y="160" text-anchor="middle" font-family="DejaVu Sans" font-weight="bold" \
font-size="84" fill="#ffffff">{initial}</text>"""


class Subject(Struct, frozen=True, kw_only=True):
    """Who is welcomed where. `avatar` is a PNG; `colour` an RGB integer."""

    name: str
    username: str
    server: str
    member_count: int
    colour: int
    avatar: bytes | None = None


class Painter:
    """Makes welcome pictures, one at a time."""

    def __init__(self) -> None:
        self._busy = asyncio.Semaphore(1)

    async def paint(self, subject: Subject, language: Language) -> bytes:
        """Return the picture as a PNG of `WIDTH` by `HEIGHT` pixels."""
        svg = draw(subject, language)
        async with self._busy:
            return await asyncio.to_thread(render, svg)


def render(svg: str) -> bytes:
    """Return an SVG as a PNG; fonts of the machine are not looked at."""
    return bytes(
        resvg_py.svg_to_bytes(svg_string=svg, skip_system_fonts=True, font_files=[str(FONT)])
    )


def draw(subject: Subject, language: Language) -> str:
    """Return the picture as an SVG, whatever the names are made of."""
    accent = f"#{subject.colour:06x}"
    name = drawable(subject.name) or drawable(subject.username)
    server = language.gettext("{server} · member {number}").format(
        server=_shortened(drawable(subject.server), 32), number=subject.member_count
    )
    name = _shortened(name, 24)
    return _TEMPLATE.format(
        width=WIDTH,
        height=HEIGHT,
        left=_LEFT,
        accent=accent,
        avatar=_face(subject.avatar, name, accent),
        welcome=escape(language.gettext("Welcome")),
        name=escape(name),
        name_size=_size(name, 54),
        server=escape(server.strip(" ·")),
        server_size=_size(server, 26),
    )


def drawable(text: str) -> str:
    """Return what of a text the font can draw, on one line."""
    composed = unicodedata.normalize("NFC", text)
    kept = "".join(
        character
        for character in _SPACE.sub(" ", composed)
        if any(first <= ord(character) <= last for first, last in DRAWABLE)
    )
    return " ".join(kept.split())


def _face(avatar: bytes | None, name: str, accent: str) -> str:
    if avatar is not None and avatar.startswith(PNG_MARK):
        data = base64.b64encode(avatar).decode()
        return _AVATAR.format(data=data, accent=accent)
    return _INITIAL.format(initial=escape(name[:1].upper()))


def _shortened(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def _size(text: str, largest: int) -> int:
    """Return the font size in pixels at which a text fits beside the avatar."""
    return min(largest, int(_ROOM / max(sum(map(_ems, text)), 1.0)))


def _ems(letter: str) -> float:
    if letter in _NARROW_LETTERS:
        return _NARROW
    return _WIDE if letter in _WIDE_LETTERS else _USUAL
