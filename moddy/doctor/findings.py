"""Findings: one line for each thing that was checked."""

from __future__ import annotations

from enum import Enum

from msgspec import Struct


class Verdict(Enum):
    """How a check ended. Only a FAILURE makes the whole a failure."""

    OK = "ok"
    NOTE = "note"  # works, and may surprise
    FAILURE = "failure"
    SKIPPED = "skipped"  # could not be looked at, because of another failure


class Finding(Struct, frozen=True, kw_only=True):
    """What was checked, what was found, and the exact fix. Never a secret."""

    check: str
    verdict: Verdict
    result: str
    fix: str | None = None


def ok(check: str, result: str) -> Finding:
    """Return that all is well."""
    return Finding(check=check, verdict=Verdict.OK, result=result)


def note(check: str, result: str, fix: str | None = None) -> Finding:
    """Return something that works and may surprise."""
    return Finding(check=check, verdict=Verdict.NOTE, result=result, fix=fix)


def failure(check: str, result: str, fix: str) -> Finding:
    """Return something that does not work, and how to mend it."""
    return Finding(check=check, verdict=Verdict.FAILURE, result=result, fix=fix)


def skipped(check: str, result: str) -> Finding:
    """Return that something could not be looked at."""
    return Finding(check=check, verdict=Verdict.SKIPPED, result=result)
