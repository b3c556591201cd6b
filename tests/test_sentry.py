"""What Sentry is told: where an error was, and nobody's data."""

from __future__ import annotations

import gzip
import http.client
import http.server
import io
import json
import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import sentry_sdk
import structlog

from moddy.config import LogFormat, LogLevel
from moddy.errors import SettingsError
from moddy.logs import configure_logging
from moddy.sentry import reporting_to

PLANTED = "ada@example.com"


class Sentry:
    """Takes reports, as Sentry does."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        bodies = self.bodies

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                bodies.append(body)
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Say nothing."""

        self.server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        self.dsn = f"http://key@127.0.0.1:{self.server.server_port}/1"

    def reports(self) -> list[dict[str, Any]]:
        """Return the reports so far."""
        return [json.loads(body.splitlines()[2]) for body in self.bodies]


@pytest.fixture
def sentry() -> Iterator[Sentry]:
    sentry = Sentry()
    thread = threading.Thread(target=sentry.server.serve_forever, daemon=True)
    thread.start()
    yield sentry
    sentry.server.shutdown()
    sentry.server.server_close()
    thread.join()


@pytest.fixture
def log() -> Iterator[Any]:
    """Moddy's logging as it runs, into nothing."""
    root = logging.getLogger()
    before = root.handlers, root.level, structlog.get_config()
    configure_logging(LogLevel.INFO, LogFormat.JSON, stream=io.StringIO())
    yield structlog.get_logger("moddy.tests")
    root.handlers, root.level = before[0], before[1]
    structlog.configure(**before[2])


def test_an_error_is_reported_by_type_and_place(sentry: Sentry, log: Any) -> None:
    with reporting_to(sentry.dsn):
        try:
            try:
                raise ValueError(PLANTED)
            except ValueError as error:
                local = PLANTED
                raise RuntimeError(local) from error
        except RuntimeError:
            log.exception("delivery failed unexpectedly", delivery_id="3f9c", email=PLANTED)
        logging.getLogger("aiohttp.server").error("Error handling request", exc_info=False)
        log.warning("only a warning")
    log.error("after the end")
    first, second = sentry.reports()
    assert first["message"] == "delivery failed unexpectedly"
    assert first["tags"] == {"delivery_id": "3f9c", "logger": "moddy.tests"}
    assert [one["type"] for one in first["exception"]["values"]] == ["ValueError", "RuntimeError"]
    frame = first["exception"]["values"][1]["stacktrace"]["frames"][-1]
    assert (frame["filename"], frame["function"]) == (
        "test_sentry.py",
        "test_an_error_is_reported_by_type_and_place",
    )
    assert second["message"] == "Error handling request"
    assert not any(PLANTED.encode() in body for body in sentry.bodies)
    assert first["breadcrumbs"]["values"] == []
    assert first["sdk"]["integrations"] == []


def test_nothing_is_collected_but_what_the_log_says(sentry: Sentry, log: Any) -> None:
    """Whoever adds an integration later still collects nothing by it."""
    with reporting_to(sentry.dsn):
        options = sentry_sdk.get_client().options
        log.error("failed", email=PLANTED)
    collected = options["data_collection"]
    assert collected.pop("provided_by_user")
    assert _values(collected) <= {False, "off"}
    [report] = sentry.reports()
    assert not {"user", "request", "extra"} & set(report)
    assert set(report["contexts"]) == {"trace"}


def _values(tree: Any) -> set[Any]:
    """Return what is in a tree of dicts and lists, without the dicts and lists."""
    if isinstance(tree, dict):
        tree = list(tree.values())
    if isinstance(tree, list):
        return set().union(*map(_values, tree))
    return {tree}


def test_nothing_of_it_is_left_at_the_end(
    sentry: Sentry, log: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENTRY_DSN", sentry.dsn)
    hook, request = sys.excepthook, http.client.HTTPConnection.putrequest
    with reporting_to(sentry.dsn):
        pass
    assert not sentry_sdk.is_initialized()
    assert (sys.excepthook, http.client.HTTPConnection.putrequest) == (hook, request)
    log.error("after the end")
    logging.getLogger("aiohttp.server").error("after the end")
    assert sentry.bodies == []


def test_the_package_complains_of_nothing(sentry: Sentry) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with reporting_to(sentry.dsn):
            pass


def test_without_a_dsn_nothing_is_sent(sentry: Sentry, log: Any) -> None:
    log.error("nobody hears")
    assert sentry.bodies == []


def test_a_dsn_that_is_none() -> None:
    with pytest.raises(SettingsError, match="SENTRY_DSN: expected"), reporting_to("planted"):
        pass
