from __future__ import annotations

import re
import string
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moddy.views.texts import REDACTED, name_line, one_line
from tests.views.reading import hostile_texts, unescaped, utf16_length

MARKUP = re.compile(r"[\\*_~`|<>@#\[\]()]|:\S|^(?:[-+]|\d+[.)])")
# Discord's servers look for these without regard to escapes.
PARSED_BY_SERVERS = re.compile(r"@(?:everyone|here)|<(?:@[!&]?|#)\d+>", re.IGNORECASE)
UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u00ad\u202a-\u202e\u2066-\u2069\u200c-\u200f\ufeff\u2028]")


@settings(deadline=None)
@given(hostile_texts(), st.integers(2, 300))
def test_no_text_is_read_as_markup_or_exceeds_its_limit(text: str, limit: int) -> None:
    for line in (one_line(text, limit), name_line(text, limit)):
        if line is None:
            continue
        assert line.strip()
        assert utf16_length(line) <= limit
        assert not MARKUP.search(unescaped(line)), line
        assert not PARSED_BY_SERVERS.search(line)
        assert not UNSEEN.search(line)
        line.encode()  # no lone surrogate


@settings(deadline=None)
@given(st.text(string.printable, min_size=1))
def test_a_reader_sees_the_text_as_it_was_written(text: str) -> None:
    shown = re.sub(r"\\([^0-9A-Za-z\s])", r"\1", name_line(text, 10_000) or "")
    assert shown.replace("\u200b", "") == " ".join(
        "".join(one for one in " ".join(text.split()) if one.isprintable()).split()
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Now with 5 seats", "Now with 5 seats"),
        ("one\ntwo\r\n\tthree", "one two three"),
        ("# Big", "\\# Big"),
        ("-# small", "\\-\\# small"),
        ("1. list", "1\\. list"),
        ("1.5 GB", "1\\.5 GB"),
        ("mid - dash, 2. dot", "mid - dash, 2. dot"),
        ("Note: at 12:30", "Note: at 12\\:30"),
        ("hi @everyone", "hi \\@\u200beveryone"),
        ("[pay](https://x.example)", "\\[pay\\]\\(https\\://x.example\\)"),
        ("été 😀 ½", "été 😀 ½"),
        ("e\u0301", "é"),
        ("a\u202eb\u200bc\x00d", "abcd"),
        ("", None),
        (" \n\u200b\u2800\u3164", None),
        (None, None),
    ],
)
def test_escapes(text: str | None, expected: str | None) -> None:
    assert one_line(text, 100) == expected


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        ("abcdef", 6, "abcdef"),
        ("abcdefg", 6, "abcde…"),
        ("ab cdefg", 4, "ab…"),
        ("ab*******", 6, "ab\\*…"),  # an escape is never cut in two
        ("ab😀😀", 5, "ab😀…"),
    ],
)
def test_long_texts_are_cut(text: str, limit: int, expected: str) -> None:
    assert one_line(text, limit) == expected


def test_marks_cannot_cover_other_lines() -> None:
    assert len(one_line("x" + "\u0336" * 50, 100) or "") <= 5


@pytest.mark.parametrize(
    "secret",
    [
        "sub_1NXabcDEF",
        "sub_x",
        "cus_Nffrfeueuf",
        "in_1MtHbELkdIwHu7ix",
        "SUB_1ABC",
        "si_9",
        "evt_1",
        "pi_3Mt",
        "ch_3M",
        "price_1MoBy5LkdIwHu7ix",
        "prod_NWjs8kKbJWmuuc",
        "sub_sched_1Mr",
        "cs_test_a1YS1URlnyQCN5fUU",
        "sub\\_1NX",
        "su\u200bb_1NX",
        "plan_NWjs8kKbJWmuuc",
        "anna@mail.example",
        "a.b+c@sub.mail.example",
        "o'brien@x.ie",
        "<anna@x.example>",
        "@a@x.example",
        "an\u200bna@mail.example",
        "anna\N{FULLWIDTH COMMERCIAL AT}mail.example",
        "jürgen@bücher.example",
        "root@localhost",
        "+33612345678",
        "+33 6 12 34 56 78",
        "06.12.34.56.78",
        "(555) 123-4567",
        "555-1234",
        "+1 (555) 123-4567",
        "0033 6 12 34 56 78",
        "+33 (0)6 12 34 56 78",
        "٠٦١٢٣٤٥٦٧٨",
        "06_12_34_56_78",
        "06\u200b12345678",
        "2025-01-01 234567",
        "06\u201112\u201134\u201156\u201178",
    ],
)
@pytest.mark.parametrize("frame", ["{}", "see {} now", "({})", "id={}", "x\n{}\ny", "{},{}"])
def test_personal_data_and_billing_ids_are_replaced(secret: str, frame: str) -> None:
    line = one_line(frame.replace("{}", secret), 1000) or ""
    shown = re.sub(r"\\(.)", r"\1", line).replace("\u200b", "")
    figures = re.compile(r"\d{4}|[@\uff20]\w|\w\\*_\w|\d\d.\d\d", re.IGNORECASE)
    assert not figures.search(shown), shown
    assert line == "" or REDACTED in line


@pytest.mark.parametrize(
    "text",
    [
        "renews 2025-01-31 12.30",
        "from 01/02/2025 on",
        "99.00 EUR to 129.00 EUR",
        "3 seats, 10 GB",
        "in 2025",
        "plan_2 to price_basic",
        "moddy_max",
        "1,000,000 tokens",
        "version 2.10.3",
        "50 % off",
    ],
)
def test_what_is_neither_stays(text: str) -> None:
    assert re.sub(r"\\(.)", r"\1", one_line(text, 1000) or "") == text


@pytest.mark.parametrize(
    "piece", ["a", "1 ", "@", "sub_", "\\", "(", "1(", "a@", "2020-", "a.", "_1", "\u0301"]
)
def test_a_large_text_takes_no_long_time(piece: str) -> None:
    text = piece * (65_536 // len(piece))
    start = time.perf_counter()
    one_line(text, 1000)
    assert time.perf_counter() - start < 2
