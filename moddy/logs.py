"""Logging: one stream for Moddy's own lines and the libraries', without anybody's data.

An exception is logged by its type and the places it passed, never by its text: that may hold an
address, a secret or a message.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any, TextIO

import structlog

from moddy.config import LogFormat, LogLevel
from moddy.request_ids import current_request_id

FRAMES = 12


def configure_logging(level: LogLevel, form: LogFormat, *, stream: TextIO | None = None) -> None:
    """Send every log line of this process to `stream`, standard output when it is None."""
    stream = stream or sys.stdout
    console = form is LogFormat.CONSOLE or (form is LogFormat.AUTO and stream.isatty())
    renderer: structlog.typing.Processor
    if console:
        renderer = structlog.dev.ConsoleRenderer(
            event_key="message", exception_formatter=structlog.dev.plain_traceback
        )
    else:
        renderer = structlog.processors.JSONRenderer(default=str)
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        add_request_id,
        describe_exception,
        cut_details,
    ]
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.EventRenamer("message"),
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    # Below INFO the libraries log requests and statements with their contents.
    root.setLevel(max(logging.INFO, logging.getLevelNamesMapping()[level.value]))
    logging.getLogger("moddy").setLevel(level.value)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def add_request_id(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Add the id of the request on whose behalf the line is written."""
    request_id = current_request_id.get()
    if request_id is not None:
        event.setdefault("request_id", request_id)
    return event


def describe_exception(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Replace an exception by its type, its causes' types and where it passed."""
    found = event.pop("exc_info", None)
    error = found[1] if isinstance(found, tuple) else found
    if error is True or (found and error is None):
        error = sys.exc_info()[1]
    if isinstance(error, BaseException):
        event["error_type"] = " from ".join(_type_names(error))
        event["error_at"] = " < ".join(_places(error))
    return event


def cut_details(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Keep only the first line of what asyncio says: the others hold repr()s of exceptions."""
    if event.get("logger") == "asyncio":
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
