"""What the commands say, in lines of at most 80 columns and without colours."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from msgspec import structs

from moddy.console.acts import Details, Listing
from moddy.console.facts import harmless, moment
from moddy.store.console import RETRYABLE, STATES, Obstacle, Row

WIDTH = 80
# Hexadecimal digits; as good as unique, and short enough to read out.
SHORT_ID = 12
_LABEL = 20
_COLUMNS = "{:<12}  {:<9}  {:<6}  {:>4}  {:>5}  {:<10}  {}"
_ERROR_WIDTH = 22

MEANINGS: Mapping[str, str] = {
    "pending": "to be delivered",
    "waiting": "for the member to join the server",
    "kept": "direct messages are closed; shown with the user's next command",
    "delivered": "done",
    "shown": "done: shown with a command, as direct messages are closed",
    "refused": "can never succeed as things stand",
    "replaced": "by a newer role update",
    "stale": "older than what was known already",
    "dead": "given up after many tries",
    "uncertain": "may have been sent; a person has to decide",
    "dropped": "by hand; never to be delivered",
}
OBSTACLES: Mapping[Obstacle, str] = {
    Obstacle.GONE: "it is no longer there",
    Obstacle.LEASED: "a running Moddy is at work on it right now; try again in a minute",
    Obstacle.CHANGED: "its state has just changed; look again",
    Obstacle.OUTDATED: "a newer role update was accepted since, which it would undo",
}
UNCERTAIN_WARNING = """\
{count} may have been sent already: Moddy was interrupted before it could note the outcome.
Look at the conversation on Discord, or ask the customer: they may get the message twice."""


def listing_lines(listing: Listing, now: datetime, *, limit: int) -> Iterator[str]:
    """Yield the list: counts, then a row for each delivery, newest last."""
    yield from textwrap.wrap(_counts(listing.counts), WIDTH)
    if not listing.rows:
        yield "nothing to show"
        return
    yield ""
    yield _COLUMNS.format("ID", "STATE", "KIND", "AGE", "TRIES", "NEXT TRY", "LAST ERROR")
    for row in listing.rows:
        yield _COLUMNS.format(
            row.id[:SHORT_ID],
            row.state,
            row.kind[:6],
            span(now - row.created_at),
            row.tries,
            next_try(row, now),
            _cut(harmless(row.last_error) or "-", _ERROR_WIDTH),
        )
    if len(listing.rows) == limit:
        yield f"the newest {limit}; --limit shows more"


def _counts(counts: Mapping[str, int]) -> str:
    order = [*STATES, *sorted(counts.keys() - set(STATES))]
    present = (f"{state} {counts[state]}" for state in order if counts.get(state))
    return ", ".join(present) or "no deliveries"


def detail_lines(details: Details, now: datetime) -> Iterator[str]:
    """Yield all facts of one delivery, and what people did to it."""
    row = details.row
    state = f"{row.state}: {MEANINGS[row.state]}" if row.state in MEANINGS else row.state
    facts: list[tuple[str, str | None]] = [
        ("id", row.id),
        ("kind", row.kind),
        ("user", row.user_id),
        ("state", state),
        ("accepted", _ago(row.created_at, now)),
        ("tries", str(row.tries)),
        ("next try", next_try(row, now)),
        ("last error", harmless(row.last_error)),
        ("maybe sent since", _ago(row.sending_since, now)),
        ("retried by hand", _ago(row.retried_at, now)),
        ("finished", _ago(row.finished_at, now)),
        ("answer", f"HTTP {details.answer_status}" if details.answer_status else None),
        ("request", harmless(row.request_id)),
        *details.facts.items(),
    ]
    for name, text in facts:
        if text:
            yield from _fact(name, text)
    for act in details.acts:
        text = f"{act.action} by {_printable(act.actor)}, was {act.old_state}"
        yield from _fact(moment(act.at) or "", text, label=len("2025-01-01 12:00:00 UTC") + 2)


def _fact(name: str, text: str, label: int = _LABEL) -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent=name.ljust(label), subsequent_indent=" " * label
    )


def listing_json(listing: Listing, now: datetime) -> dict[str, Any]:
    """Return the list for machines."""
    rows = [row_json(row, now) for row in listing.rows]
    return {"counts": listing.counts, "deliveries": rows}


def detail_json(details: Details, now: datetime) -> dict[str, Any]:
    """Return all facts of one delivery for machines."""
    acts = [
        {"action": a.action, "actor": a.actor, "old_state": a.old_state, "at": a.at}
        for a in details.acts
    ]
    return {
        **row_json(details.row, now),
        "answer_status": details.answer_status,
        "facts": {name.replace(" ", "_"): text for name, text in details.facts.items()},
        "by_hand": acts,
    }


def row_json(row: Row, now: datetime) -> dict[str, Any]:
    """Return one delivery for machines; times are ISO 8601."""
    fields = structs.asdict(row)
    fields["last_error"] = harmless(row.last_error)
    fields["request_id"] = harmless(row.request_id)
    fields["age_seconds"] = int((now - row.created_at).total_seconds())
    fields["leased"] = row.is_leased(now)
    return fields


def retry_refusal(row: Row) -> str:
    """Return why a delivery of this state is not to be retried."""
    if row.state == "pending":
        return "it is pending: Moddy tries it by itself"
    return f"it is {row.state}; only {', '.join(RETRYABLE)} ones can be retried"


def drop_refusal(row: Row) -> str:
    """Return why a delivery of this state is not to be dropped."""
    return f"it is {row.state}, so there is nothing left to drop"


def next_try(row: Row, now: datetime) -> str:
    """Return when Moddy tries it next, in few words."""
    if row.is_leased(now):
        return "in hand"
    if row.state != "pending" or row.due_at is None:
        return "-"
    return "now" if row.due_at <= now else f"in {span(row.due_at - now)}"


def span(duration: timedelta) -> str:
    """Return a duration in its largest useful unit: 59s, 59m, 47h, 3d."""
    seconds = max(0, int(duration.total_seconds()))
    if seconds < 60:
        return f"{seconds}s"
    if seconds < 3600:
        return f"{seconds // 60}m"
    if seconds < 48 * 3600:
        return f"{seconds // 3600}h"
    return f"{seconds // 86400}d"


def deliveries_count(number: int) -> str:
    """Return a number of deliveries in words."""
    return "1 delivery" if number == 1 else f"{number} deliveries"


def _ago(at: datetime | None, now: datetime) -> str | None:
    return f"{moment(at)} ({span(now - at)} ago)" if at else None


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)
