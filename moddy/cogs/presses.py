"""Buttons, menus and forms: one router from a component's custom id to what handles it.

Nothing of it is in memory, so a message's buttons work after a restart. A cog that wants presses
offers them by name, and `gather_presses` brings those of all cogs into the one `Presses`:

    def presses(self) -> Mapping[str, Handler]:
        return {"invoices": self._turn_page}

    async def _turn_page(self, interaction: discord.Interaction[Any], args: Sequence[str]) -> None:
        page = read_args(args, PageArgs)  # or raises ControlOutOfDate
        require_owner(interaction, page.owner)  # or raises ControlNotYours
        await interaction.response.defer()
        ...

The view gives its button ``custom_id=custom_id("invoices", owner, "10", "2")`` (views import it
from `moddy.views.custom_ids`) and no callback; `moddy.views.layout.card` keeps discord.py from
remembering it, and a form needs ``modal.stop()`` before it is sent for the same.
Discord waits 3 seconds: a handler's first call is one of ``interaction.response``, before it asks
anybody anything; a handler that makes none is acknowledged without a visible change when it ends.
Whatever a handler raises, the person reads a sentence and, where something failed, an error id.
What was chosen in a menu is `chosen(interaction)`; what was written into a form is
`submitted(interaction)`.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar, runtime_checkable

import discord
import msgspec
import structlog
from discord.ext import commands

from moddy.cogs.command_lines import log_done
from moddy.cogs.errors import answer_press_error
from moddy.errors import ControlNotYours, ControlOutOfDate
from moddy.models import Snowflake, from_json
from moddy.views.custom_ids import SEPARATOR, custom_id

__all__ = [
    "Handler",
    "OffersPresses",
    "Presses",
    "chosen",
    "custom_id",
    "gather_presses",
    "read_args",
    "require_owner",
    "submitted",
]

log = structlog.get_logger(__name__)

T = TypeVar("T")
Handler = Callable[[discord.Interaction[Any], Sequence[str]], Awaitable[None]]

_ROUTED = frozenset({discord.InteractionType.component, discord.InteractionType.modal_submit})


@runtime_checkable
class OffersPresses(Protocol):
    """A cog whose messages have buttons, menus or forms."""

    def presses(self) -> Mapping[str, Handler]:
        """Return the handlers by their names in custom ids."""
        ...


def gather_presses(cogs: Iterable[commands.Cog]) -> dict[str, Handler]:
    """Return the handlers that the cogs offer.

    Raises:
        ValueError: two cogs offer the same name.
    """
    gathered: dict[str, Handler] = {}
    for cog in cogs:
        offered = cog.presses() if isinstance(cog, OffersPresses) else {}
        if twice := gathered.keys() & offered.keys():
            raise ValueError(f"two cogs handle the presses {', '.join(sorted(twice))}")
        gathered |= offered
    return gathered


def read_args(args: Sequence[str], kind: type[T]) -> T:
    """Return a custom id's arguments as the fields of `kind`, in their order.

    `kind` is a frozen Struct with ``array_like=True, forbid_unknown_fields=True``; its fields
    may be str, int, bool, Snowflake or an enum, with `msgspec.Meta` limits.

    Raises:
        ControlOutOfDate: they are too few, too many, or not what the fields hold.
    """
    try:
        return from_json(list(args), kind, strict=False)
    except msgspec.ValidationError:
        raise ControlOutOfDate from None


def require_owner(interaction: discord.Interaction[Any], owner: Snowflake) -> None:
    """Raise ControlNotYours unless it is `owner` who presses."""
    if str(interaction.user.id) != owner:
        raise ControlNotYours


def chosen(interaction: discord.Interaction[Any]) -> Sequence[str]:
    """Return the values chosen in a select menu; ids for users, roles and channels."""
    return [str(value) for value in _data(interaction).get("values") or ()]


def submitted(interaction: discord.Interaction[Any]) -> Mapping[str, Sequence[str]]:
    """Return a form's values by the custom id of each field; one without a value is empty."""
    return dict(_fields(_data(interaction).get("components") or ()))


class Presses(commands.Cog):
    """Brings each press to the handler of its name; unknown names are out of date.

    A press that comes again while the first is at work (same person, message and button) is
    acknowledged and does nothing.
    """

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        self._handlers = dict(handlers)
        self._at_work: set[tuple[int, int | None, str]] = set()

    @commands.Cog.listener()
    async def on_interaction(self, interaction: discord.Interaction[Any]) -> None:
        """Handle a press of a button, a choice in a menu, or a form."""
        if interaction.type not in _ROUTED:
            return
        pressed_id = str(_data(interaction).get("custom_id") or "")
        message_id = interaction.message.id if interaction.message else None
        press = (interaction.user.id, message_id, pressed_id)
        if press in self._at_work:
            await _acknowledge(interaction)
            return
        self._at_work.add(press)
        try:
            await self._handle(interaction, pressed_id)
        finally:
            self._at_work.discard(press)

    async def _handle(self, interaction: discord.Interaction[Any], pressed_id: str) -> None:
        started = time.perf_counter()
        name, *args = pressed_id.split(SEPARATOR)
        try:
            handler = self._handlers.get(name)
            if handler is None:
                raise ControlOutOfDate
            await handler(interaction, args)
        except Exception as error:  # noqa: BLE001 - this task's edge; it is logged and answered
            known = name if name in self._handlers else None
            await answer_press_error(interaction, error, name=known, started=started)
        else:
            log_done("press", name, user_id=interaction.user.id, started=started)
            await _acknowledge(interaction)


async def _acknowledge(interaction: discord.Interaction[Any]) -> None:
    """Tell Discord that the press has arrived, unless a handler has."""
    if interaction.response.is_done():
        return
    try:
        await interaction.response.defer()
    except discord.HTTPException as failure:
        log.warning("press not acknowledged", status=failure.status, code=failure.code)


def _data(interaction: discord.Interaction[Any]) -> Mapping[str, Any]:
    return interaction.data or {}


def _fields(components: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield each field of a form; Discord nests them in rows (older) or labels."""
    for component in components:
        inner = component.get("component")
        yield from _fields([*component.get("components", ()), *([inner] if inner else ())])
        if "values" in component:
            yield component["custom_id"], [str(value) for value in component["values"]]
        elif "value" in component:
            value = component["value"]
            yield component["custom_id"], [str(value)] if value not in (None, "") else []
