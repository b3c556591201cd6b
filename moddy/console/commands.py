"""The commands: arguments in, lines out. What they do is in `acts`, what they say in `texts`."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

import click

from moddy.console import acts, texts
from moddy.console.acts import Results
from moddy.models import Snowflake, encode
from moddy.ports import SystemClock
from moddy.store.console import (
    DROPPABLE,
    OPEN,
    RETRYABLE,
    STATES,
    Action,
    Row,
    Selection,
)
from moddy.store.database import Database
from moddy.store.deliveries import DeliveryKind

T = TypeVar("T")

EXIT_FAILED = 1
LIMIT = 50


class OnDatabase(Protocol):
    """Runs work on the configured database, and ends the process with one line if it cannot."""

    def __call__(self, work: Callable[[Database], Coroutine[Any, Any, T]]) -> T: ...


def _read_ids(_context: object, _parameter: object, values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        if not re.fullmatch(r"[0-9a-f]{1,24}", value.lower(), re.ASCII):
            raise click.BadParameter("expected the id of a delivery, or the beginning of one")
    return tuple(value.lower() for value in values)


def _read_id(context: object, parameter: object, value: str) -> str:
    return _read_ids(context, parameter, (value,))[0]


def _read_user(_context: object, _parameter: object, value: str | None) -> Snowflake | None:
    try:
        return None if value is None else Snowflake.parse(value)
    except ValueError as error:
        raise click.BadParameter("expected a Discord id (1 to 20 digits)") from error


_yes = click.option("--yes", is_flag=True, help="Do not ask.")
_json = click.option("--json", "as_json", is_flag=True, help="JSON, for machines.")


@click.group(invoke_without_command=True)
@click.pass_context
def deliveries(context: click.Context) -> None:
    """See what is stuck, try it again, or give it up.

    Works beside a running Moddy, and needs only DATABASE_URL. An ID may be cut to its beginning
    as long as only one delivery's begins so.
    """
    if context.invoked_subcommand is None:
        context.invoke(list_)


@deliveries.command("list")
@click.option("--state", "states", type=click.Choice(STATES), multiple=True)
@click.option("--kind", type=click.Choice([kind.value for kind in DeliveryKind]))
@click.option("--user", "user_id", callback=_read_user, metavar="ID", help="A Discord id.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=LIMIT, show_default=True)
@_json
@click.pass_obj
def list_(
    on_database: OnDatabase,
    *,
    states: tuple[str, ...] = (),
    kind: str | None = None,
    user_id: Snowflake | None = None,
    limit: int = LIMIT,
    as_json: bool = False,
) -> None:
    """List what is not finished well, newest last (the default)."""
    selection = Selection(states=states or OPEN, kind=kind, user_id=user_id)
    listing = _on(
        on_database, lambda database: acts.list_deliveries(database, selection, limit=limit)
    )
    now = SystemClock().now()
    if as_json:
        click.echo(encode(texts.listing_json(listing, now)))
        return
    for line in texts.listing_lines(listing, now, limit=limit):
        click.echo(line)


@deliveries.command()
@click.argument("delivery_id", metavar="ID", callback=_read_id)
@_json
@click.pass_obj
def show(on_database: OnDatabase, *, delivery_id: str, as_json: bool) -> None:
    """Show all facts of a delivery; never what the customer reads."""
    details = _on(on_database, lambda database: acts.show(database, delivery_id))
    now = SystemClock().now()
    if as_json:
        click.echo(encode(texts.detail_json(details, now)))
        return
    for line in texts.detail_lines(details, now):
        click.echo(line)


@deliveries.command()
@click.argument("delivery_ids", metavar="[ID]...", nargs=-1, callback=_read_ids)
@click.option("--state", type=click.Choice(["dead", "uncertain"]), help="All in this state.")
@_yes
@click.pass_obj
def retry(
    on_database: OnDatabase, *, delivery_ids: tuple[str, ...], state: str | None, yes: bool
) -> None:
    """Make dead, uncertain, refused or kept deliveries due at once."""
    if bool(delivery_ids) == (state is not None):
        raise click.UsageError("give either the IDs of deliveries or --state")
    if state is None:
        rows = _on(on_database, lambda database: acts.find_by_ids(database, delivery_ids))
    else:
        rows = _on(on_database, lambda database: acts.find_in_state(database, state))
    chosen, failed = _choose(rows, RETRYABLE, texts.retry_refusal)
    uncertain = sum(row.state == "uncertain" for row in chosen)
    if uncertain and not yes:
        counted = texts.deliveries_count(uncertain)
        _confirm(texts.UNCERTAIN_WARNING.format(count=counted), "Retry all the same?")
    results = _do(on_database, Action.RETRY, chosen)
    click.echo(f"{texts.deliveries_count(len(results.done))} retried")
    if results.done:
        click.echo("A running Moddy tries them within seconds.")
    _end(failed or bool(results.failed))


@deliveries.command()
@click.argument("delivery_ids", metavar="ID...", nargs=-1, required=True, callback=_read_ids)
@_yes
@click.pass_obj
def drop(on_database: OnDatabase, *, delivery_ids: tuple[str, ...], yes: bool) -> None:
    """Give deliveries up for good; they stay on record."""
    rows = _on(on_database, lambda database: acts.find_by_ids(database, delivery_ids))
    chosen, failed = _choose(rows, DROPPABLE, texts.drop_refusal)
    if chosen and not yes:
        counted = texts.deliveries_count(len(chosen))
        _confirm(f"{counted} will never be delivered.", "Drop?")
    results = _do(on_database, Action.DROP, chosen)
    click.echo(f"{texts.deliveries_count(len(results.done))} dropped")
    _end(failed or bool(results.failed))


def _on(on_database: OnDatabase, work: Callable[[Database], Coroutine[Any, Any, T]]) -> T:
    async def checked(database: Database) -> T:
        await acts.check_schema(database)
        return await work(database)

    return on_database(checked)


def _choose(
    rows: list[Row], states: tuple[str, ...], refusal: Callable[[Row], str]
) -> tuple[list[Row], bool]:
    """Return the rows in one of `states`, and whether there are others; say why not those."""
    chosen = [row for row in rows if row.state in states]
    for row in rows:
        if row.state not in states:
            _cannot(row, refusal(row))
    return chosen, len(chosen) < len(rows)


def _do(on_database: OnDatabase, action: Action, rows: list[Row]) -> Results:
    """Do it, and say what stood in the way of the others."""
    if not rows:
        return Results(done=[], failed=[])
    now, actor = SystemClock().now(), acts.read_actor()
    results = _on(
        on_database, lambda database: acts.do(database, action, rows, now=now, actor=actor)
    )
    for row, obstacle in results.failed:
        _cannot(row, texts.OBSTACLES[obstacle])
    return results


def _confirm(warning: str, question: str) -> None:
    click.echo(warning, err=True)
    try:
        if click.confirm(question, err=True):
            return
    except click.Abort:  # nobody there to answer
        click.echo("", err=True)
    click.echo("nothing was changed (--yes does it without asking)", err=True)
    sys.exit(EXIT_FAILED)


def _cannot(row: Row, why: str) -> None:
    click.echo(f"{row.id[: texts.SHORT_ID]}: {why}", err=True)


def _end(failed: bool) -> None:
    if failed:
        sys.exit(EXIT_FAILED)
