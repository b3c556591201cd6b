"""``python -m moddy`` as a real process, and the backend's way of calling it."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import socket
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

import moddy

ROOT = Path(moddy.__file__).parents[1]
# Seconds. The limits are those of a machine under heavy load, not what is expected.
START_SECONDS = 40.0
EXIT_SECONDS = 10.0


def free_port() -> int:
    """Return a port that nobody listens on, below those that the system hands out by itself."""
    while True:
        port = random.randrange(20_000, 32_000)  # noqa: S311 (not a secret)
        try:
            with socket.create_server(
                ("::", port), family=socket.AF_INET6, dualstack_ipv6=True, reuse_port=False
            ):
                return port
        except OSError:
            continue


class ModdyProcess:
    """A Moddy that runs while the body of ``async with`` does.

    Leaving ends it by SIGTERM unless it has ended before, and then looks at what it left: exit
    code 0 within 10 s, nothing on standard error, no line of level error or above beside those
    whose message begins with one of `expected_errors`. Its output is read as a log when
    LOG_FORMAT is json.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        directory: Path,
        *,
        arguments: Sequence[str] = (),
        expected_errors: Sequence[str] = (),
    ) -> None:
        self._environment = dict(environment)
        self._directory = directory
        self._arguments = arguments
        self._expected_errors = tuple(expected_errors)
        self._reads_log = self._environment.get("LOG_FORMAT") == "json"
        port = self._environment.get("INTERNAL_PORT", "")
        self._process: Process | None = None
        self._readers: list[asyncio.Task[None]] = []
        self._ended_by_test = False
        self.lines: list[dict[str, Any]] = []
        self.output: list[str] = []
        self.stderr: list[str] = []
        self.started_at = 0.0
        self.http = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port if port.isdecimal() else 3000}",
            headers={
                "Authorization": f"Bearer {self._environment.get('INTERNAL_API_SECRET', 'none')}"
            },
            timeout=10.0,
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "default::ResourceWarning",
            **self._environment,
        }
        self.started_at = time.monotonic()
        self._process = await asyncio.create_subprocess_exec(
            *self._command(),
            cwd=self._directory,
            env=environment,
            stdout=PIPE,
            stderr=PIPE,
            limit=2**20,
        )
        assert self._process.stdout
        assert self._process.stderr
        self._readers = [
            asyncio.create_task(self._read_log(self._process.stdout)),
            asyncio.create_task(self._read_stderr(self._process.stderr)),
        ]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.http.aclose()
        try:
            if error is None and not self._ended_by_test:
                assert await self.stop() == 0
            if error is None:
                self._check_leavings()
        finally:
            if self._running.returncode is None:
                await self.kill()
            await asyncio.gather(*self._readers)
        if error is not None:
            error.add_note(self.report())

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._running.pid

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return self._running.returncode is None

    @property
    def messages(self) -> list[str]:
        """What the log lines so far say."""
        return [str(line["message"]) for line in self.lines]

    def report(self) -> str:
        """Return the log's end and standard error, for a failed test."""
        tail = [json.dumps(line) for line in self.lines[-40:]]
        return "\n".join(["--- log of Moddy", *tail, "--- its standard error", *self.stderr])

    async def wait_until(
        self, condition: Callable[[], bool], *, seconds: float = START_SECONDS, what: str
    ) -> None:
        """Wait until something holds; AssertionError when it does not, or Moddy ends first."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.is_running, f"Moddy ended before {what}"
            assert time.monotonic() < deadline, f"{what} did not come true within {seconds:g} s"
            await asyncio.sleep(0.02)

    async def wait_line(self, beginning: str, *, seconds: float = START_SECONDS) -> dict[str, Any]:
        """Wait for a log line whose message begins so, and return it."""

        def find() -> dict[str, Any] | None:
            found = (line for line in self.lines if str(line["message"]).startswith(beginning))
            return next(found, None)

        await self.wait_until(lambda: find() is not None, seconds=seconds, what=repr(beginning))
        line = find()
        assert line is not None
        return line

    async def wait_answering(self) -> None:
        """Wait until the internal API answers."""
        await self.wait_line("serving")

    async def health(self) -> str:
        """Return the health, asked as the backend asks it."""
        response = await self.http.get("/internal/health")
        response.raise_for_status()
        body = response.json()
        assert body == {
            "status": body["status"],
            "service": "discord-bot",
            "version": moddy.__version__,
        }
        return str(body["status"])

    async def wait_health(self, status: str, *, seconds: float = START_SECONDS) -> float:
        """Wait until the health is `status`; returns the seconds that took."""
        await self.wait_answering()
        started = time.monotonic()
        while await self.health() != status:
            assert time.monotonic() < started + seconds, f"not {status} within {seconds:g} s"
            await asyncio.sleep(0.05)
        return time.monotonic() - started

    async def wait_healthy(self) -> None:
        """Wait until Moddy says that it is healthy."""
        await self.wait_health("healthy")

    async def post(
        self, path: str, body: Mapping[str, Any], *, key: str | None = None
    ) -> httpx.Response:
        """Call as the backend does, which reads the JSON of a 2xx and raises on the rest.

        Here the answer is returned in both cases; it came within 9 s.
        """
        headers = {} if key is None else {"Idempotency-Key": key}
        started = time.monotonic()
        response = await self.http.post(path, json=dict(body), headers=headers)
        assert time.monotonic() - started < 9.5, "answered too late"
        assert response.headers["Content-Type"] == "application/json"
        assert response.headers["X-Request-ID"]
        return response

    async def notify(
        self, user_id: int | str, *, key: str | None = None, **fields: Any
    ) -> httpx.Response:
        """``POST /internal/notify``; a welcome to a premium plan unless `fields` say otherwise."""
        body = {"action": "subscription_created", "plan": "moddy_max", **fields}
        return await self.post("/internal/notify", {"discord_id": str(user_id), **body}, key=key)

    async def update_roles(
        self, user_id: int | str, *, key: str | None = None, **fields: Any
    ) -> httpx.Response:
        """``POST /internal/roles/update``, for a premium plan unless `fields` say otherwise."""
        body = {"plan": "moddy_max", **fields}
        return await self.post(
            "/internal/roles/update", {"discord_id": str(user_id), **body}, key=key
        )

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal and go on; nothing happens when it has ended."""
        # Process.send_signal() would take the exit code away from whoever waits for it.
        if self.is_running:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and return the exit code; AssertionError when it takes over 10 s."""
        self.send_signal(number)
        return await self.wait_exit()

    async def wait_exit(self, seconds: float = EXIT_SECONDS) -> int:
        """Wait for the process's end and return its exit code."""
        self._ended_by_test = True
        started = time.monotonic()
        try:
            async with asyncio.timeout(seconds):
                code = await self._running.wait()
        except TimeoutError:
            raise AssertionError(f"Moddy did not end within {seconds:g} s") from None
        print(f"exit code {code} after {time.monotonic() - started:.2f} s")  # noqa: T201
        await asyncio.gather(*self._readers)
        return code

    async def kill(self) -> None:
        """End it by SIGKILL, as a crash or the out-of-memory killer does."""
        self._ended_by_test = True
        self.send_signal(signal.SIGKILL)
        await self._running.wait()
        await asyncio.gather(*self._readers)

    def _command(self) -> list[str]:
        """Return what is run."""
        return [sys.executable, "-m", "moddy", *self._arguments]

    @property
    def _running(self) -> Process:
        assert self._process is not None, "not started"
        return self._process

    def _check_leavings(self) -> None:
        assert not self.stderr, self.report()
        errors = [
            json.dumps(line)
            for line in self.lines
            if line["level"] in ("error", "critical")
            and not str(line["message"]).startswith(self._expected_errors or ("\0",))
        ]
        assert not errors, "\n".join(errors)

    async def _read_log(self, stream: asyncio.StreamReader) -> None:
        async for raw in stream:
            self.output.append(raw.decode().rstrip("\n"))
            if not self._reads_log:
                continue
            line = json.loads(raw)
            assert {"message", "level", "timestamp", "logger"} <= line.keys()
            self.lines.append(line)

    async def _read_stderr(self, stream: asyncio.StreamReader) -> None:
        async for raw in stream:
            self.stderr.append(raw.decode().rstrip("\n"))
