"""A pytest plugin: says which tests were skipped and why; on CI a skip is a failure.

But not one for want of namespaces: where CI itself runs in a container, nobody may make them.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable

import pytest

NO_NAMESPACES = "a container needs mount and PID namespaces"


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Turn a run that passed with skipped tests into a failed one, on CI."""
    reporter = _find_reporter(session.config)
    reasons = _count_reasons(reporter) if reporter is not None else ()
    if _are_failures(reasons) and os.environ.get("CI") and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Write one line for each reason to skip, with the number of tests."""
    reasons = _count_reasons(terminalreporter)
    for reason, number in sorted(reasons.items()):
        terminalreporter.write_line(f"skipped: {reason} ({number})")
    if _are_failures(reasons) and os.environ.get("CI"):
        terminalreporter.write_line("FAILED: on CI a skipped test is a failure", red=True)


def _count_reasons(reporter: pytest.TerminalReporter) -> Counter[str]:
    return Counter(_read_reason(report) for report in reporter.stats.get("skipped", []))


def _are_failures(reasons: Iterable[str]) -> bool:
    return not all(reason.startswith(NO_NAMESPACES) for reason in reasons)


def _find_reporter(config: pytest.Config) -> pytest.TerminalReporter | None:
    """Return what counts the outcomes; a pytest-xdist worker has none."""
    plugin = config.pluginmanager.get_plugin("terminalreporter")
    return plugin if isinstance(plugin, pytest.TerminalReporter) else None


def _read_reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Return why a test or file was skipped, as it was given."""
    if isinstance(report.longrepr, tuple):
        return report.longrepr[2].removeprefix("Skipped: ")
    return str(report.longrepr)
