"""One line in the log for each command and press, whoever gave it and however it ended."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from moddy.cogs.command_lines import CommandLines
from moddy.cogs.customers import USES
from moddy.errors import BackendTimeout
from moddy.sandbox.world import AGENT, CUSTOMER
from moddy.store.database import Database
from tests.cogs.conftest import Office
from tests.cogs.staff_office import SUBSCRIPTION, StaffOffice, invoices, open_staff_office

WORDS = "words of somebody"


class Lines:
    """What is logged of commands and presses."""

    def __init__(self, logged: list[Any]) -> None:
        self._logged = logged

    def take(self) -> dict[str, Any]:
        """Return the only line so far, its time apart, and forget it."""
        (line,) = (dict(line) for line in self._logged if "outcome" in line)
        self._logged.clear()
        assert 0 <= line.pop("milliseconds") < 10_000
        line.pop("exc_info", None)  # of which the log tells type and place
        assert WORDS not in str(line)
        return line


@pytest.fixture
async def staff_office(database: Database) -> AsyncIterator[StaffOffice]:
    async with open_staff_office(database) as office:
        yield office


@pytest.fixture
def lines() -> Iterator[Lines]:
    with capture_logs() as logged:
        yield Lines(logged)


async def test_slash_command_that_worked(office: Office, lines: Lines) -> None:
    await office.bot.add_cog(CommandLines(), override=True)
    await office.run(CUSTOMER, "profile")
    await office.world.env.settle()
    assert lines.take() == {
        "event": "command",
        "log_level": "info",
        "command": "profile",
        "outcome": "done",
        "discord_id": office.user_id(CUSTOMER),
    }


async def test_slash_command_that_failed(office: Office, lines: Lines) -> None:
    office.backend.error = BackendTimeout(WORDS)
    await office.run(CUSTOMER, "subscription")
    line = lines.take()
    assert len(line.pop("error_id")) == 8
    assert line == {
        "event": "command failed",
        "log_level": "warning",
        "command": "subscription",
        "outcome": "failed",
        "discord_id": office.user_id(CUSTOMER),
        "error": "backend_timeout",
    }


async def test_slash_command_with_a_fault_of_ours(office: Office, lines: Lines) -> None:
    office.backend.error = RuntimeError(WORDS)
    await office.run(CUSTOMER, "subscription")
    line = lines.take()
    assert (line["event"], line["log_level"]) == ("command failed", "error")
    assert (line["command"], line["outcome"]) == ("subscription", "failed")
    assert len(line["error_id"]) == 8


async def test_slash_command_that_was_refused_at_once(office: Office, lines: Lines) -> None:
    """Before the command did anything, and so before any listener ran."""
    for _ in range(USES + 1):
        await office.run(CUSTOMER, "profile")
    line = lines.take()
    assert (line["event"], line["outcome"]) == ("command refused", "refused")
    assert line["error"] == "too_soon"


async def test_press(office: Office, lines: Lines) -> None:
    office.backend.subscription = SUBSCRIPTION
    office.backend.invoices = invoices(9)
    (answer,) = await office.run(CUSTOMER, "subscription")
    await office.click(CUSTOMER, answer, "Invoices")
    line = lines.take()
    assert (line["event"], line["press"], line["outcome"]) == ("press", "invoices", "done")
    assert line["discord_id"] == office.user_id(CUSTOMER)


async def test_press_of_a_button_that_somebody_made_up(office: Office, lines: Lines) -> None:
    message = await office.post_button(f"{WORDS}:1")
    await office.click(CUSTOMER, message, "Press")
    line = lines.take()
    assert (line["event"], line["press"]) == ("press refused", None)
    assert line["error"] == "control_out_of_date"


async def test_mention(staff_office: StaffOffice, lines: Lines) -> None:
    customer = staff_office.user_id(CUSTOMER)
    words = f"sup.subscription <@{customer}>"
    await staff_office.mention(AGENT, words, channel=staff_office.world.staff_channel)
    await staff_office.world.env.settle()
    assert lines.take() == {
        "event": "command",
        "log_level": "info",
        "command": "sup.subscription",
        "outcome": "done",
        "discord_id": staff_office.user_id(AGENT),
    }


async def test_mention_that_was_refused(staff_office: StaffOffice, lines: Lines) -> None:
    customer = staff_office.user_id(CUSTOMER)
    words = f"sup.subscription <@{customer}> {WORDS}"
    await staff_office.mention(CUSTOMER, words)
    line = lines.take()
    assert (line["event"], line["outcome"]) == ("staff refused", "refused")
    assert line["discord_id"] == customer
