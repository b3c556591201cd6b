"""Starting lives of Moddy from a test's loop."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from types import TracebackType
from typing import Self

import msgspec

from tests.crashes.launcher import Life
from tests.process.moddy_process import ROOT


class Launcher:
    """Runs one life at a time; leaving ends it."""

    def __init__(self) -> None:
        self._process: Process | None = None
        self.pid = 0

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.crashes.launcher",
            cwd=ROOT,
            env={"PATH": os.environ.get("PATH", ""), "PYTHONPATH": str(ROOT)},
            stdin=PIPE,
            stdout=PIPE,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.pid:
            self.send_signal(signal.SIGKILL)
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()

    async def start(self, life: Life) -> None:
        """Start a life; the one before has ended."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(life) + b"\n")
        self.pid = await self._read_number()

    async def wait(self) -> int:
        """Wait for the life's end and return its exit code, negative for a signal."""
        code = await self._read_number()
        self.pid = 0
        return code

    def send_signal(self, number: signal.Signals) -> None:
        """Send the running life a signal."""
        assert self.pid
        os.kill(self.pid, number)

    async def _read_number(self) -> int:
        assert self._process is not None
        assert self._process.stdout is not None
        return int(await self._process.stdout.readline())
