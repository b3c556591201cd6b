"""The command line: ``python -m moddy``, or ``moddy`` once installed.

Exit codes: 0 after SIGTERM or SIGINT, 2 bad settings, 3 Discord refused for good, 1 anything else.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, ExitStack, contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeVar

import click

from moddy import __version__
from moddy.config import LogFormat, LogLevel, Settings, load_settings, read_environment
from moddy.errors import SettingsError
from moddy.running import EXIT_FAILED, EXIT_SETTINGS, fail, run_on_database, run_until_signal

if TYPE_CHECKING:
    from moddy.store.database import Database

T = TypeVar("T")


class _Commands(click.Group):
    """Moddy's commands. `deliveries` is imported when it is asked for: the bot does without."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, for the help."""
        return sorted([*super().list_commands(ctx), "deliveries"])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of a name."""
        if cmd_name == "deliveries":
            from moddy.console import deliveries  # noqa: PLC0415

            return deliveries
        return super().get_command(ctx, cmd_name)


@click.group(
    cls=_Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="moddy")
@click.pass_context
def main(context: click.Context) -> None:
    """Moddy: the Discord side of a subscription business.

    Without a command it runs the bot, configured by environment variables and a .env file in
    the current directory.
    """
    context.obj = _on_database
    if context.invoked_subcommand is None:
        context.invoke(run)


@main.command()
def run() -> None:
    """Run the bot and the internal API (the default)."""
    settings = _settings(need_token=True)
    # What is imported stays. To look through it for garbage again and again takes longer than
    # any of it.
    gc.disable()

    async def forever() -> None:
        from moddy.app import open_moddy  # noqa: PLC0415 (--help need not wait for discord.py)
        from moddy.bot import ModdyBot  # noqa: PLC0415
        from moddy.gateway import connect_gateway  # noqa: PLC0415

        def connect(bot: ModdyBot) -> AbstractAsyncContextManager[None]:
            return connect_gateway(bot, settings.discord_token or "")

        async with open_moddy(settings, connect=connect) as moddy:
            gc.freeze()
            gc.enable()
            await moddy.bot.logged_in.wait()
            await moddy.bot.wait_until_ready()
            # The cached members stay, too: to look through them would hold up the loop, for longer
            # the more they are.
            gc.freeze()
            await asyncio.Event().wait()

    with _reporting(settings):
        run_until_signal(forever, settings, fast=True)


@contextmanager
def _reporting(settings: Settings) -> Iterator[None]:
    """Report errors to Sentry, with SENTRY_DSN."""
    if settings.sentry_dsn is None:
        yield
        return
    from moddy.sentry import reporting_to  # noqa: PLC0415 (optional)

    with ExitStack() as stack:
        try:
            stack.enter_context(reporting_to(settings.sentry_dsn))
        except SettingsError as error:
            fail("; ".join(error.problems), EXIT_SETTINGS)
        yield


@main.command()
@click.option("--json", "as_json", is_flag=True, help="JSON, for machines.")
def doctor(*, as_json: bool) -> None:
    """Check settings, ports, store, backend and Discord; say what is wrong and how to mend it.

    Changes nothing, and may run beside a Moddy. The exit code is 1 when something is wrong.
    """
    from moddy.doctor import run_doctor  # noqa: PLC0415 (--help need not wait for discord.py)
    from moddy.logs import configure_logging  # noqa: PLC0415

    configure_logging(LogLevel.CRITICAL, LogFormat.CONSOLE, stream=sys.stderr)
    sys.exit(run_doctor(read_environment(), as_json=as_json))


@main.command()
def migrate() -> None:
    """Bring the store's schema up to date, and stop."""
    settings = _settings(need_token=False)

    async def upgrade() -> None:
        from moddy.store.database import open_database  # noqa: PLC0415
        from moddy.store.migrate import migrate as upgrade_schema  # noqa: PLC0415

        async with open_database(settings.database_url) as database:
            click.echo(f"schema revision {await upgrade_schema(database)}")

    run_until_signal(upgrade, settings)


@main.command()
def openapi() -> None:
    """Print the internal API as an OpenAPI 3.1 document."""
    from moddy.web.openapi import encoded  # noqa: PLC0415 (--help need not wait for aiohttp)

    click.echo(encoded())


@main.command("copy-store")
@click.argument("source")
@click.argument("target")
def copy_store(source: str, target: str) -> None:
    """Copy the store at the address SOURCE into an empty one at TARGET, all or nothing.

    Stop Moddy before. Addresses are written as in DATABASE_URL:
    sqlite:///moddy.db, postgres://user:password@host/name
    """
    urls = [_database_url(url) for url in (source, target)]

    async def copy() -> None:
        from moddy.store.copying import copy_store as copy_rows  # noqa: PLC0415
        from moddy.store.database import open_database  # noqa: PLC0415

        async with open_database(urls[0]) as reading, open_database(urls[1]) as writing:
            counts = await copy_rows(reading, writing)
        for name, count in sorted(counts.items()):
            click.echo(f"{name:<16} {count:>10,} rows")
        click.echo("Copied, and counted on both sides. Set DATABASE_URL to the new store.")

    run_until_signal(copy, Settings(log_level=LogLevel.WARNING))


def _database_url(url: str) -> str:
    try:
        return load_settings({"DATABASE_URL": url}, need_token=False).database_url
    except SettingsError as error:
        fail(str(error), EXIT_SETTINGS)


@main.command()
@click.option("--port", type=click.IntRange(1, 65535), help="Port of the backend's page.")
@click.option("--browser/--no-browser", default=True, help="Open the pages in a browser.")
def sandbox(port: int | None, browser: bool) -> None:
    """Try Moddy in a browser: no token, no Discord account, no network."""
    if find_spec("simcord") is None:
        fail("the sandbox needs its extra packages: pip install 'moddy[sandbox]'", EXIT_FAILED)

    async def play() -> None:
        from moddy.sandbox import run_sandbox  # noqa: PLC0415

        await run_sandbox(port=port, open_browser=browser)

    # SimCord steers the loop itself, which only asyncio's own allows.
    run_until_signal(play, Settings(log_level=LogLevel.ERROR), fast=False)


def _settings(*, need_token: bool) -> Settings:
    try:
        return load_settings(read_environment(), need_token=need_token)
    except SettingsError as error:
        for problem in error.problems:
            click.echo(problem, err=True)
        sys.exit(EXIT_SETTINGS)


def _on_database(work: Callable[[Database], Coroutine[Any, Any, T]]) -> T:
    """Run `work` on the configured database as it is."""
    return run_on_database(work, _settings(need_token=False))


if __name__ == "__main__":
    main()
