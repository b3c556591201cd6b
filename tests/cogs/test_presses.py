"""The router: what becomes of a press of a button, a choice in a menu, and a form."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Annotated, Any

import discord
import pytest
from discord import ui
from discord.ext import commands
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct
from simcord.results import InteractionResult

from moddy.bot import ModdyBot
from moddy.cogs.presses import (
    Handler,
    Presses,
    chosen,
    gather_presses,
    read_args,
    require_owner,
    submitted,
)
from moddy.errors import BackendUnavailable, ControlOutOfDate, StoreUnavailable
from moddy.models import Snowflake
from moddy.sandbox.world import AGENT, CLOSED_CUSTOMER, CUSTOMER, Person, World
from moddy.store.database import Database
from moddy.views.custom_ids import custom_id
from moddy.views.translator import CatalogueTranslator
from tests.cogs.conftest import answers, press_beside, text
from tests.fakes import Gate


class _Page(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    owner: Snowflake
    number: Annotated[int, Meta(ge=1, le=9)]


class Desk(commands.Cog):
    """Handles presses in every way there is, and notes what it was given."""

    def __init__(self) -> None:
        self.gate = Gate()
        self.error: Exception | None = None
        self.seen: list[object] = []

    def presses(self) -> Mapping[str, Handler]:
        return {
            "note": self._note,
            "slow": self._slow,
            "fail": self._fail,
            "fail_late": self._fail_late,
            "page": self._page,
            "choose": self._choose,
            "ask": self._ask,
            "form": self._form,
        }

    async def _note(self, _interaction: discord.Interaction[Any], args: Sequence[str]) -> None:
        self.seen.append(tuple(args))

    async def _slow(self, interaction: discord.Interaction[Any], args: Sequence[str]) -> None:
        await interaction.response.defer()
        self.seen.append(tuple(args))
        await self.gate.pass_through()

    async def _fail(self, _interaction: discord.Interaction[Any], _args: Sequence[str]) -> None:
        raise self.error or ControlOutOfDate

    async def _fail_late(self, interaction: discord.Interaction[Any], args: Sequence[str]) -> None:
        await interaction.response.defer()
        await self._fail(interaction, args)

    async def _page(self, interaction: discord.Interaction[Any], args: Sequence[str]) -> None:
        page = read_args(args, _Page)
        require_owner(interaction, page.owner)
        self.seen.append(page.number)

    async def _choose(self, interaction: discord.Interaction[Any], _args: Sequence[str]) -> None:
        self.seen.append(chosen(interaction))

    async def _ask(self, interaction: discord.Interaction[Any], _args: Sequence[str]) -> None:
        modal = ui.Modal(title="Reason", custom_id=custom_id("form", "7"))
        modal.add_item(
            ui.Label(text="Why", component=ui.TextInput(custom_id="why", required=False))
        )
        modal.add_item(
            ui.Label(
                text="Which",
                component=ui.Select(
                    custom_id="which", options=[discord.SelectOption(label="A", value="a")]
                ),
            )
        )
        modal.stop()
        await interaction.response.send_modal(modal)

    async def _form(self, interaction: discord.Interaction[Any], args: Sequence[str]) -> None:
        self.seen.append((tuple(args), dict(submitted(interaction))))


class Room:
    """A bot with the desk's cog, and a channel where buttons can be posted."""

    def __init__(self, database: Database) -> None:
        self.world = World()
        self.desk = Desk()
        self._database = database
        self.bot = self.make_bot()

    def make_bot(self) -> ModdyBot:
        return ModdyBot(
            database=self._database,
            make_cogs=lambda _bot: [self.desk, Presses(gather_presses([self.desk]))],
            translator=CatalogueTranslator(),
            shard_count=1,
        )

    async def post(self, *items: ui.Item[Any]) -> discord.Message:
        view = ui.LayoutView(timeout=None)
        for item in items:
            view.add_item(ui.ActionRow(item))
        view.stop()
        channel = self.bot.get_partial_messageable(self.world.general.id)
        return await channel.send(view=view)

    async def press(self, pressed_id: str, person: Person = CUSTOMER) -> InteractionResult:
        message = await self.post(ui.Button(label="Press", custom_id=pressed_id))
        return await self.world.members[person].click(message, label="Press")


@pytest.fixture
async def room(database: Database) -> AsyncIterator[Room]:
    room = Room(database)
    async with room.world.connect(room.bot):
        yield room
    await room.bot.close()


async def test_a_press_reaches_the_handler_of_its_name_with_its_arguments(room: Room) -> None:
    result = await room.press(custom_id("note", "7", "", "x"))
    assert room.desk.seen == [("7", "", "x")]
    assert result.acknowledged  # by the router: the handler said nothing
    assert answers(result) == []


@pytest.mark.parametrize("pressed_id", ["gone:1", "gone", "note2:1", ":note", "NOTE:1"])
@pytest.mark.parametrize(
    ("person", "words"),
    [
        (CUSTOMER, ("This button is out of date", "use the command again")),
        (CLOSED_CUSTOMER, ("Ce bouton", "réutiliser la commande")),
    ],
    ids=["en", "fr"],
)
async def test_a_name_that_nobody_knows_is_out_of_date(
    room: Room, pressed_id: str, person: Person, words: tuple[str, str]
) -> None:
    [answer] = answers(await room.press(pressed_id, person))
    assert all(word in text(answer) for word in words)
    assert "Err" not in text(answer)
    assert room.desk.seen == []


@pytest.mark.parametrize(
    "args", [(), ("1",), ("1", "2", "3"), ("x", "2"), ("1", "x"), ("1", "0"), ("1", "10"), ("", "")]
)
async def test_arguments_that_do_not_fit_are_out_of_date(room: Room, args: tuple[str, ...]) -> None:
    [answer] = answers(await room.press(custom_id("page", *args)))
    assert "This button is out of date" in text(answer)
    assert room.desk.seen == []


async def test_only_the_owner_may_press(room: Room) -> None:
    mine = custom_id("page", room.world.user_id(CUSTOMER), "2")
    [english] = answers(await room.press(mine, AGENT))
    [french] = answers(await room.press(mine, CLOSED_CUSTOMER))
    assert "somebody else" in text(english)
    assert "quelqu\N{RIGHT SINGLE QUOTATION MARK}un d\N{RIGHT SINGLE QUOTATION MARK}autre" in text(
        french
    )
    assert room.desk.seen == []
    await room.press(mine, CUSTOMER)
    assert room.desk.seen == [2]


@pytest.mark.parametrize("name", ["fail", "fail_late"])
@pytest.mark.parametrize(
    ("error", "words", "level"),
    [
        (BackendUnavailable("x"), "not answering right now", "warning"),
        (StoreUnavailable("x"), "Moddy cannot do that", "warning"),
        (RuntimeError("secret words"), "Something went wrong", "error"),
    ],
    ids=repr,
)
async def test_a_failure_is_told_with_a_number_that_the_log_has(
    *,
    room: Room,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    words: str,
    level: str,
    name: str,
) -> None:
    room.desk.error = error
    [answer] = answers(await room.press(name))
    assert words in text(answer)
    assert "secret" not in text(answer)
    number = text(answer).rpartition("Error ")[2]
    assert len(number) == 8
    [line] = [line for line in capsys.readouterr().out.splitlines() if number in line]
    assert f"press={name}" in line
    assert level in line


async def test_the_same_press_again_while_the_first_is_at_work_does_nothing(room: Room) -> None:
    desk = room.desk
    desk.gate.close()
    message = await room.post(ui.Button(label="Press", custom_id="slow"))
    customer = room.world.members[CUSTOMER]
    first = asyncio.create_task(customer.click(message, label="Press"))
    async with asyncio.timeout(4):
        await desk.gate.reached.wait()
    again = press_beside(room.world, CUSTOMER, message, "slow")
    other = press_beside(room.world, AGENT, message, "slow")
    await asyncio.sleep(0.1)
    desk.gate.open()
    assert (await first).acknowledged
    assert again.responded
    assert other.responded
    assert len(desk.seen) == 2  # the agent's press is another one
    await customer.click(message, label="Press")
    assert len(desk.seen) == 3


async def test_a_choice_in_a_menu(room: Room) -> None:
    options = [discord.SelectOption(label=one, value=one) for one in "abc"]
    menu: ui.Select[Any] = ui.Select(custom_id="choose:1", options=options, max_values=3)
    message = await room.post(menu)
    await room.world.members[CUSTOMER].select(message, ["c", "a"])
    assert room.desk.seen == [["c", "a"]]


async def test_a_choice_of_people(room: Room) -> None:
    message = await room.post(ui.UserSelect(custom_id="choose:1"))
    await room.world.members[CUSTOMER].select(message, [room.world.members[AGENT]])
    assert room.desk.seen == [[room.world.user_id(AGENT)]]


@pytest.mark.parametrize("written", ["because", ""])
async def test_a_form(room: Room, written: str) -> None:
    customer = room.world.members[CUSTOMER]
    shown = await room.press("ask")
    assert shown.modal is not None
    result = await customer.submit_modal(shown, {"why": written, "which": ["a"]})
    assert result.acknowledged
    why = [written] if written else []
    assert room.desk.seen == [(("7",), {"why": why, "which": ["a"]})]


async def test_buttons_and_forms_work_after_a_restart(room: Room) -> None:
    customer = room.world.members[CUSTOMER]
    message = await room.post(ui.Button(label="Press", custom_id="note:1"))
    shown = await room.press("ask")
    await room.bot.close()
    room.bot = room.make_bot()
    await room.world.env.restart_bot(room.bot)
    await customer.click(message, label="Press")
    await customer.submit_modal(shown, {"why": "x", "which": ["a"]})
    assert room.desk.seen[0] == ("1",)
    assert len(room.desk.seen) == 2
    await room.bot.close()


def test_two_cogs_cannot_offer_the_same_name() -> None:
    with pytest.raises(ValueError, match="ask, choose"):
        gather_presses([Desk(), Presses({}), Desk()])
    assert gather_presses([Presses({})]) == {}


@given(st.lists(st.text(max_size=30), max_size=4))
def test_any_arguments_are_read_or_out_of_date(args: list[str]) -> None:
    try:
        page = read_args(args, _Page)
    except ControlOutOfDate:
        return
    assert len(args) == 2
    assert 1 <= page.number <= 9
    assert str(page.owner).isdigit()


@pytest.mark.parametrize("parts", [("",), ("", "a"), ("a:b",), ("a", "b:c"), ("a" * 101,)])
def test_what_is_no_custom_id(parts: tuple[str, ...]) -> None:
    with pytest.raises(ValueError):
        custom_id(*parts)


def test_a_custom_id_is_its_name_and_arguments() -> None:
    assert custom_id("a") == "a"
    assert custom_id("a", "1", "") == "a:1:"
    assert len(custom_id("a", "b" * 98)) == 100
