"""Thousands of deliveries over hundreds of lives of Moddy, each ended by ``kill -9``.

Run from the repository, with the development environment: ``python -m bench.crashes``. A backend
sends notifications and role updates, each with its Idempotency-Key and again until it is
acknowledged, to a Moddy that talks to the tests' Discord stand-in over real sockets and is killed
at one named point after the other. At the end everything acknowledged is looked for on Discord.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click

from tests.crashes.run import POINTS, Plan, Result, run
from tests.postgres_server import find_binaries, run_server

COLUMNS = (
    "database",
    "seed",
    "deliveries",
    "kills",
    "lost",
    "duplicate messages",
    "duplicate changes",
    "uncertain",
    "out of order",
    "changed answers",
    "error lines",
    "sent again, dropped by nonce",
    "seconds",
)


@contextmanager
def open_store(kind: str, directory: Path) -> Iterator[str]:
    """Yield the address of an empty database."""
    with ExitStack() as stack:
        if kind == "sqlite":
            yield f"sqlite:///{directory / 'moddy.db'}"
            return
        binaries = find_binaries()
        if binaries is None:
            raise click.ClickException("PostgreSQL is not installed")
        server = stack.enter_context(run_server(binaries))
        server.execute("CREATE DATABASE crashes")
        yield server.url("crashes")


def cells(kind: str, result: Result) -> list[str]:
    """Return a result as the cells of its row."""
    verdict = result.verdict
    numbers = [
        result.plan.seed,
        result.plan.deliveries,
        result.kills.total(),
        verdict.lost,
        verdict.duplicate_dms,
        verdict.duplicate_changes,
        verdict.uncertain,
        verdict.out_of_order,
        verdict.changed_answers,
        verdict.error_lines,
        verdict.repeated_sends,
        round(result.seconds),
    ]
    return [kind, *(f"{number:,}" for number in numbers)]


def write_row(row: list[str]) -> None:
    """Print a row of a Markdown table."""
    click.echo("| " + " | ".join(row) + " |")


def write_table(results: dict[str, Result]) -> None:
    """Print the table, and below it how often Moddy was killed where."""
    write_row(list(COLUMNS))
    write_row(["---"] * len(COLUMNS))
    for kind, result in results.items():
        write_row(cells(kind, result))
    click.echo()
    for kind, result in results.items():
        places = ", ".join(f"{point} {result.kills[point]}" for point in POINTS)
        click.echo(f"Kills on {kind}: {places}.")


@click.command()
@click.option("--deliveries", default=10_000, show_default=True, help="Requests sent.")
@click.option("--kills", default=200, show_default=True, help="Lives that are ended.")
@click.option("--users", default=400, show_default=True, help="Customers they are about.")
@click.option(
    "--database",
    "kinds",
    type=click.Choice(["sqlite", "postgresql", "both"]),
    default="both",
    show_default=True,
)
@click.option("--seed", default=1, show_default=True, help="Chooses the load and the kills.")
def main(deliveries: int, kills: int, users: int, kinds: str, seed: int) -> None:
    """Kill Moddy again and again, and look for what it lost or did twice."""
    results = {}
    for kind in ["sqlite", "postgresql"] if kinds == "both" else [kinds]:
        with tempfile.TemporaryDirectory() as name, open_store(kind, Path(name)) as url:
            plan = Plan(
                database_url=url,
                directory=Path(name),
                seed=seed,
                deliveries=deliveries,
                kills=kills,
                users=users,
            )
            results[kind] = asyncio.run(run(plan))
    write_table(results)
    if any(result.verdict.faults for result in results.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
