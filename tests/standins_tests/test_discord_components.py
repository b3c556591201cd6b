"""The limits of a message body, as Discord enforces them."""

from typing import Any

import pytest

from tests.standins.discord.components import V2_FLAG, check_message, walk, with_component_ids
from tests.standins.discord.errors import DiscordError

TEXT = {"type": 10, "content": "hello"}
BUTTON = {"type": 2, "style": 1, "label": "Go", "custom_id": "go"}
LINK = {"type": 2, "style": 5, "label": "Go", "url": "https://example.com"}
ROW = {"type": 1, "components": [BUTTON]}


def v2(*components: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"flags": V2_FLAG, "components": list(components), **more}


def section(accessory: dict[str, Any]) -> dict[str, Any]:
    return {"type": 9, "components": [TEXT], "accessory": accessory}


@pytest.mark.parametrize(
    "body",
    [
        {"content": "x" * 2000},
        {"content": "hello", "components": [ROW]},
        {"embeds": [{"title": "hello"}]},
        v2(*[TEXT] * 40),
        v2({"type": 10, "content": "x" * 4000}),
        v2({"type": 17, "components": [TEXT, ROW, section(LINK)]}),
    ],
)
def test_accepted(body: dict[str, Any]) -> None:
    check_message(body)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, 50006),
        ({"content": "x" * 2001}, 50035),
        ({"content": "x", "nonce": "n" * 26}, 50035),
        ({"content": "x", "components": [TEXT]}, 50035),
        ({"content": "x", "components": [BUTTON]}, 50035),
        ({"content": "x", "components": [{"type": 1, "components": []}]}, 50035),
        ({"content": "x", "components": [ROW, ROW]}, 50035),  # the same custom id twice
        (v2(), 50006),
        (v2(TEXT, content="x"), 50035),
        (v2(TEXT, embeds=[{"title": "x"}]), 50035),
        (v2(*[TEXT] * 41), 50035),
        (v2({"type": 17, "components": [TEXT] * 40}), 50035),
        (v2(*[{"type": 10, "content": "x" * 2001}] * 2), 50035),
        (v2({"type": 10, "content": ""}), 50035),
        (v2({"type": 1, "components": [{**BUTTON, "label": "x" * 81}]}), 50035),
        (v2({"type": 1, "components": [{**BUTTON, "custom_id": "x" * 101}]}), 50035),
        (v2({"type": 1, "components": [{**LINK, "url": None}]}), 50035),
    ],
)
def test_refused(body: dict[str, Any], code: int) -> None:
    with pytest.raises(DiscordError) as refused:
        check_message(body)
    assert (refused.value.status, refused.value.code) == (400, code)


def test_v2_message_stays_v2_when_edited() -> None:
    check_message({"components": [TEXT]}, already_v2=True, editing=True)
    with pytest.raises(DiscordError):
        check_message({"content": "x"}, already_v2=True, editing=True)


def test_components_come_back_with_ids() -> None:
    answered = with_component_ids([{"type": 17, "components": [{**TEXT, "id": 2}, section(LINK)]}])
    ids = [part["id"] for part in walk(answered)]
    assert ids == [1, 2, 3, 4, 5]
