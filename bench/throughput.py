"""As many requests as are answered: Moddy's API, the comparators, and a bare aiohttp handler."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from msgspec import Struct

from bench.processes import Measured, load, run_server
from bench.tables import Row, ratios, spread
from tests.postgres_server import find_binaries
from tests.postgres_server import run_server as run_postgres


class Contest(Struct, frozen=True, kw_only=True):
    """One row: who is loaded with what. `others` are servers of `bench.servers`."""

    work: str
    kind: str
    connections: int
    database: str | None = None  # of Moddy's; None: nothing is stored
    request: str = "notify"
    others: tuple[str, ...] = ("comparator", "lean")
    target: str = ""


CONTESTS = {
    "notify": Contest(
        work="notify, 16 connections, Discord stubbed, nothing stored",
        kind="forgetful",
        connections=16,
        others=("comparator", "lean", "bare"),
        target="8 x, and 0.6 x a bare aiohttp handler",
    ),
    "sqlite": Contest(
        work="notify committed to disk, SQLite FULL, 64 connections, 1,000 customers",
        kind="moddy",
        connections=64,
        database="sqlite",
        target="4 x",
    ),
    "sqlite-new": Contest(
        work="the same, each about a new customer",
        kind="moddy",
        connections=64,
        database="sqlite",
        request="notify-new",
    ),
    "postgresql": Contest(
        work="notify committed to disk, PostgreSQL, 64 connections, 1,000 customers",
        kind="moddy",
        connections=64,
        database="postgresql",
        target="3 x",
    ),
    "health": Contest(
        work="health, 16 connections", kind="moddy", connections=16, request="health", target="8 x"
    ),
}


async def measure(name: str, rounds: int, seconds: float, directory: Path) -> list[Row]:
    """Return a contest's row."""
    contest = CONTESTS[name]
    names = ("moddy", *contest.others)
    results: dict[str, list[Measured]] = {one: [] for one in names}
    async with AsyncExitStack() as stack:
        url = f"sqlite:///{directory / name}.db"
        if contest.database == "postgresql":
            binaries = find_binaries()
            if binaries is None:
                return [Row(work=contest.work, moddy="PostgreSQL is not installed")]
            server = stack.enter_context(run_postgres(binaries, durable=True))
            server.execute("CREATE DATABASE bench")
            url = server.url("bench")
        servers = {}
        for one in names:
            arguments = [contest.kind, "--database-url", url] if one == "moddy" else [one]
            log = directory / f"{name}-{one}.log"
            server_context = run_server("bench.servers", *arguments, log=log)
            servers[one] = await stack.enter_async_context(server_context)
        is_stored = contest.database is not None and contest.request != "health"
        for _ in range(rounds):
            for one in names:
                result = await load(
                    servers[one],
                    contest.request,
                    status=202 if one == "moddy" and is_stored else 200,
                    connections=contest.connections,
                    seconds=seconds,
                )
                results[one].append(result)
    return [_row(contest, results)]


def _row(contest: Contest, results: dict[str, list[Measured]]) -> Row:
    ours = results["moddy"]
    ratio = [ratios(_rates(ours), _rates(results["comparator"]))]
    ratio.append(f"{ratios(_rates(ours), _rates(results['lean']))} the lean one")
    if "bare" in results:
        ratio.append(f"{ratios(_rates(ours), _rates(results['bare']), 2)} bare")
    return Row(
        work=contest.work,
        moddy=_cell(ours),
        comparator=_cell(results["comparator"]),
        ratio=", ".join(ratio),
        target=contest.target,
    )


def _rates(results: Sequence[Measured]) -> list[float]:
    return [result.report.rate for result in results]


def _cell(results: Sequence[Measured]) -> str:
    cpu = sorted(result.cpu for result in results)[len(results) // 2]
    return f"{spread(_rates(results))}/s, {cpu:.2f} ms CPU each"
