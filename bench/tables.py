"""The rows of the README's table, and how repeated rounds become one."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import click
from msgspec import Struct

COLUMNS = ("work", "Moddy", "comparator", "ratio", "target")


class Row(Struct, frozen=True, kw_only=True):
    """One row; every cell is a text."""

    work: str
    moddy: str
    comparator: str = ""
    ratio: str = ""
    target: str = ""


def spread(values: Sequence[float], unit: str = "", digits: int = 0) -> str:
    """Return the median and, in parentheses, the smallest and the largest."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:,.{digits}f}{unit} ({low:,.{digits}f} to {high:,.{digits}f})"


def ratios(ours: Sequence[float], theirs: Sequence[float], digits: int = 1) -> str:
    """Return the ratios of rounds that followed each other, as `spread` does."""
    each = [one / other for one, other in zip(ours, theirs, strict=True)]
    return spread(each, " x", digits)


def write_table(rows: Sequence[Row]) -> None:
    """Print a Markdown table."""
    click.echo("| " + " | ".join(COLUMNS) + " |")
    click.echo("|" + " --- |" * len(COLUMNS))
    for row in rows:
        cells = (row.work, row.moddy, row.comparator, row.ratio, row.target)
        click.echo("| " + " | ".join(cells) + " |")
