"""What a busy server costs: members come, go and change roles while the API is used.

Run from the repository, with the development environment: ``python -m bench.members``. Moddy runs
in a process of its own over a SQLite file, Discord and the backend are the tests' stand-ins. Every
event has to be in the store once; beside it the lag of Moddy's event loop and the answers of the
internal API are measured.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
import click

from moddy.app import open_moddy
from moddy.config import load_settings, read_environment
from moddy.gateway import connect_gateway
from moddy.logs import configure_logging
from moddy.running import SWITCH_INTERVAL
from tests.process.stage import Stage
from tests.standins.backend import BackendStandin
from tests.standins.discord import DiscordStandin, Permission, User, kick, set_roles

MEMBERS = 5_000
# Seconds between two looks at the loop, and between two bunches of events.
PROBE = 0.005
TICK = 0.01
# Seconds for the store to have everything after the last event.
PATIENCE = 60.0


class Probe:
    """Measures in Moddy's process how late its event loop is."""

    def __init__(self) -> None:
        self.lags: list[float] = []
        self.commits = 0

    def count(self, checkpoint: str) -> None:
        """Count the transactions that write."""
        self.commits += checkpoint == "group commit"

    async def run(self) -> None:
        """Look at the clock again and again, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            planned = loop.time() + PROBE
            await asyncio.sleep(PROBE)
            self.lags.append(loop.time() - planned)

    def reset(self) -> None:
        """Begin anew."""
        self.lags.clear()
        self.commits = 0

    def report(self, cpu_seconds: float) -> str:
        """Return what was measured, in JSON; times in seconds."""
        quantiles = statistics.quantiles(self.lags, n=100)
        measured = {
            "p50": quantiles[49],
            "p99": quantiles[98],
            "longest": max(self.lags),
            "commits": self.commits,
            "cpu": cpu_seconds,
        }
        return json.dumps(measured)


async def serve() -> None:
    """Run Moddy until SIGTERM; measures from one SIGUSR1 to the next, which has it report."""
    sys.setswitchinterval(SWITCH_INTERVAL)
    probe, stopping, measuring = Probe(), asyncio.Event(), False
    started = 0.0

    def mark() -> None:
        nonlocal measuring, started
        if measuring:
            click.echo(probe.report(time.process_time() - started))
            sys.stdout.flush()
        probe.reset()
        measuring, started = not measuring, time.process_time()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    loop.add_signal_handler(signal.SIGUSR1, mark)
    settings = load_settings(read_environment())
    token = settings.discord_token or ""
    async with open_moddy(
        settings,
        connect=lambda bot: connect_gateway(bot, token),
        loopback=True,
        checkpoint=probe.count,
    ):
        probing = asyncio.create_task(probe.run())
        await stopping.wait()
        probing.cancel()


class Load:
    """What happens on the guild, and what the backend asks; `expected` counts the events."""

    def __init__(self, stage: Stage, seed: int) -> None:
        self._stage = stage
        self._guild = stage.guild
        self._random = Random(seed)  # noqa: S311 (not a secret)
        self._role = stage.guild.add_role("Quiet")
        self.members = [stage.add_member(f"user-{number}") for number in range(MEMBERS)]
        self.expected: Counter[tuple[str, str]] = Counter()
        self.answers: list[float] = []
        self.statuses: Counter[str] = Counter()
        self._number = 0

    async def play(self, *, seconds: float, rate: int) -> None:
        """Let members' events happen at this rate, spread evenly."""
        loop = asyncio.get_running_loop()
        begun, happened = loop.time(), 0
        while (passed := loop.time() - begun) < seconds:
            while happened < min(passed, seconds) * rate:
                self._happen()
                happened += 1
            await asyncio.sleep(TICK)
        while happened < seconds * rate:
            self._happen()
            happened += 1

    def _happen(self) -> None:
        """Four of ten join, two leave (every other by a kick), four get or lose a role."""
        kind = self._number % 10
        self._number += 1
        if kind < 4:
            self.members.append(self._stage.add_member(f"newcomer-{self._number}"))
            self._expect("member_joined", self.members[-1])
        elif kind < 6:
            user = self.members.pop(self._random.randrange(len(self.members)))
            self._expect("member_left", user)
            if kind == 4:
                kick(self._guild, user, self._guild.owner)
            else:
                self._stage.discord.remove_member(self._guild, user)
        else:
            user = self._random.choice(self.members)
            roles = self._guild.members[user.id].roles ^ {self._role.id}
            set_roles(self._guild, user, roles, self._guild.owner, entry_first=kind == 7)
            self._expect("role_updated", user)

    def _expect(self, topic: str, user: User) -> None:
        self.expected[topic, str(user.id)] += 1

    async def ask(self, url: str, secret: str, *, seconds: float, rate: int) -> None:
        """Notify at this rate, each request on time whatever becomes of the others."""
        headers = {"Authorization": f"Bearer {secret}"}
        timeout = aiohttp.ClientTimeout(total=10)
        async with (
            aiohttp.ClientSession(url, headers=headers, timeout=timeout) as session,
            asyncio.TaskGroup() as group,
        ):
            for number in range(int(seconds * rate)):
                group.create_task(self._notify(session, number))
                await asyncio.sleep(1 / rate)

    async def _notify(self, session: aiohttp.ClientSession, number: int) -> None:
        user = self.members[number % 400]
        body = {
            "discord_id": str(user.id),
            "action": "subscription_updated",
            "plan": "moddy_max",
        }
        key = {"Idempotency-Key": f"evt_{number}"}
        asked = time.monotonic()
        status = "no answer"
        with suppress(TimeoutError, aiohttp.ClientError):
            async with session.post("/internal/notify", json=body, headers=key) as response:
                await response.read()
                status = str(response.status)
        self.statuses[status] += 1
        self.answers.append(time.monotonic() - asked)


def read_stored(path: Path, bot: User) -> Counter[tuple[str, str]]:
    """Return how many events of each type are stored for each user.

    Moddy's own role changes, for those who are notified of a premium plan, are left out.
    """
    own = f'%"updated_by":"{bot.id}"%'
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        rows = connection.execute(
            "SELECT topic, discord_id, count(*) FROM deliveries WHERE kind = 'event'"
            " AND CAST(payload AS TEXT) NOT LIKE ? GROUP BY topic, discord_id",
            (own,),
        )
        return Counter({(row[0], row[1]): row[2] for row in rows})


@asynccontextmanager
async def moddy(stage: Stage) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run Moddy in a process of its own; it is healthy, and has learnt the members."""
    environment = {**os.environ, **stage.settings, "PYTHONPATH": str(Path.cwd())}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bench.members",
        "--serve",
        stdout=asyncio.subprocess.PIPE,
        env=environment,
    )
    url = f"http://127.0.0.1:{stage.settings['INTERNAL_PORT']}/internal/health"
    headers = {"Authorization": f"Bearer {stage.settings['INTERNAL_API_SECRET']}"}
    try:
        async with asyncio.timeout(60), aiohttp.ClientSession(headers=headers) as session:
            while not await _is_healthy(session, url):  # noqa: ASYNC110 (another process)
                await asyncio.sleep(0.1)
        await asyncio.sleep(3)
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.wait()


async def _is_healthy(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(url) as response:
            body: dict[str, Any] = await response.json()
            return body.get("status") == "healthy"
    except aiohttp.ClientError:
        return False


async def measure(*, seconds: float, rate: int, notify_rate: int, seed: int) -> list[Sequence[str]]:
    """Return the lines of the table."""
    with tempfile.TemporaryDirectory() as name:
        async with DiscordStandin() as discord, BackendStandin() as backend:
            stage = Stage(discord, backend, Path(name))
            stage.settings |= {"LOG_LEVEL": "ERROR", "DM_OPENS_PER_MINUTE": "100000"}
            stage.guild.set_bot_permissions(Permission.MANAGE_ROLES | Permission.VIEW_AUDIT_LOG)
            load = Load(stage, seed)
            url = f"http://127.0.0.1:{stage.settings['INTERNAL_PORT']}"
            async with moddy(stage) as process:
                if process.stdout is None:
                    raise click.ClickException("Moddy has no output")
                process.send_signal(signal.SIGUSR1)
                async with asyncio.TaskGroup() as group:
                    group.create_task(load.play(seconds=seconds, rate=rate))
                    asking = load.ask(url, backend.secret, seconds=seconds, rate=notify_rate)
                    group.create_task(asking)
                process.send_signal(signal.SIGUSR1)
                measured = json.loads(await process.stdout.readline())
                stored, behind = await catch_up(Path(name) / "moddy.db", load, discord.bot)
    return table(load, measured, stored, behind, seconds)


async def catch_up(path: Path, load: Load, bot: User) -> tuple[Counter[tuple[str, str]], float]:
    """Return what is stored, and the seconds until that was everything."""
    started = time.monotonic()
    while True:
        stored = await asyncio.to_thread(read_stored, path, bot)
        behind = time.monotonic() - started
        if stored.total() >= load.expected.total() or behind > PATIENCE:
            return stored, behind
        await asyncio.sleep(0.1)


def table(
    load: Load,
    measured: dict[str, float],
    stored: Counter[tuple[str, str]],
    behind: float,
    seconds: float,
) -> list[Sequence[str]]:
    """Return what was measured, as name and value."""
    lost, twice = load.expected - stored, stored - load.expected
    answers = statistics.quantiles(load.answers, n=100)
    statuses = ", ".join(f"{count:,} x {status}" for status, count in load.statuses.items())
    return [
        (
            "members' events",
            f"{load.expected.total():,} ({load.expected.total() / seconds:,.0f}/s)",
        ),
        ("lost", str(lost.total())),
        ("stored twice", str(twice.total())),
        ("last one stored after the last one sent", f"{behind:.1f} s"),
        ("transactions that write", f"{measured['commits']:,.0f}"),
        ("loop lag p50", f"{measured['p50'] * 1000:.1f} ms"),
        ("loop lag p99", f"{measured['p99'] * 1000:.1f} ms"),
        ("loop lag, longest", f"{measured['longest'] * 1000:.0f} ms"),
        ("notify, answered", statuses),
        ("notify p50", f"{answers[49] * 1000:.0f} ms"),
        ("notify p99", f"{answers[98] * 1000:.0f} ms"),
        ("notify, longest", f"{max(load.answers) * 1000:.0f} ms"),
        ("CPU of Moddy", f"{measured['cpu'] / seconds:.0%} of a core"),
        ("load of the machine (1 min), cores", f"{os.getloadavg()[0]:.1f}, {os.cpu_count()}"),
    ]


@click.command()
@click.option("--seconds", default=60.0, show_default=True)
@click.option("--rate", default=1_000, show_default=True, help="Members' events a second.")
@click.option("--notify-rate", default=50, show_default=True, help="Notifications a second.")
@click.option("--seed", default=1, show_default=True, help="Chooses who does what.")
@click.option("--serve", "serves", is_flag=True, hidden=True)
def main(seconds: float, rate: int, notify_rate: int, seed: int, serves: bool) -> None:
    """Measure a busy server beside the internal API."""
    if serves:
        settings = load_settings(read_environment())
        configure_logging(settings.log_level, settings.log_format, stream=sys.stderr)
        factory = None
        if find_spec("uvloop") is not None:
            import uvloop  # noqa: PLC0415 (optional)

            factory = uvloop.new_event_loop
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(serve())
        return
    lines = asyncio.run(measure(seconds=seconds, rate=rate, notify_rate=notify_rate, seed=seed))
    click.echo("| | |\n|---|---|")
    for name, value in lines:
        click.echo(f"| {name} | {value} |")


if __name__ == "__main__":
    main()
