"""``python -m bench``: Moddy beside the usual design, as the table in the README.

Run from the repository, with the packages of the dependency group `bench`. The rounds of the two
are interleaved; a cell is the median of the rounds, with the smallest and the largest, and a
ratio is taken within each round. The crash and outage runs are commands of their own.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import click
import uvloop

from bench import client, direct_message, mixed, startup, throughput
from bench.processes import steal_and_total
from bench.tables import Row, write_table

# The tails of a run on a machine that was given less are not worth telling.
MOST_STEAL = 0.02
Measure = Callable[[int, float, Path], Awaitable[list[Row]]]


async def _startup(rounds: int, _seconds: float, directory: Path) -> list[Row]:
    return await startup.measure(rounds, directory)


async def _direct_message(rounds: int, _seconds: float, directory: Path) -> list[Row]:
    return await direct_message.measure(rounds, directory)


BENCHMARKS: dict[str, Measure] = {
    **{name: partial(throughput.measure, name) for name in throughput.CONTESTS},
    "client": client.measure,
    "mixed": mixed.measure,
    "startup": _startup,
    "direct-message": _direct_message,
}


async def _run(names: tuple[str, ...], rounds: int, seconds: float) -> list[Row]:
    rows: list[Row] = []
    for name in names or BENCHMARKS:
        click.echo(f"{name} …", err=True)
        with tempfile.TemporaryDirectory() as directory:
            rows += await BENCHMARKS[name](rounds, seconds, Path(directory))
    return rows


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(list(BENCHMARKS)))
@click.option("--rounds", default=7, show_default=True)
@click.option("--seconds", default=3.0, show_default=True, help="Of each load in each round.")
def main(names: tuple[str, ...], rounds: int, seconds: float) -> None:
    """Measure NAMES, or everything, and print a Markdown table."""
    before, loads = steal_and_total(), os.getloadavg()
    # As the image runs it; httpx has the same loop.
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        rows = runner.run(_run(names, rounds, seconds))
    after = steal_and_total()
    steal = (after[0] - before[0]) / (after[1] - before[1])
    write_table(rows)
    verdict = "" if steal < MOST_STEAL else ": too much for the tails to count"
    click.echo(
        f"\n{rounds} rounds of {seconds:g} s; {steal:.1%} of processor time stolen{verdict}; "
        f"load average {loads[0]:.1f} before and {os.getloadavg()[0]:.1f} after, "
        f"{os.cpu_count()} processors."
    )


if __name__ == "__main__":
    main()
