"""The runbook has a chapter for each alert and a line for each error code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from moddy.errors import ModdyError

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations"


def codes(kind: type[ModdyError] = ModdyError) -> Iterator[str]:
    for child in kind.__subclasses__():
        if child.__module__ == "moddy.errors":
            yield child.code
            yield from codes(child)


def test_every_error_code_is_explained() -> None:
    table = (OPERATIONS / "runbook.md").read_text().partition("## Error codes")[2]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    explained = {code for row in rows for code in re.findall(r"`(\w+)`", row)}
    assert explained == set(codes())


def test_every_alert_has_its_chapter() -> None:
    runbook = (OPERATIONS / "runbook.md").read_text()
    alerts = (OPERATIONS / "alerts.yml").read_text()
    names = re.findall(r"alert: (\w+)", alerts)
    assert re.findall(r"^### (\w+)$", runbook, re.MULTILINE) == names
    assert re.findall(r"runbook.md#(\w+)", alerts) == [name.lower() for name in names]


def test_links_lead_somewhere() -> None:
    for page in OPERATIONS.glob("*.md"):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), (page.name, target)
