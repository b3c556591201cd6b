"""The alert rules and the dashboard: they are well formed, and read what Moddy tells."""

from __future__ import annotations

import json
import re

import pytest

from moddy.metrics import Metrics
from moddy.services.passes import Counters
from tests.packaging.project import ROOT
from tests.promtool import run_promtool

OPERATIONS = ROOT / "docs" / "operations"
ALERTS = (OPERATIONS / "alerts.yml").read_text()
RULE_TESTS = (OPERATIONS / "alerts_test.yml").read_text()
DASHBOARD = json.loads((OPERATIONS / "grafana.json").read_text())
NAME = re.compile(r"\b(?:moddy|process)_[a-z_]+")


def exposed() -> set[str]:
    """Return the names of all series that Moddy tells Prometheus of."""
    names: set[str] = set()
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", Metrics().render().decode(), re.M):
        parts = ("_bucket", "_sum", "_count") if kind == "histogram" else ("",)
        names |= {name + part for part in parts}
    return names


def expressions() -> list[str]:
    """Return what the dashboard asks for."""
    return [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]


def test_alerts_read_what_there_is() -> None:
    read = set(NAME.findall(ALERTS))
    assert read
    assert read <= exposed()


def test_what_is_asked_of_reconciliation_is_counted() -> None:
    asked = set(re.findall(r'what="(\w+)"', ALERTS + "".join(expressions())))
    assert "held" in asked
    assert asked <= set(Counters.__struct_fields__)


def test_dashboard_reads_what_there_is() -> None:
    read = {name for expression in expressions() for name in NAME.findall(expression)}
    assert read <= exposed()


def test_dashboard_shows_all_there_is() -> None:
    read = {name for expression in expressions() for name in NAME.findall(expression)}
    shown = {re.sub(r"_(bucket|sum|count)$", "", name) for name in read}
    own = {name for name in exposed() if name.startswith("moddy_")}
    assert {re.sub(r"_(bucket|sum|count)$", "", name) for name in own} <= shown


def test_panels_do_not_overlap() -> None:
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in DASHBOARD["panels"]}
    assert len(places) == len({panel["id"] for panel in DASHBOARD["panels"]})
    assert len(places) == len(DASHBOARD["panels"])
    for panel in DASHBOARD["panels"]:
        assert (panel["gridPos"]["w"], panel["gridPos"]["h"]) == (8, 7)


def test_rules_are_well_formed() -> None:
    written = run_promtool("check", "rules", "alerts.yml", directory=OPERATIONS)
    assert f"SUCCESS: {len(re.findall('- alert:', ALERTS))} rules found" in written


def test_rules_fire_when_they_should_and_only_then() -> None:
    assert "SUCCESS" in run_promtool("test", "rules", "alerts_test.yml", directory=OPERATIONS)


@pytest.mark.parametrize("name", re.findall(r"- alert: (\w+)", ALERTS))
def test_each_rule_is_tested_both_ways(name: str) -> None:
    expected = re.findall(rf"alertname: {name}\b[^}}]*?exp_alerts:( \[\])?", RULE_TESTS)
    assert set(expected) == {"", " []"}
