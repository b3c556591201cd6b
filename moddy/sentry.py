"""Errors to Sentry, when there is a DSN: what the log says of them, and nothing else.

Sentry's own integrations stay off: they would send requests, local variables and the texts of
exceptions. Source: https://docs.sentry.io/platforms/python/configuration/options/
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from moddy import __version__
from moddy.errors import SettingsError

if TYPE_CHECKING:
    from sentry_sdk.types import DataCollectionUserOptions

LEVELS = frozenset({"error", "critical"})
# Seconds that the last errors have to be sent when Moddy ends.
FLUSH_TIMEOUT = 2.0
# Identifiers that lead from a report to the log and the store.
TAGS = ("request_id", "error_id", "delivery_id", "kind", "route", "listener", "command", "logger")
Event = MutableMapping[str, Any]
# What is not named here is collected once there is an integration that can.
_NOTHING: DataCollectionUserOptions = {
    "user_info": False,
    "cookies": {"mode": "off"},
    "http_headers": {"request": {"mode": "off"}},
    "http_bodies": [],
    "url_query_params": {"mode": "off"},
    "graphql": {"document": False, "variables": False},
    "gen_ai": {"inputs": False, "outputs": False},
    "database_query_data": False,
    "queues": False,
    "stack_frame_variables": False,
    "frame_context_lines": 0,
}


@contextmanager
def reporting_to(dsn: str) -> Iterator[None]:
    """Report errors to Sentry while the body runs.

    Raises:
        SettingsError: the DSN is none, or the package is not installed.
    """
    try:
        import sentry_sdk  # noqa: PLC0415 (optional)
    except ImportError:
        raise SettingsError(
            ["SENTRY_DSN: needs the package sentry-sdk: pip install 'moddy[sentry]'"]
        ) from None
    try:
        sentry_sdk.init(
            dsn=dsn,
            release=f"moddy@{__version__}",
            default_integrations=False,
            auto_enabling_integrations=False,
            include_local_variables=False,
            include_source_context=False,
            data_collection=_NOTHING,
            max_breadcrumbs=0,
            server_name="moddy",
            shutdown_timeout=FLUSH_TIMEOUT,
        )
    except sentry_sdk.utils.BadDsn:
        raise SettingsError(["SENTRY_DSN: expected a DSN, as Sentry shows it"]) from None
    try:
        yield
    finally:
        # Not another init(): without arguments it takes the DSN of the environment and every
        # integration.
        sentry_sdk.get_client().close(FLUSH_TIMEOUT)
        sentry_sdk.get_global_scope().set_client(None)


def report_error(_logger: object, _method: str, event: Event) -> Event:
    """Report a line of the log when it tells of an error; the line itself stays as it is.

    A processor for structlog, to stand before the one that takes the exception out.
    """
    sdk = sys.modules.get("sentry_sdk")
    if sdk is not None and event.get("level") in LEVELS and sdk.is_initialized():
        sdk.capture_event(_report(event))
    return event


def _report(event: Event) -> dict[str, Any]:
    report: dict[str, Any] = {
        "level": "fatal" if event["level"] == "critical" else "error",
        "logger": event.get("logger"),
        "message": str(event["event"]).partition("\n")[0],
        "tags": {name: str(event[name]) for name in TAGS if event.get(name) is not None},
    }
    error = _exception(event.get("exc_info"))
    if error is not None:
        report["exception"] = {"values": list(_chain(error))[::-1]}
    return report


def _exception(found: object) -> BaseException | None:
    error = found[1] if isinstance(found, tuple) else found
    if error is True:
        error = sys.exception()
    return error if isinstance(error, BaseException) else None


def _chain(error: BaseException) -> Iterator[dict[str, Any]]:
    """Yield an exception and its causes by type and place: their texts may hold anything."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        frames = [
            {
                "filename": Path(frame.filename).name,
                "function": frame.name,
                "lineno": frame.lineno,
                "in_app": "moddy" in Path(frame.filename).parts,
            }
            for frame in traceback.extract_tb(current.__traceback__)
        ]
        yield {"type": type(current).__qualname__, "stacktrace": {"frames": frames}}
        current = current.__cause__ or current.__context__
