"""Running something in a process of its own: signals, PID 1, and how it ends when it fails."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from moddy.config import Settings
from moddy.errors import DiscordLoginRefused, ModdyError, StoreUnavailable

if TYPE_CHECKING:
    from moddy.store.database import Database

T = TypeVar("T")

EXIT_FAILED = 1
EXIT_SETTINGS = 2
EXIT_DISCORD = 3
# Seconds, instead of 0.005: the loop and SQLite's thread hand work to each other all the time, and
# each would wait for so long until the other lets go of the interpreter. Below this, the switches
# cost more than the waiting.
SWITCH_INTERVAL = 0.002


def run_until_signal(
    work: Callable[[], Coroutine[Any, Any, None]], settings: Settings, *, fast: bool = False
) -> None:
    """Run `work` as `settings` say until it ends or a signal comes; `fast`: by uvloop, if there.

    Raises:
        SystemExit: it failed of something that Moddy foresees, which was said.
    """
    from moddy.logs import configure_logging  # noqa: PLC0415

    configure_logging(settings.log_level, settings.log_format, gather=True)
    sys.setswitchinterval(SWITCH_INTERVAL)
    loop_factory = None
    if fast and find_spec("uvloop") is not None:
        import uvloop  # noqa: PLC0415 (optional)

        loop_factory = uvloop.new_event_loop
    try:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(_until_signal(work))
    except BaseExceptionGroup as group:
        _explain(group)
    except ModdyError as error:
        _explain(error)


def run_on_database(work: Callable[[Database], Coroutine[Any, Any, T]], settings: Settings) -> T:
    """Run `work` on the database of `settings` as it is; Ctrl-C ends it.

    Raises:
        SystemExit: it failed of something that Moddy foresees, which was said.
    """
    from moddy.logs import configure_logging  # noqa: PLC0415
    from moddy.store.database import open_database  # noqa: PLC0415

    # Standard output is for what was asked.
    configure_logging(settings.log_level, settings.log_format, stream=sys.stderr)

    async def run_work() -> T:
        async with open_database(settings.database_url) as database:
            return await work(database)

    try:
        return asyncio.run(run_work())
    except BaseExceptionGroup as group:
        _explain(group)
    except ModdyError as error:
        _explain(error)


async def _until_signal(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run `work` until it ends or the first SIGTERM or SIGINT; more of them change nothing."""
    task = asyncio.create_task(work())
    loop = asyncio.get_running_loop()
    stopping = False

    def stop() -> None:
        nonlocal stopping
        if not stopping:
            stopping = True
            task.cancel()

    # As PID 1 in a container a signal without a handler is ignored.
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    if os.getpid() == 1:
        # Who loses its parent in a container becomes a child of PID 1, which never waits for it.
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        await task
    except asyncio.CancelledError:
        if not stopping:
            raise
    finally:
        # The loop is about to give its handlers back; a signal now would end the process by it.
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_IGN)


def _explain(error: BaseException) -> NoReturn:
    """End the process with one line for what Moddy foresees, and a traceback for the rest."""
    while isinstance(error, BaseExceptionGroup):
        known = error.subgroup(ModdyError)
        error = (known or error).exceptions[0]
    if isinstance(error, StoreUnavailable):
        fail(
            f"DATABASE_URL: the database cannot be used ({_first_cause(error)}): is it there and "
            "running, and may this process use it?",
            EXIT_FAILED,
        )
    if isinstance(error, ModdyError):
        fail(str(error), EXIT_DISCORD if isinstance(error, DiscordLoginRefused) else EXIT_FAILED)
    raise error


def _first_cause(error: BaseException) -> str:
    """Return the kind of error that `error` goes back to; its text may hold the address."""
    while error.__cause__ is not None:
        error = error.__cause__
    return getattr(error, "sqlite_errorname", type(error).__name__)


def fail(message: str, code: int) -> NoReturn:
    """End the process with one line on standard error."""
    click.echo(message, err=True)
    sys.exit(code)
