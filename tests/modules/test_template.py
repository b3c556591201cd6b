"""Welcome texts: what is put in, what is refused, how long they get."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moddy.modules.welcome.template import CUT, PLACEHOLDERS, fill, unknown_placeholders
from tests.views.reading import hostile_texts, utf16_length

VALUES = {"user": "<@1>", "username": "Ada", "server": "{user}", "member_count": "7"}


def test_values_are_put_in_once() -> None:
    text = "Hi {user}, {username} is {member_count} of {server}{server}. {"
    assert fill(text, VALUES, 100) == "Hi <@1>, Ada is 7 of {user}{user}. {"


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("{user} {username} {server} {member_count}", []),
        ("{name} and {user.id} and {name}", ["name", "user.id"]),
        ("{ user } {} {user!r:>9}", [" user ", "", "user!r:>9"]),
        ("{{user}}", []),
        ("}{", []),
    ],
)
def test_unknown_placeholders(text: str, unknown: list[str]) -> None:
    assert unknown_placeholders(text) == unknown


def test_a_value_is_put_in_whole_or_not_at_all() -> None:
    assert fill("abc {user}", VALUES, 9) == f"abc <@1>{CUT}"[:8]
    assert fill("abc {user}", VALUES, 8) == f"abc {CUT}"
    assert fill("😀😀😀", VALUES, 4) == f"😀{CUT}"


@given(
    st.lists(
        st.one_of(st.sampled_from([f"{{{name}}}" for name in PLACEHOLDERS]), hostile_texts()),
        max_size=8,
    ),
    st.fixed_dictionaries({name: hostile_texts() for name in PLACEHOLDERS}),
    st.integers(1, 4000),
)
def test_never_longer_than_the_limit(pieces: list[str], values: dict[str, str], limit: int) -> None:
    assert utf16_length(fill("".join(pieces), values, limit)) <= limit
