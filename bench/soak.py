"""Whether Moddy stays the same under mixed load: memory, open files and tasks after a warm-up.

Run from the repository, with the development environment: ``python -m bench.soak``. Discord and
the backend are the tests' stand-ins, and fail now and then; the process that is watched is a whole
Moddy of its own, which tells how many tasks it has when it is asked on standard input.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
import signal
import statistics
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import click
import uvloop
from aiohttp import web
from msgspec import Struct

from bench.processes import resident_mib, stop
from moddy.app import open_moddy
from moddy.bot import ModdyBot
from moddy.config import load_settings
from moddy.gateway import connect_gateway
from moddy.logs import configure_logging
from tests.process.stage import Stage
from tests.standins.backend import BackendStandin
from tests.standins.discord import DiscordStandin

USERS = 300
CONNECTIONS = 100
# Each a second.
NOTIFICATIONS, ROLE_UPDATES, READS = 15.0, 5.0, 5.0
JOINS, MESSAGES, COMMANDS = 5.0, 10.0, 2.0
SAMPLE_INTERVAL = 2.0  # seconds
WARM_UP = 0.25  # of the whole time
# What counts as flat: how much the floor grows, which is what there is while nothing waits for a
# fault of the backend: the lowest tenth of the last quarter of the time that is watched, less that
# of its first.
FLAT = {"resident memory, MiB": 3.0, "open files": 3.0, "tasks": 5.0, "objects, thousands": 5.0}


class Sample(Struct, frozen=True, kw_only=True):
    """One look at the process; `at` is in seconds from the beginning."""

    at: float
    memory: float
    files: int
    tasks: int
    objects: float

    def figures(self) -> tuple[float, ...]:
        """Return what is watched, in the order of `FLAT`."""
        return self.memory, self.files, self.tasks, self.objects


class FaultyBackend(BackendStandin):
    """A backend that can fail: ``error``, ``hang`` or ``drop`` instead of its answers."""

    fault: str | None = None

    async def _handle(self, request: web.Request) -> web.Response:
        if self.fault == "hang":
            await asyncio.sleep(12)
            return web.Response()
        if self.fault == "drop" and request.transport is not None:
            request.transport.abort()
            return web.Response()
        if self.fault == "error":
            return web.json_response({"detail": "Stripe error"}, status=500)
        return await super()._handle(request)


class Load:
    """What is done to a Moddy, each thing at its own pace; `done` counts it with its outcome."""

    def __init__(self, stage: Stage, backend: FaultyBackend, http: aiohttp.ClientSession) -> None:
        self.done: Counter[str] = Counter()
        self._stage = stage
        self._backend = backend
        self._http = http
        self._random = random.Random(1)  # noqa: S311 (not a secret)
        self._users = [stage.add_member(f"user-{number}") for number in range(USERS)]
        self._away = [stage.discord.add_user(f"away-{number}") for number in range(20)]
        self._channel = stage.guild.add_text_channel("general")

    async def run(self) -> None:
        """Go on until it is cancelled."""
        # A client uses its connections in turn, so it keeps as many as it ever needed at once.
        await asyncio.gather(*(self._read() for _ in range(CONNECTIONS)))
        async with asyncio.TaskGroup() as group:
            for act, rate in (
                (self._notify, NOTIFICATIONS),
                (self._update_roles, ROLE_UPDATES),
                (self._read, READS),
                (self._join_or_leave, JOINS),
                (self._write, MESSAGES),
                (self._use_command, COMMANDS),
            ):
                group.create_task(self._repeat(act, rate))
            group.create_task(self._fail_now_and_then())

    async def _repeat(self, act: Callable[[], Awaitable[str]], rate: float) -> None:
        name = act.__name__.strip("_")
        async with asyncio.TaskGroup() as group:

            async def once() -> None:
                try:
                    outcome = await act()
                except (aiohttp.ClientError, TimeoutError, AssertionError) as error:
                    outcome = type(error).__name__
                self.done[f"{name}: {outcome}"] += 1

            while True:
                group.create_task(once())
                await asyncio.sleep(self._random.expovariate(rate))

    async def _call(self, method: str, path: str, body: object = None) -> str:
        async with self._http.request(method, path, json=body) as response:
            await response.read()
            return str(response.status)

    async def _notify(self) -> str:
        user = self._random.choice(self._users)
        action = self._random.choice(["subscription_created", "plan_upgraded", "plan_downgraded"])
        body = {"discord_id": str(user.id), "action": action, "plan": "moddy_max"}
        return await self._call("POST", "/internal/notify", body)

    async def _update_roles(self) -> str:
        user = self._random.choice([*self._users, *self._away])
        plan = self._random.choice(["moddy_max", "free"])
        body = {"discord_id": str(user.id), "plan": plan}
        return await self._call("POST", "/internal/roles/update", body)

    async def _read(self) -> str:
        user = self._random.choice(self._users)
        paths = ["/internal/health", f"/internal/users/{user.id}/premium", "/internal/nowhere"]
        return await self._call("GET", self._random.choice(paths))

    async def _join_or_leave(self) -> str:
        user = self._random.choice(self._away)
        if user.id in self._stage.guild.members:
            self._stage.discord.remove_member(self._stage.guild, user)
            return "left"
        self._stage.discord.add_member(self._stage.guild, user)
        return "joined"

    async def _write(self) -> str:
        user = self._random.choice(self._users)
        await self._stage.discord.message(user, self._channel, "hello")
        return "sent"

    async def _use_command(self) -> str:
        user = self._random.choice(self._users)
        command = self._random.choice(["subscription", "invoices", "profile"])
        used = await self._stage.discord.interaction(user, command, self._stage.guild)
        await used.wait_messages(1, timeout=15)
        return "answered"

    async def _fail_now_and_then(self) -> None:
        discord = self._stage.discord
        while True:
            for fault in ("error", "hang", "drop"):
                await asyncio.sleep(8)
                self._backend.fault = fault
                await asyncio.sleep(4)
                self._backend.fault = None
            discord.faults.add("POST", "*/messages", status=503, times=20)
            discord.faults.add("POST", "*/messages", delay=2.0, times=5)
            await asyncio.sleep(8)
            await discord.gateway.reconnect()


def open_files(pid: int) -> int:
    """Return how many files a process has open, sockets among them."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


async def watch(process: Process, seconds: float) -> list[Sample]:
    """Look at a process until the time is over."""
    samples: list[Sample] = []
    started = time.monotonic()
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("no pipes")
    while (at := time.monotonic() - started) < seconds:
        process.stdin.write(b"\n")
        line = await asyncio.wait_for(process.stdout.readline(), 30)
        tasks, objects = map(int, line.split())
        samples.append(
            Sample(
                at=at,
                memory=resident_mib(process.pid),
                files=open_files(process.pid),
                tasks=tasks,
                objects=objects / 1000,
            )
        )
        await asyncio.sleep(SAMPLE_INTERVAL)
    return samples


@asynccontextmanager
async def run_moddy(stage: Stage) -> AsyncIterator[Process]:
    """Run a whole Moddy in a process of its own, and end it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "bench.soak", "--watched"),
        stdin=PIPE,
        stdout=PIPE,
        env={**os.environ, **stage.settings, "PYTHONPATH": str(Path.cwd())},
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            await stop(process)


async def soak(seconds: float) -> tuple[list[Sample], Counter[str]]:
    """Return what was seen and what was done."""
    with tempfile.TemporaryDirectory() as name:
        async with DiscordStandin() as discord, FaultyBackend() as backend:
            stage = Stage(discord, backend, Path(name))
            stage.settings |= {
                "LOG_LEVEL": "CRITICAL",
                "REPORT_MESSAGES": "true",
                "DM_OPENS_PER_MINUTE": "100000",
            }
            port = stage.settings["INTERNAL_PORT"]
            async with (
                run_moddy(stage) as process,
                aiohttp.ClientSession(
                    f"http://127.0.0.1:{port}",
                    headers={"Authorization": f"Bearer {backend.secret}"},
                    timeout=aiohttp.ClientTimeout(total=10),
                    connector=aiohttp.TCPConnector(limit=CONNECTIONS),
                ) as http,
            ):
                await discord.gateway.wait_ready(30)
                await asyncio.sleep(3)
                load = Load(stage, backend, http)
                loading = asyncio.create_task(load.run())
                watching = asyncio.create_task(watch(process, seconds))
                await asyncio.wait({loading, watching}, return_when=asyncio.FIRST_COMPLETED)
                loading.cancel()
                with suppress(asyncio.CancelledError):
                    await loading
                return await watching, load.done


async def watched() -> None:
    """Run Moddy; for each line on standard input, print its tasks and its reachable objects."""
    settings = load_settings(os.environ)
    configure_logging(settings.log_level, settings.log_format, stream=sys.stderr)
    loop = asyncio.get_running_loop()
    ending = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ending.set)

    def tell() -> None:
        if not os.read(sys.stdin.fileno(), 4096):
            ending.set()
            loop.remove_reader(sys.stdin.fileno())
            return
        gc.collect()
        click.echo(f"{len(asyncio.all_tasks())} {len(gc.get_objects())}")

    def connect(bot: ModdyBot) -> AbstractAsyncContextManager[None]:
        return connect_gateway(bot, settings.discord_token or "")

    async with open_moddy(settings, connect=connect):
        loop.add_reader(sys.stdin.fileno(), tell)
        await ending.wait()


def describe(samples: Sequence[Sample], seconds: float) -> tuple[list[str], bool]:
    """Return the table's lines, and whether everything is flat."""
    later = [one for one in samples if one.at >= seconds * WARM_UP]
    quarter = len(later) // 4
    lines = [
        "| | at first | first quarter | last quarter | highest | growth | |",
        "|---|---|---|---|---|---|---|",
    ]
    flat = True
    rows = zip(FLAT, *map(Sample.figures, later), strict=True)
    for (name, *values), first in zip(rows, samples[0].figures(), strict=True):
        before = _floor(values[:quarter])
        after = _floor(values[-quarter:])
        good = after - before <= FLAT[name]
        flat = flat and good
        lines.append(
            f"| {name} | {first:.1f} | {before:.1f} | {after:.1f} "
            f"| {max(values):.1f} | {after - before:+.1f} "
            f"| {'flat' if good else 'GROWS'} |"
        )
    return lines, flat


def _floor(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=10)[0]


def by_minute(samples: Sequence[Sample]) -> str:
    """Return the mean resident memory of each minute: what levels off is no leak."""
    minutes: dict[int, list[float]] = {}
    for one in samples:
        minutes.setdefault(int(one.at // 60), []).append(one.memory)
    return ", ".join(f"{statistics.mean(values):.1f}" for values in minutes.values())


@click.command()
@click.option("--seconds", default=600.0, show_default=True, help="How long the load lasts.")
@click.option("--watched", "is_watched", is_flag=True, hidden=True)
def main(seconds: float, is_watched: bool) -> None:
    """Load a Moddy for some minutes; the exit code is 1 when it grows."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if is_watched:
            runner.run(watched())
            return
        samples, done = runner.run(soak(seconds))
    for name, count in sorted(done.items()):
        click.echo(f"{name:<32} {count:>7,}")
    lines, flat = describe(samples, seconds)
    click.echo(f"\n{seconds:g} s, of which {seconds * WARM_UP:g} s of warm-up:\n")
    click.echo("\n".join(lines))
    click.echo(f"\nresident memory by minute, MiB: {by_minute(samples)}")
    sys.exit(0 if flat else 1)


if __name__ == "__main__":
    main()
