"""Lives of Moddy that may be cut short: ``python -m tests.crashes.launcher``.

Each line on standard input is a `Life` as JSON. A child is forked for it from this process, which
has imported everything once; its process id is a line on standard output, and at its end another
one says its exit code, -9 after SIGKILL. A child ends when standard input does.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta

import msgspec
from msgspec import Struct

from moddy.app import open_moddy
from moddy.bot import ModdyBot
from moddy.config import load_settings
from moddy.gateway import connect_gateway
from moddy.logs import configure_logging


class Life(Struct, frozen=True, kw_only=True):
    """One run of Moddy: its environment, its log's file, and the moment at which it is killed.

    It ends at the `hit`-th time that it comes to the checkpoint `point`, if ever. `lease` is in
    seconds.
    """

    settings: dict[str, str]
    log: str
    lease: float
    point: str | None = None
    hit: int = 1


def make_checkpoint(point: str | None, hit: int) -> Callable[[str], None]:
    """Return a checkpoint that kills this process at the `hit`-th time of `point`."""
    left = hit

    def checkpoint(name: str) -> None:
        nonlocal left
        if name == point:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return checkpoint


async def live(life: Life) -> None:
    """Run Moddy until SIGTERM."""
    settings = load_settings(life.settings, need_token=True)
    configure_logging(settings.log_level, settings.log_format)
    loop, ending = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(sys.stdin, os._exit, 1)
    loop.add_signal_handler(signal.SIGTERM, ending.set)

    def connect(bot: ModdyBot) -> AbstractAsyncContextManager[None]:
        return connect_gateway(bot, settings.discord_token or "")

    async with open_moddy(
        settings,
        connect=connect,
        loopback=True,
        lease=timedelta(seconds=life.lease),
        checkpoint=make_checkpoint(life.point, life.hit),
    ):
        await ending.wait()


def fork(life: Life) -> int:
    """Start a life and return its process id."""
    pid = os.fork()
    if pid == 0:
        # Whatever happens, this process must not go on in the loop of its parent.
        code = 1
        try:
            log = os.open(life.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            os.dup2(log, 1)
            os.dup2(log, 2)
            asyncio.run(live(life))
            code = 0
        finally:
            sys.stdout.flush()
            os._exit(code)
    return pid


def main() -> None:
    """Run one life after the other."""
    for line in sys.stdin:
        pid = fork(msgspec.json.decode(line, type=Life))
        print(pid, flush=True)  # noqa: T201 (the answer)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
