"""Log lines: their form, and what must never be in them."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from moddy.config import LogFormat, LogLevel
from moddy.logs import GATHERED_LINES, configure_logging
from moddy.request_ids import current_request_id, new_request_id

SECRET = "ada@example.com"


class Output(io.StringIO):
    """Standard output, as a file or a terminal."""

    terminal = False

    def isatty(self) -> bool:
        return self.terminal

    def configure(
        self,
        level: LogLevel = LogLevel.INFO,
        form: LogFormat = LogFormat.JSON,
        *,
        gather: bool = False,
    ) -> Any:
        """Configure logging with this as the standard output; returns a logger of Moddy's."""
        with contextlib.redirect_stdout(self):
            configure_logging(level, form, gather=gather)
        return structlog.get_logger("moddy.tests")

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.getvalue().splitlines()]


@pytest.fixture
def output() -> Iterator[Output]:
    """What is printed; logging is as it was before afterwards."""
    root = logging.getLogger()
    names = ("moddy", "alembic")
    before = root.handlers, root.level, [logging.getLogger(name).level for name in names]
    configuration = structlog.get_config()
    yield Output()
    root.handlers, root.level = before[0], before[1]
    for name, level in zip(names, before[2], strict=True):
        logging.getLogger(name).setLevel(level)
    structlog.configure(**configuration)


def test_json_has_what_railway_reads(output: Output) -> None:
    output.configure().warning("something happened", tries=3, discord_id="1")
    [line] = output.lines()
    assert (line["level"], line["message"]) == ("warning", "something happened")
    assert (line["tries"], line["discord_id"], line["logger"]) == (3, "1", "moddy.tests")
    assert line["timestamp"].endswith("Z")
    assert "event" not in line


def test_libraries_lines_have_the_same_form(output: Output) -> None:
    output.configure()
    logging.getLogger("discord.gateway").warning("Shard ID %s is slow", 7)
    [line] = output.lines()
    assert (line["level"], line["message"]) == ("warning", "Shard ID 7 is slow")
    assert line["logger"] == "discord.gateway"


def test_one_object_a_line_whatever_is_logged(output: Output) -> None:
    output.configure().info(
        "line\nbreak \u2028 \x1b[31m \ud800", value=object(), nested={"a": {1, 2}}
    )
    assert len(output.getvalue().splitlines()) == 1
    [line] = output.lines()
    assert line["message"].startswith("line\nbreak")


def failing(secret: str) -> None:
    """Fail for a reason that has a reason."""
    try:
        raise LookupError(secret)
    except LookupError as error:
        raise RuntimeError(f"about {secret}") from error


@pytest.mark.parametrize("form", [LogFormat.JSON, LogFormat.CONSOLE])
def test_words_of_an_exception_never_appear(output: Output, form: LogFormat) -> None:
    log = output.configure(form=form)
    try:
        failing(SECRET)
    except RuntimeError as error:
        log.exception("first")
        log.error("second", exc_info=error)
        log.error("third", exc_info=True)  # noqa: G201 (as somebody may write it)
        logging.getLogger("library").exception("fourth")
        logging.getLogger("library").error("fifth", exc_info=error)
    printed = output.getvalue()
    assert SECRET not in printed
    assert "Traceback" not in printed
    for word in ("first", "second", "third", "fourth", "fifth"):
        assert word in printed
    assert printed.count("RuntimeError from LookupError") == 5
    assert printed.count("failing") >= 5
    assert "test_logs.py:" in printed


def test_exception_info_without_an_exception(output: Output) -> None:
    output.configure().error("nothing to tell", exc_info=True)
    [line] = output.lines()
    assert "error_type" not in line


async def test_forgotten_task_does_not_say_its_exceptions_words(output: Output) -> None:
    """asyncio's own line has the exception's repr in its message."""
    output.configure()
    loop = asyncio.get_running_loop()
    task = asyncio.create_task(asyncio.to_thread(failing, SECRET))
    await asyncio.wait([task])
    loop.call_exception_handler(
        {
            "message": "Task exception was never retrieved",
            "exception": task.exception(),
            "future": task,
        }
    )
    [line] = output.lines()
    assert line["message"] == "Task exception was never retrieved"
    assert line["error_type"] == "RuntimeError from LookupError"
    assert SECRET not in output.getvalue()


@pytest.mark.parametrize("form", [LogFormat.JSON, LogFormat.CONSOLE])
def test_request_id(output: Output, form: LogFormat) -> None:
    log = output.configure(form=form)
    request_id = new_request_id()
    token = current_request_id.set(request_id)
    try:
        log.info("within")
        logging.getLogger("library").warning("within too")
        log.info("on behalf of another", request_id="other")
    finally:
        current_request_id.reset(token)
    log.info("without")
    has_it = [request_id in line for line in output.getvalue().splitlines()]
    assert has_it == [True, True, False, False]


@pytest.mark.parametrize("level", LogLevel)
def test_level(output: Output, level: LogLevel) -> None:
    log = output.configure(level)
    for method in ("debug", "info", "warning", "error", "critical"):
        getattr(log, method)(method)
    order = [one.value.lower() for one in LogLevel]
    assert [line["level"] for line in output.lines()] == order[order.index(level.value.lower()) :]


@pytest.mark.parametrize(
    "name", ["discord.http", "discord.gateway", "sqlalchemy.engine", "aiosqlite", "asyncio"]
)
def test_libraries_debug_stays_off(output: Output, name: str) -> None:
    log = output.configure(LogLevel.DEBUG)
    logging.getLogger(name).debug("payload with %s", SECRET)
    log.debug("own")
    assert [line["message"] for line in output.lines()] == ["own"]


def test_libraries_follow_a_higher_level(output: Output) -> None:
    output.configure(LogLevel.ERROR)
    logging.getLogger("discord").warning("not now")
    logging.getLogger("discord").error("now")
    assert [line["message"] for line in output.lines()] == ["now"]


async def test_gathered_lines_are_written_soon(output: Output) -> None:
    log = output.configure(gather=True)
    log.info("first")
    logging.getLogger("library").info("second")
    assert output.lines() == []
    async with asyncio.timeout(5):
        while not output.lines():  # noqa: ASYNC110 (nothing tells of it)
            await asyncio.sleep(0.01)
    assert [line["message"] for line in output.lines()] == ["first", "second"]


@pytest.mark.parametrize("library", [True, False])
async def test_trouble_does_not_wait_with_what_came_before(output: Output, library: bool) -> None:
    log = output.configure(gather=True)
    log.info("first")
    (logging.getLogger("library") if library else log).warning("second")
    assert [line["message"] for line in output.lines()] == ["first", "second"]


async def test_gathered_lines_are_not_lost_at_the_end(output: Output) -> None:
    output.configure(gather=True).info("last words")
    logging.shutdown([lambda: logging.getLogger().handlers[0]])
    assert [line["message"] for line in output.lines()] == ["last words"]


async def test_a_flood_is_not_gathered_for_long(output: Output) -> None:
    log = output.configure(gather=True)
    for number in range(GATHERED_LINES + 1):
        log.info("line", number=number)
    assert len(output.lines()) == GATHERED_LINES


async def test_lines_of_threads_and_without_a_loop_are_written_at_once(output: Output) -> None:
    log = output.configure(gather=True)
    await asyncio.to_thread(log.info, "first")
    assert [line["message"] for line in output.lines()] == ["first"]


async def test_threads_write_whole_lines(output: Output) -> None:
    log = output.configure(gather=True)

    def write(name: str) -> None:
        for number in range(200):
            log.warning(f"{name} {number}")  # noqa: G004 (alike lines would only be counted)

    await asyncio.gather(*(asyncio.to_thread(write, name) for name in "abc"))
    assert len(output.lines()) == 600


def test_configuring_twice_prints_once(output: Output) -> None:
    output.configure()
    output.configure().info("once")
    assert len(output.lines()) == 1


@pytest.mark.parametrize(
    ("form", "terminal", "is_json"),
    [
        (LogFormat.JSON, True, True),
        (LogFormat.CONSOLE, False, False),
        (LogFormat.AUTO, True, False),
        (LogFormat.AUTO, False, True),
    ],
)
def test_form(output: Output, form: LogFormat, terminal: bool, is_json: bool) -> None:
    output.terminal = terminal
    output.configure(form=form).info("hello", answer=42)
    assert output.getvalue().startswith("{") is is_json
    assert "hello" in output.getvalue()
    assert "42" in output.getvalue()


def test_request_ids_fit_the_header() -> None:
    ids = {new_request_id() for _ in range(100)}
    assert len(ids) == 100
    assert {len(one) for one in ids} == {32}
    assert all(one.isalnum() and one.isascii() for one in ids)
