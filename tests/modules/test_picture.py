"""The welcome picture: always a picture, whatever the names are made of."""

from __future__ import annotations

import struct
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moddy.modules.welcome.picture import (
    DRAWABLE,
    FONT,
    HEIGHT,
    PNG_MARK,
    WIDTH,
    Painter,
    Subject,
    draw,
    drawable,
    render,
)
from moddy.views.language import language_for
from tests.views.reading import hostile_texts

ENGLISH, FRENCH = language_for("en-US"), language_for("fr")
# A red square of one pixel.
AVATAR = render(
    '<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1">'
    '<rect width="1" height="1" fill="#f00"/></svg>'
)


def subject(name: str = "Ada", server: str = "Book Club", avatar: bytes | None = None) -> Subject:
    return Subject(
        name=name,
        username="ada",
        server=server,
        member_count=42,
        colour=0x8E5BD0,
        avatar=avatar,
    )


def size_of(png: bytes) -> tuple[int, int]:
    assert png.startswith(PNG_MARK)
    width, height = struct.unpack(">II", png[16:24])
    return width, height


def font_letters() -> Iterator[int]:
    """Yield what the font has glyphs for, by its table ``cmap`` (format 4)."""
    data = FONT.read_bytes()
    [count] = struct.unpack(">H", data[4:6])
    tables = {
        data[at : at + 4]: struct.unpack(">I", data[at + 8 : at + 12])[0]
        for at in range(12, 12 + 16 * count, 16)
    }
    cmap = tables[b"cmap"]
    [subtables] = struct.unpack(">H", data[cmap + 2 : cmap + 4])
    for number in range(subtables):
        at = cmap + struct.unpack(">I", data[cmap + 8 + 8 * number : cmap + 12 + 8 * number])[0]
        [table_format, _length, _language, doubled] = struct.unpack(">HHHH", data[at : at + 8])
        if table_format != 4:
            continue
        segments = doubled // 2
        ends = struct.unpack(f">{segments}H", data[at + 14 : at + 14 + doubled])
        starts = struct.unpack(f">{segments}H", data[at + 16 + doubled : at + 16 + 2 * doubled])
        for start, end in zip(starts, ends, strict=True):
            yield from range(start, end + 1)


def test_the_font_has_everything_that_counts_as_drawable() -> None:
    letters = set(font_letters())
    lacking = [
        f"{one:04X}"
        for first, last in DRAWABLE
        for one in range(first, last + 1)
        if one not in letters
    ]
    assert lacking == []


def test_the_licence_is_beside_the_font() -> None:
    licence = FONT.with_name("DejaVuSans-Bold-subset.LICENSE.txt").read_text()
    assert "Bitstream" in licence
    assert "free of charge" in licence
    assert FONT.stat().st_size < 150_000


@pytest.mark.parametrize("avatar", [None, AVATAR, b"no picture"])
async def test_a_picture(avatar: bytes | None) -> None:
    png = await Painter().paint(subject(avatar=avatar), ENGLISH)
    assert size_of(png) == (WIDTH, HEIGHT)
    assert len(png) < 100_000


def test_it_shows_name_avatar_and_number() -> None:
    plain = render(draw(subject(), ENGLISH))
    assert render(draw(subject(name="Ben"), ENGLISH)) != plain
    assert render(draw(subject(avatar=AVATAR), ENGLISH)) != plain
    assert "member 42" in draw(subject(), ENGLISH)
    assert "Bienvenue" in draw(subject(), FRENCH)
    assert "membre n° 42" in draw(subject(), FRENCH)


def test_what_the_font_cannot_draw_is_left_out() -> None:
    assert drawable("Ada 漢字 😀 Łódź\n\tЖ") == "Ada Łódź Ж"
    # Composed first, so that an accent is not lost with its mark.
    assert drawable("e\u0301") == "é"
    assert ">ada<" in draw(subject(name="漢字"), ENGLISH)


@settings(max_examples=40, deadline=None)
@given(hostile_texts(), hostile_texts(), st.integers(0, 2**31))
def test_any_names_make_a_well_formed_picture(name: str, server: str, count: int) -> None:
    made = Subject(name=name, username="", server=server, member_count=count, colour=0)
    svg = draw(made, ENGLISH)
    texts = [one for one in ET.fromstring(svg).iter() if one.tag.endswith("text")]  # noqa: S314
    assert len(texts) == 4
    assert size_of(render(svg)) == (WIDTH, HEIGHT)


def test_a_picture_is_quickly_made() -> None:
    """resvg keeps Python's lock while it renders, so this is how long the event loop stands."""
    svg, seconds = draw(subject(avatar=AVATAR), ENGLISH), []
    for _ in range(8):
        start = time.process_time()
        render(svg)
        seconds.append(time.process_time() - start)
    assert min(seconds) < 0.08
