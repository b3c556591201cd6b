"""A pytest plugin: says which tests were skipped and why; on CI a skip is a failure."""

from __future__ import annotations

import os
from collections import Counter

import pytest


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Turn a run that passed with skipped tests into a failed one, on CI."""
    reporter = _find_reporter(session.config)
    skipped = reporter is not None and reporter.stats.get("skipped")
    if skipped and os.environ.get("CI") and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Write one line for each reason to skip, with the number of tests."""
    reports = terminalreporter.stats.get("skipped", [])
    reasons = Counter(_read_reason(report) for report in reports)
    for reason, number in sorted(reasons.items()):
        terminalreporter.write_line(f"skipped: {reason} ({number})")
    if reasons and os.environ.get("CI"):
        terminalreporter.write_line("FAILED: on CI a skipped test is a failure", red=True)


def _find_reporter(config: pytest.Config) -> pytest.TerminalReporter | None:
    """Return what counts the outcomes; a pytest-xdist worker has none."""
    plugin = config.pluginmanager.get_plugin("terminalreporter")
    return plugin if isinstance(plugin, pytest.TerminalReporter) else None


def _read_reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Return why a test or file was skipped, as it was given."""
    if isinstance(report.longrepr, tuple):
        return report.longrepr[2].removeprefix("Skipped: ")
    return str(report.longrepr)
