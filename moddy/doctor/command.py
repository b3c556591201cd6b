"""All checks beside each other, one line each, and the exit code."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from itertools import chain

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from moddy.backend import open_backend_client
from moddy.config import Settings, load_settings
from moddy.doctor.discord import check_discord
from moddy.doctor.findings import Finding, Verdict, failure, ok
from moddy.doctor.machine import (
    DISCORD,
    check_clock,
    check_name,
    check_port,
    check_settings,
    check_store,
)
from moddy.errors import SettingsError
from moddy.models import encode
from moddy.signing import Signer

EXIT_FAILED = 1
_STYLES = {
    Verdict.OK: "green",
    Verdict.NOTE: "yellow",
    Verdict.FAILURE: "bold red",
    Verdict.SKIPPED: "dim",
}


def run_doctor(environ: Mapping[str, str], *, as_json: bool) -> int:
    """Check everything, print the findings, and return the exit code."""
    try:
        settings = load_settings(environ, need_token=False)
    except SettingsError as error:
        findings = [_wrong_setting(problem) for problem in error.problems]
    else:
        findings = asyncio.run(examine(settings))
    if as_json:
        click.echo(encode(findings))
    else:
        show(findings)
    return EXIT_FAILED if any(one.verdict is Verdict.FAILURE for one in findings) else 0


async def examine(settings: Settings) -> list[Finding]:
    """Return all findings."""
    if settings.discord_api_base_url is not None:
        from moddy.bot import use_api_base  # noqa: PLC0415 (discord.py takes a second to import)

        use_api_base(settings.discord_api_base_url)
    ports = {"INTERNAL_PORT": settings.internal_port}
    if settings.port is not None:
        ports["PORT"] = settings.port
    machine = asyncio.gather(
        *(check_port(port, setting=setting) for setting, port in ports.items()),
        check_clock(settings.discord_api_base_url or DISCORD),
        check_name(settings.backend_internal_url),
        _check_backend(settings),
    )
    groups = await asyncio.gather(machine, check_store(settings), check_discord(settings))
    return [*check_settings(settings), *chain.from_iterable(groups)]


async def _check_backend(settings: Settings) -> Finding:
    secrets = settings.internal_signing_secrets
    async with open_backend_client(
        base_url=settings.backend_internal_url,
        secret=settings.internal_api_secret,
        signer=Signer(secrets) if secrets else None,
    ) as backend:
        diagnosis = await backend.test_connection()
    result = f"{diagnosis.found} ({diagnosis.url}, {diagnosis.milliseconds} ms)"
    if diagnosis.ok:
        return ok("backend", result)
    return failure("backend", result, "likely: " + "; or ".join(diagnosis.causes))


def _wrong_setting(problem: str) -> Finding:
    name, _, expected = problem.partition(": ")
    return failure(name, "wrong or missing", expected)


def show(findings: Sequence[Finding]) -> None:
    """Print the findings for people."""
    table = Table(box=None, show_header=False, pad_edge=False)
    for finding in findings:
        word = Text(finding.verdict.value, style=_STYLES[finding.verdict])
        lines = finding.result if finding.fix is None else f"{finding.result}\n→ {finding.fix}"
        # Folded: an address is not to be cut where the terminal ends.
        table.add_row(word, Text(finding.check), Text(lines, overflow="fold"))
    console = Console(soft_wrap=False)
    console.print(table)
