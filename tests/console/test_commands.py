"""``moddy deliveries …`` as it is typed, over both databases."""

from __future__ import annotations

import json
from datetime import timedelta

import msgspec
import pytest
import sqlalchemy as sa

from moddy.console.acts import DeliveryNotFound, read_actor
from moddy.errors import SchemaTooNew, SchemaTooOld
from moddy.ports import SystemClock
from moddy.store.deliveries import LEASE, DeliveryKind, DeliveryState
from moddy.store.migrate import HEAD
from tests.console.conftest import Terminal
from tests.store.rows import ADA, BEN

HOUR = timedelta(hours=1)
PLANTED = "planted@example.org"
PAYLOAD = msgspec.json.encode(
    {
        "action": "subscription_created",
        "plan": PLANTED,
        "ends_at": None,
        "metadata": {
            "message": PLANTED,
            "changes": [PLANTED],
            "event_id": PLANTED,
            "new_plan": "moddy_max",
            "old_plan": f"\x1b[31m{PLANTED}",
        },
    }
)


def test_lists_what_is_not_finished_well_newest_last(terminal: Terminal) -> None:
    for number, state in enumerate(DeliveryState, 1):
        terminal.add(number, state, tries=number, last_error="discord_unavailable")
    result = terminal.type()
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    states = [line.split()[1] for line in lines[lines.index("") + 2 :]]
    assert states == ["pending", "waiting", "kept", "dead", "uncertain"]
    counts = " ".join(lines[: lines.index("")])
    assert sorted(counts.split(", ")) == sorted(f"{state.value} 1" for state in DeliveryState)
    assert terminal.type("list").stdout == result.stdout


def test_lists_a_selection(terminal: Terminal) -> None:
    first = terminal.add(1)
    roles = terminal.add(2, kind=DeliveryKind.ROLES)
    bens = terminal.add(3, user_id=BEN, age=HOUR)
    done = terminal.add(4, DeliveryState.DELIVERED, user_id=BEN, age=HOUR)

    def ids(*options: str) -> list[str]:
        result = terminal.type("list", "--json", *options)
        assert result.exit_code == 0
        return [row["id"] for row in json.loads(result.stdout)["deliveries"]]

    assert ids() == [first, roles, bens]
    assert ids("--limit", "2") == [roles, bens]
    assert ids("--kind", "roles") == [roles]
    assert ids("--user", BEN) == [bens]
    assert ids("--user", BEN, "--state", "delivered", "--state", "dead") == [bens, done]
    assert terminal.type("list", "--limit", "2").stdout.endswith("--limit shows more\n")
    assert terminal.type("list", "--kind", "event").stdout == "no deliveries\nnothing to show\n"


def test_json_has_every_fact_of_a_row(terminal: Terminal) -> None:
    terminal.add(1, tries=7, last_error="timeout", age=HOUR)
    found = json.loads(terminal.type("list", "--json").stdout)
    [row] = found["deliveries"]
    assert found["counts"] == {"dead": 1}
    assert (row["user_id"], row["kind"], row["state"]) == (ADA, "notify", "dead")
    assert (row["tries"], row["last_error"], row["leased"]) == (7, "timeout", False)
    assert 3600 <= row["age_seconds"] < 3660


def test_shows_a_delivery_by_the_beginning_of_its_id(terminal: Terminal) -> None:
    first = terminal.add(1, tries=12, last_error="discord_unavailable")
    second = terminal.add(2)
    assert first in terminal.type("show", first).stdout
    assert second in terminal.type("show", "00000002").stdout
    ambiguous = terminal.type("show", "0000000")
    assert isinstance(ambiguous.exception, DeliveryNotFound)
    assert "several deliveries" in str(ambiguous.exception)
    unknown = terminal.type("show", "ff")
    assert isinstance(unknown.exception, DeliveryNotFound)
    assert "no delivery" in str(unknown.exception)


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_nothing_that_the_customer_reads_or_wrote_is_shown(
    terminal: Terminal, options: list[str]
) -> None:
    one = terminal.add(
        1,
        payload=PAYLOAD,
        last_error=PLANTED,
        request_id=f"\x1b{PLANTED}",
        idempotency_key=PLANTED,
    )
    outputs = [terminal.type("show", one, *options), terminal.type("list", *options)]
    for result in outputs:
        assert result.exit_code == 0
        assert "planted" not in result.output
        assert "\x1b" not in result.output
        assert "u001b" not in result.output
    assert "moddy_max" in outputs[0].output


@pytest.mark.parametrize(
    ("state", "answer", "arguments"),
    [
        (DeliveryState.DEAD, None, []),
        (DeliveryState.REFUSED, None, []),
        (DeliveryState.KEPT, None, []),
        (DeliveryState.UNCERTAIN, "y\n", []),
        (DeliveryState.UNCERTAIN, None, ["--yes"]),
    ],
)
def test_retries(
    terminal: Terminal, state: DeliveryState, answer: str | None, arguments: list[str]
) -> None:
    before = SystemClock().now()
    since = before - HOUR
    one = terminal.add(1, state, tries=9, due_at=None, sending_since=since, finished_at=before)
    result = terminal.type("retry", one[:10], *arguments, answer=answer)
    assert result.exit_code == 0
    assert result.stdout.startswith("1 delivery retried\n")
    names = ("state", "tries", "finished_at", "leased_until")
    assert terminal.read(one, *names) == ["pending", 0, None, None]
    due_at, retried_at, created_at = terminal.read(one, "due_at", "retried_at", "created_at")
    assert before <= due_at == retried_at <= SystemClock().now()
    assert created_at < before - 79 * HOUR
    # Only a person may decide that a message is sent although it may have been already.
    [open_since] = terminal.read(one, "sending_since")
    assert open_since == (None if state is DeliveryState.UNCERTAIN else since)
    [trace] = json.loads(terminal.type("show", one, "--json").stdout)["by_hand"]
    assert (trace["action"], trace["old_state"]) == ("retry", state.value)
    assert trace["actor"] == read_actor()
    [line] = terminal.log
    assert (line["event"], line["delivery_id"]) == ("delivery changed by hand", one)
    assert (line["action"], line["old_state"]) == ("retry", state.value)
    assert line["actor"] == read_actor()
    assert f"retry by {read_actor()}"[:40] in terminal.type("show", one).stdout


@pytest.mark.parametrize("answer", ["n\n", "\n", ""])
def test_an_uncertain_one_is_not_retried_without_consent(terminal: Terminal, answer: str) -> None:
    dead, uncertain = terminal.add(1), terminal.add(2, DeliveryState.UNCERTAIN)
    result = terminal.type("retry", dead, uncertain, answer=answer)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "1 delivery may have been sent already" in result.stderr
    assert "nothing was changed" in result.stderr
    assert terminal.read(dead, "state") + terminal.read(uncertain, "state") == ["dead", "uncertain"]
    assert terminal.type("show", dead, "--json").stdout.endswith('"by_hand":[]}\n')


def test_retries_all_of_a_state(terminal: Terminal) -> None:
    dead = [terminal.add(number) for number in range(1, 4)]
    refused = terminal.add(9, DeliveryState.REFUSED)
    assert terminal.type("retry", "--state", "dead").stdout.startswith("3 deliveries retried\n")
    assert [terminal.read(one, "state") for one in dead] == [["pending"]] * 3
    assert terminal.read(refused, "state") == ["refused"]
    assert terminal.type("retry", "--state", "dead").stdout == "0 deliveries retried\n"


def test_an_older_role_update_is_not_retried(terminal: Terminal) -> None:
    older, newer = (terminal.add(number, kind=DeliveryKind.ROLES) for number in (1, 2))
    result = terminal.type("retry", older, newer)
    assert result.exit_code == 1
    assert result.stdout.startswith("1 delivery retried\n")
    assert result.stderr == (
        f"{older[:12]}: a newer role update was accepted since, which it would undo\n"
    )
    assert terminal.read(older, "state") + terminal.read(newer, "state") == ["dead", "pending"]


@pytest.mark.parametrize(
    ("command", "states"),
    [
        ("retry", ["pending", "waiting", "delivered", "shown", "replaced", "stale"]),
        ("drop", ["delivered", "shown", "refused", "replaced", "stale"]),
    ],
)
def test_not_in_these_states(terminal: Terminal, command: str, states: list[str]) -> None:
    ids = [terminal.add(number, DeliveryState(state)) for number, state in enumerate(states)]
    result = terminal.type(command, *ids, "--yes")
    assert result.exit_code == 1
    assert result.stdout.startswith("0 deliveries ")
    for delivery_id, state, line in zip(ids, states, result.stderr.splitlines(), strict=True):
        assert line.startswith(f"{delivery_id[:12]}: it is {state}")
        assert terminal.read(delivery_id, "state", "retried_at") == [state, None]


@pytest.mark.parametrize("state", ["pending", "waiting", "kept", "uncertain", "dead"])
def test_drops(terminal: Terminal, state: str) -> None:
    one = terminal.add(1, DeliveryState(state), due_at=SystemClock().now())
    refused = terminal.type("drop", one, answer="n\n")
    assert (refused.exit_code, terminal.read(one, "state")) == (1, [state])
    result = terminal.type("drop", one, "--yes")
    assert (result.exit_code, result.stdout) == (0, "1 delivery dropped\n")
    assert terminal.read(one, "state", "due_at", "leased_until") == ["dropped", None, None]
    assert terminal.read(one, "finished_at") != [None]
    assert "dropped: by hand" in terminal.type("show", one).stdout
    assert "dropped 1" in terminal.type("list").stdout
    again = terminal.type("drop", one, "--yes")
    assert again.exit_code == 1
    assert again.stderr == f"{one[:12]}: it is dropped, so there is nothing left to drop\n"


@pytest.mark.parametrize(("command", "state"), [("drop", "pending"), ("retry", "kept")])
def test_what_a_running_moddy_holds_is_not_touched(
    terminal: Terminal, command: str, state: str
) -> None:
    until = SystemClock().now() + LEASE
    held = terminal.add(1, DeliveryState(state), leased_until=until)
    free = terminal.add(2, DeliveryState(state), leased_until=until - 2 * LEASE)
    assert "in hand" in terminal.type("list").stdout
    result = terminal.type(command, held, free, *(["--yes"] if command == "drop" else []))
    assert result.exit_code == 1
    assert result.stdout.startswith("1 delivery ")
    assert result.stderr == (
        f"{held[:12]}: a running Moddy is at work on it right now; try again in a minute\n"
    )
    assert terminal.read(held, "state", "leased_until") == [state, until]
    assert terminal.read(free, "leased_until") == [None]


@pytest.mark.parametrize(
    "arguments",
    [
        ["retry"],
        ["retry", "--state", "delivered"],
        ["retry", "00", "--state", "dead"],
        ["retry", "not-an-id"],
        ["drop"],
        ["show"],
        ["list", "--user", "ada"],
        ["list", "--limit", "0"],
    ],
)
def test_usage(terminal: Terminal, arguments: list[str]) -> None:
    assert terminal.type(*arguments).exit_code == 2


@pytest.mark.parametrize(
    ("revision", "error", "text"),
    [("0001", SchemaTooOld, "run `moddy migrate`"), ("9999", SchemaTooNew, "use the newer Moddy")],
)
def test_another_schema_is_left_alone(
    terminal: Terminal, revision: str, error: type[Exception], text: str
) -> None:
    one = terminal.add(1)

    def change(to: str) -> None:
        terminal.execute(sa.text(f"UPDATE alembic_version SET version_num = '{to}'"))  # noqa: S608

    change(revision)
    try:
        for arguments in (["list"], ["show", one], ["retry", one], ["drop", one, "--yes"]):
            failure = terminal.type(*arguments).exception
            assert isinstance(failure, error)
            assert text in str(failure)
            assert "\n" not in str(failure)
        assert terminal.read(one, "state") == ["dead"]
    finally:
        change(HEAD)
