"""A thousand API requests a second beside a thousand gateway events a second."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec

from bench.beside import Lags
from bench.processes import Server, load, resident_mib, run_server
from bench.tables import Row, ratios, spread
from tests.standins.discord import DiscordStandin

KINDS = ("moddy", "stored", "comparator")
EVENTS = REQUESTS = 1000.0  # a second
TICK = 0.01  # seconds between two handfuls of events
REPORT_WITHIN = 10.0


async def measure(rounds: int, seconds: float, directory: Path) -> list[Row]:
    """Return the rows of the API's and the gateway's 99th percentiles, and of idle memory."""
    answers: dict[str, list[float]] = {kind: [] for kind in KINDS}
    lags: dict[str, list[float]] = {kind: [] for kind in KINDS}
    memory: dict[str, float] = {}
    async with AsyncExitStack() as stack:
        events, servers = {}, {}
        for kind in KINDS:
            # Each has a Discord of its own: events go to whoever is connected.
            standin = await stack.enter_async_context(DiscordStandin())
            guild = standin.add_guild()
            user = standin.add_user("ada")
            events[kind] = (standin, standin.add_member(guild, user).payload, str(guild.id))
            where = ("--discord-url", standin.rest_url, "--token", standin.token)
            servers[kind] = await stack.enter_async_context(
                run_server(
                    "bench.beside",
                    *(kind, *where, "--directory", str(directory)),
                    log=directory / f"beside-{kind}.log",
                )
            )
        await asyncio.sleep(2)
        memory = {kind: resident_mib(servers[kind].pid) for kind in KINDS}
        for _ in range(rounds):
            for kind in KINDS:
                server = servers[kind]
                sending = asyncio.create_task(_send_events(*events[kind]))
                await _read_lags(server, directory / f"{kind}.lags", discard=True)
                result = await load(
                    server,
                    "notify",
                    status=202 if kind == "stored" else 200,
                    connections=64,
                    seconds=seconds,
                    rate=REQUESTS,
                )
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)
                late = await _read_lags(server, directory / f"{kind}.lags")
                answers[kind].append(result.report.p99)
                lags[kind].append(late.p99)
    load_text = "1,000 requests/s beside 1,000 gateway events/s"
    return [
        _row(f"{load_text}, nothing stored: API p99", answers, "moddy", "0.2 x"),
        _row("the same: gateway lag p99", lags, "moddy", "0.25 x"),
        _row(f"{load_text}, committed to disk (SQLite): API p99", answers, "stored"),
        _row("the same: gateway lag p99", lags, "stored"),
        Row(
            work="idle resident memory, connected",
            moddy=f"{memory['moddy']:.0f} MiB",
            comparator=f"{memory['comparator']:.0f} MiB",
            ratio=f"{memory['moddy'] / memory['comparator']:.2f} x",
            target="1.25 x",
        ),
    ]


def _row(work: str, values: dict[str, list[float]], kind: str, target: str = "") -> Row:
    ours, theirs = values[kind], values["comparator"]
    return Row(
        work=work,
        moddy=spread(ours, " ms", 1),
        comparator=spread(theirs, " ms", 1),
        ratio=ratios(ours, theirs, 2),
        target=target,
    )


async def _send_events(standin: DiscordStandin, member: dict[str, object], guild_id: str) -> None:
    due = time.monotonic()
    while True:
        while due <= time.monotonic():
            nick = {"nick": f"{time.monotonic():.6f}", "guild_id": guild_id}
            await standin.gateway.send_raw("GUILD_MEMBER_UPDATE", {**member, **nick})
            due += 1 / EVENTS
        await asyncio.sleep(TICK / 5)


async def _read_lags(server: Server, path: Path, *, discard: bool = False) -> Lags:
    if discard:
        await asyncio.sleep(0.3)
    _forget(path)
    os.kill(server.pid, signal.SIGUSR1)
    async with asyncio.timeout(REPORT_WITHIN):
        while (report := _find(path)) is None:  # noqa: ASYNC110 (another process)
            await asyncio.sleep(0.02)
    return msgspec.json.decode(report, type=Lags)


def _forget(path: Path) -> None:
    path.unlink(missing_ok=True)


def _find(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None
