"""Logging: one stream for Moddy's own lines and the libraries', without anybody's data.

An exception is logged by its type and the places it passed, never by its text: that may hold an
address, a secret or a message.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import threading
import traceback
from collections.abc import MutableMapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

import msgspec
import structlog
from structlog.typing import Processor

from moddy.config import LogFormat, LogLevel
from moddy.log_storms import LogStorms
from moddy.request_ids import current_request_id
from moddy.sentry import LEVELS, report_error

FRAMES = 12
FLUSH_AFTER = 0.1  # seconds
GATHERED_LINES = 1000
# The second tells the stack of a loop that hangs; so does the watchdog, in one line.
_TALKATIVE = frozenset({"asyncio", "discord.gateway"})
_FAST_JSON = msgspec.json.Encoder(enc_hook=str)
_JSON = json.JSONEncoder(default=str, skipkeys=True)


class LineOutput:
    """A stream that lines are written to, each whole.

    With `gather` what is written on a loop waits for up to `FLUSH_AFTER`, so that a busy loop
    makes one system call for many lines; nothing waits that is urgent, and nothing before it.
    """

    def __init__(self, stream: TextIO, *, gather: bool) -> None:
        self._stream = stream
        self._gather = gather
        self._lines: list[str] = []
        # Lines come from threads as well.
        self._lock = threading.Lock()

    def write(self, line: str, *, urgent: bool) -> None:
        """Write a line, now or soon."""
        self._lines.append(line)
        if urgent or not self._gather or len(self._lines) >= GATHERED_LINES:
            self.flush()
        elif len(self._lines) == 1:
            try:
                asyncio.get_running_loop().call_later(FLUSH_AFTER, self.flush)
            except RuntimeError:  # no loop on this thread
                self.flush()

    def flush(self) -> None:
        """Write what has been gathered."""
        with self._lock:
            lines, self._lines = self._lines, []
            if lines:
                self._stream.write("\n".join(lines) + "\n")
                self._stream.flush()


class _Logger:
    """Where structlog hands over Moddy's own lines, rendered."""

    def __init__(self, output: LineOutput, name: str) -> None:
        self.name = name
        self._output = output

    def _write(self, line: str) -> None:
        self._output.write(line, urgent=False)

    def _write_now(self, line: str) -> None:
        self._output.write(line, urgent=True)

    debug = info = _write
    warning = error = critical = _write_now


class _Handler(logging.Handler):
    """The libraries' lines; at exit, `logging.shutdown` flushes it."""

    def __init__(self, output: LineOutput, storms: LogStorms) -> None:
        super().__init__()
        self._output = output
        self._storms = storms

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        try:
            self._output.write(self.format(record), urgent=record.levelno >= logging.WARNING)
        except structlog.DropEvent:
            pass  # it is one of many, and counted
        except Exception:  # noqa: BLE001 (as every handler: a line must not end its writer)
            self.handleError(record)

    def flush(self) -> None:
        """Write what has been gathered and counted."""
        self._storms.flush()
        self._output.flush()


def configure_logging(
    level: LogLevel, form: LogFormat, *, stream: TextIO | None = None, gather: bool = False
) -> None:
    """Send every log line of this process to `stream`, standard output when it is None.

    With `gather` lines below WARNING may be written 100 ms later.
    """
    stream = stream or sys.stdout
    output = LineOutput(stream, gather=gather)
    console = form is LogFormat.CONSOLE or (form is LogFormat.AUTO and stream.isatty())
    renderer: Processor
    if console:
        renderer = structlog.dev.ConsoleRenderer(
            event_key="message", exception_formatter=structlog.dev.plain_traceback
        )
    else:
        renderer = render_json

    def write_count(event: MutableMapping[str, Any]) -> None:
        stamp_and_rename(event)
        output.write(renderer(None, event["level"], event), urgent=True)

    storms = LogStorms(write_count)
    finish = _Finish(storms)
    handler = _Handler(output, storms)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                cut_details,
                finish,
            ],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    number = logging.getLevelNamesMapping()[level.value]
    root = logging.getLogger()
    root.handlers = [handler]
    # Below INFO the libraries log requests and statements with their contents.
    root.setLevel(max(logging.INFO, number))
    logging.getLogger("alembic").setLevel(logging.WARNING)
    # It tells of connections that it could not close, as when the process is ended meanwhile; they
    # are dropped all the same, and what matters of it is raised as well.
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)
    # Moddy's own lines pass by the standard library's loggers, which would double their cost.
    structlog.configure(
        processors=[name_line, finish, renderer],
        logger_factory=lambda name="moddy": _Logger(output, name),
        wrapper_class=structlog.make_filtering_bound_logger(number),
        cache_logger_on_first_use=False,
    )


class _Finish:
    """All that a line of either kind goes through before it is rendered.

    One processor, as a line that tells of no trouble needs little of it, and several would each
    cost a call.
    """

    def __init__(self, storms: LogStorms) -> None:
        self._storms = storms

    def __call__(
        self, logger: object, method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        """Finish a line. Raises structlog.DropEvent when it is only to be counted."""
        self._storms(logger, method, event)
        request_id = current_request_id.get()
        if request_id is not None:
            event.setdefault("request_id", request_id)
        if event["level"] in LEVELS:
            report_error(logger, method, event)
        if "exc_info" in event:
            describe_exception(event)
        stamp_and_rename(event)
        return event


def name_line(
    logger: _Logger, method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Say how bad it is and who says it, in one of Moddy's own lines."""
    event["level"] = method
    event["logger"] = logger.name
    return event


def stamp_and_rename(event: MutableMapping[str, Any]) -> None:
    """Add the time, and call the text as Railway does."""
    event["timestamp"] = msgspec.to_builtins(datetime.now(UTC))  # isoformat() takes twice as long
    event["message"] = event.pop("event")


def render_json(_logger: object, _method: str, event: MutableMapping[str, Any]) -> str:
    """Return a line of ASCII; what JSON does not know is told by its `str()`."""
    try:
        line = _FAST_JSON.encode(event).decode()
    except (TypeError, ValueError, RecursionError):  # half a surrogate pair, a key of another type
        return _JSON.encode(event)
    return line if line.isascii() else _JSON.encode(event)


def describe_exception(event: MutableMapping[str, Any]) -> None:
    """Replace an exception by its type, its causes' types and where it passed."""
    found = event.pop("exc_info", None)
    error = found[1] if isinstance(found, tuple) else found
    if error is True or (found and error is None):
        error = sys.exc_info()[1]
    if isinstance(error, BaseException):
        event["error_type"] = " from ".join(_type_names(error))
        event["error_at"] = " < ".join(_places(error))


def cut_details(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Keep only the first line of what holds repr()s of exceptions, or code, in the others."""
    if event.get("logger") in _TALKATIVE:
        event["event"] = str(event["event"]).partition("\n")[0]
    return event


def _type_names(error: BaseException) -> list[str]:
    names: list[str] = []
    current: BaseException | None = error
    while current is not None and len(names) < FRAMES:
        names.append(type(current).__qualname__)
        current = current.__cause__ or current.__context__
    return names


def _places(error: BaseException) -> list[str]:
    """Return the innermost frames, innermost first."""
    frames = traceback.extract_tb(error.__traceback__, limit=-FRAMES)
    return [
        f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in reversed(frames)
    ]
