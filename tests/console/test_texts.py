"""The texts by themselves: a fixed moment, fixed rows."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from moddy.console.acts import Details, Listing
from moddy.console.facts import read_facts
from moddy.console.texts import MEANINGS, OBSTACLES, detail_lines, listing_lines, span
from moddy.store.console import STATES, Act, Obstacle, Row
from tests.fakes import START

HOUR = timedelta(hours=1)
ROW = Row(
    id="0123456789abcdef01234567",
    kind="notify",
    user_id="18446744073709551615",
    state="uncertain",
    tries=3,
    last_error="discord_unavailable",
    request_id="request-1",
    created_at=START - 80 * HOUR,
    due_at=None,
    leased_until=None,
    sending_since=START - HOUR,
    retried_at=None,
    finished_at=START - HOUR,
)


def row(**values: object) -> Row:
    return msgspec.structs.replace(ROW, **values)


def test_the_list() -> None:
    rows = [
        ROW,
        row(state="pending", created_at=START - HOUR, due_at=START + HOUR / 2, last_error=None),
        row(kind="newer-kind", state="pending", due_at=START, last_error="e" * 64, tries=12345),
    ]
    counts = {"delivered": 1234, "uncertain": 1, "pending": 2, "newer": 1}
    assert list(listing_lines(Listing(counts=counts, rows=rows), START, limit=3)) == [
        "pending 2, delivered 1234, uncertain 1, newer 1",
        "",
        "ID            STATE      KIND     AGE  TRIES  NEXT TRY    LAST ERROR",
        "0123456789ab  uncertain  notify    3d      3  -           discord_unavailable",
        "0123456789ab  pending    notify    1h      3  in 30m      -",
        "0123456789ab  pending    newer-    3d  12345  now         eeeeeeeeeeeeeeeeeeeee…",
        "the newest 3; --limit shows more",
    ]


def test_a_delivery() -> None:
    payload = (
        b'{"action":"subscription_cancelled","plan":"moddy_max","ends_at":"2025-02-01T00:00:00Z",'
        b'"metadata":{"cancel_at_period_end":true,"message":"Dear Ada","amount_minor":9900}}'
    )
    trace = Act(
        delivery_id=ROW.id, action="retry", actor="moddy@host", old_state="dead", at=START - HOUR
    )
    details = Details(row=ROW, facts=read_facts("notify", payload), answer_status=202, acts=[trace])
    assert list(detail_lines(details, START)) == [
        "id                  0123456789abcdef01234567",
        "kind                notify",
        "user                18446744073709551615",
        "state               uncertain: may have been sent; a person has to decide",
        "accepted            2024-12-29 04:00:00 UTC (3d ago)",
        "tries               3",
        "next try            -",
        "last error          discord_unavailable",
        "maybe sent since    2025-01-01 11:00:00 UTC (1h ago)",
        "finished            2025-01-01 11:00:00 UTC (1h ago)",
        "answer              HTTP 202",
        "request             request-1",
        "action              subscription_cancelled",
        "plan                moddy_max",
        "ends at period end  yes",
        "premium until       2025-02-01 00:00:00 UTC",
        "2025-01-01 11:00:00 UTC  retry by moddy@host, was dead",
    ]


def test_facts_of_each_kind() -> None:
    roles = b'{"guild_id":"1","add":["2","3"],"remove":[]}'
    assert read_facts("roles", roles) == {"guild": "1", "add roles": "2 3"}
    event = b'{"event_type":"message_sent","metadata":{"content":"hello"}}'
    assert read_facts("event", event) == {"event": "message_sent"}
    unreadable = {"content": "not readable by this version"}
    assert read_facts("newer", b"{}") == unreadable
    assert read_facts("notify", b"\xff") == unreadable
    assert read_facts("roles", b'{"add":"2"}') == unreadable


def test_spans() -> None:
    seconds = [-5, 0, 59, 60, 3599, 3600, 47 * 3600, 48 * 3600, 400 * 86400]
    spans = [span(timedelta(seconds=one)) for one in seconds]
    assert spans == ["0s", "0s", "59s", "1m", "59m", "1h", "47h", "2d", "400d"]


def test_every_state_and_obstacle_is_explained() -> None:
    assert set(MEANINGS) == set(STATES)
    assert set(OBSTACLES) == set(Obstacle)
