"""The panels of ``/config``: within Discord's limits whatever is in them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moddy.models import Snowflake
from moddy.services.premium_gate import PremiumFeature
from moddy.views.language import Language, language_for
from moddy.views.modules.controls import Entry, ModuleState, Panel
from moddy.views.modules.fields import (
    ChannelField,
    ChoiceField,
    Field,
    Option,
    RolesField,
    SwitchField,
    TextField,
)
from moddy.views.modules.panel import form, overview_view, panel_view
from moddy.views.modules.refusals import Refusal, refusal_view
from moddy.views.modules.restored import restored_view
from moddy.views.modules.welcome import MAX_TEXT, welcome_view
from moddy.views.premium import locked_view
from tests.views.reading import (
    assert_within_limits,
    components,
    custom_ids,
    hostile_texts,
    links,
    plain_text,
    utf16_length,
)

ENGLISH, FRENCH = language_for("en-US"), language_for("fr")
WEBSITE = "https://moddy.example/premium"
LANGUAGES = pytest.mark.parametrize("language", [ENGLISH, FRENCH], ids=["en", "fr"])

_ids = st.integers(1, 2**64 - 1).map(Snowflake)
_problems = st.lists(hostile_texts(), max_size=9)
_states = st.sampled_from(ModuleState)


def _fields() -> st.SearchStrategy[list[Field]]:
    """Return as many fields as the largest module has, each of any value."""
    return st.tuples(
        st.builds(
            ChannelField, name=st.just("a"), label=st.just("Channel"), value=st.none() | _ids
        ),
        st.builds(
            RolesField,
            name=st.just("b"),
            label=st.just("Roles"),
            values=st.lists(_ids, max_size=40).map(tuple),
        ),
        st.just(
            ChoiceField(
                name="c", label="Choice", value="x", options=(Option("x", "X"), Option("y", "Y"))
            )
        ),
        st.builds(
            SwitchField,
            name=st.just("d"),
            label=st.just("Switch"),
            value=st.booleans(),
            about=st.just("**Switch**: more."),
        ),
        *(
            st.builds(
                TextField,
                name=st.just(name),
                label=st.just("Text"),
                value=hostile_texts(),
                hint=st.just("Write"),
                max_length=st.just(4000),
            )
            for name in ("e", "f", "g")
        ),
    ).map(list)


@given(
    st.builds(
        Panel,
        module=st.just("m" * 32),
        title=st.just("Title"),
        summary=st.just("s" * 200),
        state=_states,
        fields=_fields(),
        problems=_problems,
        refused=_problems,
        locked=st.sampled_from([frozenset(), frozenset({"d"})]),
        known_ids=st.frozensets(st.integers(1, 50)),
        can_try=st.booleans(),
    ),
    st.sampled_from([ENGLISH, FRENCH]),
)
def test_a_panel_is_within_the_limits(panel: Panel, language: Language) -> None:
    view = panel_view(panel, language, website_url=WEBSITE)
    assert_within_limits(view)
    assert links(view) == ([WEBSITE] if panel.locked else [])


@LANGUAGES
def test_a_locked_switch_cannot_be_pressed(language: Language) -> None:
    switch = SwitchField(name="d", label="Picture", value=True, about="**Picture**")
    panel = Panel(
        module="m",
        title="T",
        summary="S",
        state=ModuleState.ON,
        fields=[switch],
        locked=frozenset({"d"}),
    )
    locked = panel_view(panel, language, website_url=None)
    assert not [one for one in custom_ids(locked) if one.startswith("config_set")]
    assert "🔒 **Picture**" in plain_text(locked)
    assert links(locked) == []


@LANGUAGES
def test_a_broken_module_can_only_be_started_over(language: Language) -> None:
    panel = Panel(module="m", title="T", summary="S", state=ModuleState.BROKEN)
    view = panel_view(panel, language, website_url=WEBSITE)
    assert custom_ids(view) == ["config_turn:m:reset", "config"]


def test_only_texts_are_in_the_form() -> None:
    fields: list[Field] = [
        SwitchField(name="d", label="Switch", value=True),
        TextField(name="e", label="E", value="x" * 50, hint="h", max_length=100, long=True),
        TextField(name="f", label="F", value="", hint="h", max_length=7),
    ]
    panel = Panel(module="m", title="T" * 60, summary="S", state=ModuleState.ON, fields=fields)
    wire = form(panel, ENGLISH).to_dict()
    assert wire["custom_id"] == "config_write:m"
    assert len(wire["title"]) == 45
    boxes = [one["component"] for one in wire["components"]]
    assert [(one["custom_id"], one["style"]) for one in boxes] == [("e", 2), ("f", 1)]
    assert boxes[0]["value"] == "x" * 50
    assert not any(one["required"] for one in boxes)


@LANGUAGES
def test_the_overview(language: Language) -> None:
    entries = [
        Entry(module=f"m{number}", title="T", summary="S" * 150, state=state)
        for number, state in enumerate([*ModuleState] * 3)
    ]
    view = overview_view(entries, language)
    assert_within_limits(view)
    assert custom_ids(view) == [f"config_panel:{entry.module}" for entry in entries]


@given(
    hostile_texts().map(lambda text: text[: MAX_TEXT // 2]).filter(lambda text: text.strip()),
    st.integers(0, 0xFFFFFF) | st.none(),
    st.sampled_from([None, "https://a.example/b.png"]),
    st.sampled_from([None, "welcome.png"]),
)
def test_a_welcome_is_within_the_limits(
    text: str, colour: int | None, image_url: str | None, picture: str | None
) -> None:
    view = welcome_view(text, colour=colour, image_url=image_url, picture=picture)
    assert utf16_length(plain_text(view)) <= 4000
    assert len(components(view)) <= 40


@given(
    st.lists(_ids, max_size=120),
    st.lists(_ids, max_size=120),
    st.booleans(),
    st.sampled_from([ENGLISH, FRENCH]),
)
def test_what_the_log_is_told_is_within_the_limits(
    given_back: list[Snowflake], withheld: list[Snowflake], may_manage: bool, language: Language
) -> None:
    view = restored_view(
        Snowflake(1),
        given=given_back,
        withheld=withheld,
        may_manage=may_manage,
        language=language,
    )
    assert_within_limits(view)


def test_the_log_counts_what_it_leaves_out() -> None:
    ids = [Snowflake(number) for number in range(1, 44)]
    view = restored_view(Snowflake(1), given=ids, withheld=[], may_manage=True, language=ENGLISH)
    assert "<@&40> and 3 more roles" in plain_text(view)
    assert "<@&41>" not in plain_text(view)


@pytest.mark.parametrize("locale", ["en-US", "fr"])
def test_refusals_and_what_is_locked(locale: str) -> None:
    for refusal in Refusal:
        assert_within_limits(refusal_view(refusal, locale=locale))
    for feature in PremiumFeature:
        view = locked_view(feature, website_url=WEBSITE, locale=locale)
        assert_within_limits(view)
        assert links(view) == [WEBSITE]
        assert links(locked_view(feature, website_url=None, locale=locale)) == []
