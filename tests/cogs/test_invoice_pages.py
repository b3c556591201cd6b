"""`/invoices` and its pages, through real interactions."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from moddy.errors import BackendUnavailable
from moddy.models import Invoice, InvoicesResponse, InvoiceStatus
from moddy.sandbox.world import AGENT, AWAY_CUSTOMER, CLOSED_CUSTOMER, CUSTOMER, Person
from moddy.views.custom_ids import custom_id
from moddy.views.invoices import MAX_INVOICES, OPEN_INVOICES, TURN_PAGE
from tests.cogs.conftest import WEBSITE, Office, buttons, links, press_beside, text
from tests.fakes import START

EVERYWHERE = pytest.mark.parametrize("in_guild", [False, True], ids=["dm", "guild"])


def invoices(count: int, *, version: str = "a") -> InvoicesResponse:
    """Return invoices a week apart, the newest of yesterday; `version` is in their links."""
    return InvoicesResponse(
        success=True,
        message="",
        invoices=[
            Invoice(
                invoice_id=f"in_{number}",
                amount=1000 + number,
                currency="eur",
                status=InvoiceStatus.PAID,
                created=START - timedelta(days=1, weeks=number),
                invoice_pdf=f"https://pay.stripe.example/{version}/{number}.pdf",
            )
            for number in range(count)
        ],
    )


@EVERYWHERE
@pytest.mark.parametrize(
    ("person", "paid", "page_1", "page_2", "forward", "back"),
    [
        (CUSTOMER, "paid", "Page 1 of 3", "Page 2 of 3", "Next", "Previous"),
        (CLOSED_CUSTOMER, "payée", "Page 1 sur 3", "Page 2 sur 3", "Suivante", "Précédente"),
    ],
    ids=["en", "fr"],
)
async def test_turning_pages(
    *,
    office: Office,
    person: Person,
    paid: str,
    page_1: str,
    page_2: str,
    forward: str,
    back: str,
    in_guild: bool,
) -> None:
    office.backend.invoices = invoices(14)
    [answer] = await office.run(person, "invoices", in_guild=in_guild)
    assert paid in text(answer)
    assert page_1 in text(answer)
    assert back not in buttons(answer)
    first = text(answer)
    assert await office.click(person, answer, forward) == []
    assert page_2 in text(answer)
    await office.click(person, answer, back)
    assert text(answer) == first
    assert (
        office.backend.calls
        == [("get_subscription_invoices", office.user_id(person), MAX_INVOICES)] * 3
    )


async def test_the_limit_stays_while_pages_are_turned(office: Office) -> None:
    office.backend.invoices = invoices(8)
    [answer] = await office.run(CUSTOMER, "invoices", limit=8)
    await office.click(CUSTOMER, answer, "Next")
    assert "Page 2 of 2 · 8 invoices" in text(answer)
    assert [call[2] for call in office.backend.calls] == [8, 8]


async def test_someone_in_no_server(office: Office) -> None:
    office.backend.invoices = invoices(7)
    [answer] = await office.run(AWAY_CUSTOMER, "invoices")
    await office.click(AWAY_CUSTOMER, answer, "Next")
    assert "Page 2 of 2" in text(answer)


async def test_a_page_has_fresh_links(office: Office) -> None:
    office.backend.invoices = invoices(10)
    [answer] = await office.run(CUSTOMER, "invoices")
    assert links(answer)["Latest invoice (PDF)"] == "https://pay.stripe.example/a/0.pdf"
    office.backend.invoices = invoices(10, version="b")
    await office.click(CUSTOMER, answer, "Next")
    assert links(answer)["Latest invoice (PDF)"] == "https://pay.stripe.example/b/0.pdf"
    # Those of the second page are older than a link lives.
    assert "PDF" not in links(answer)
    assert "the link to its PDF has expired" in text(answer)
    assert links(answer)["Manage on the website"] == str(WEBSITE)


async def test_pages_turn_after_a_restart(office: Office) -> None:
    office.backend.invoices = invoices(10)
    [answer] = await office.run(CUSTOMER, "invoices")
    await office.restart()
    await office.click(CUSTOMER, answer, "Next")
    assert "Page 2 of 2" in text(answer)


async def test_a_page_that_is_gone_becomes_the_last_one(office: Office) -> None:
    office.backend.invoices = invoices(14)
    [answer] = await office.run(CUSTOMER, "invoices")
    await office.click(CUSTOMER, answer, "Next")
    office.backend.invoices = invoices(2)
    await office.click(CUSTOMER, answer, "Next")
    assert text(answer).endswith("2 invoices")
    assert "Next" not in buttons(answer)


async def test_a_second_press_shows_the_same_page(office: Office) -> None:
    office.backend.invoices = invoices(20)
    [answer] = await office.run(CUSTOMER, "invoices")
    await office.click(CUSTOMER, answer, "Next")
    second = text(answer)
    pressed = custom_id(TURN_PAGE, office.user_id(CUSTOMER), str(MAX_INVOICES), "2")
    again = press_beside(office.world, CUSTOMER, answer, pressed)
    await office.world.env.settle()
    assert again.responded
    assert again.followup_ids == []
    assert "Page 2 of 4" in second
    assert text(answer) == second


@pytest.mark.parametrize("name", [OPEN_INVOICES, TURN_PAGE])
@pytest.mark.parametrize(
    ("person", "words"), [(AGENT, "somebody else"), (CLOSED_CUSTOMER, "pas à vous")]
)
async def test_a_press_of_somebody_else(
    office: Office, name: str, person: Person, words: str
) -> None:
    rest = ["10", "2"] if name == TURN_PAGE else []
    message = await office.post_button(custom_id(name, office.user_id(CUSTOMER), *rest))
    [answer] = await office.click(person, message, "Press")
    assert words in text(answer)
    assert office.backend.calls == []


@pytest.mark.parametrize(
    "args", [(), ("10",), ("10", "2", "x"), ("0", "1"), ("51", "1"), ("10", "0"), ("10", "99")]
)
async def test_a_button_that_was_tampered_with(office: Office, args: tuple[str, ...]) -> None:
    message = await office.post_button(custom_id(TURN_PAGE, office.user_id(CUSTOMER), *args))
    [answer] = await office.click(CUSTOMER, message, "Press")
    assert "This button is out of date" in text(answer)
    assert office.backend.calls == []


async def test_trouble_while_turning_leaves_the_page_as_it_was(
    office: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    office.backend.invoices = invoices(10)
    [answer] = await office.run(CUSTOMER, "invoices")
    before = text(answer)
    office.backend.error = BackendUnavailable("x")
    [problem] = await office.click(CUSTOMER, answer, "Next")
    assert "not answering right now" in text(problem)
    assert text(problem).rpartition("Error ")[2] in capsys.readouterr().out
    assert text(answer) == before
    office.backend.error = None
    await office.click(CUSTOMER, answer, "Next")
    assert "Page 2 of 2" in text(answer)


@pytest.mark.parametrize(("name", "thinking"), [(OPEN_INVOICES, True), (TURN_PAGE, False)])
async def test_a_press_is_acknowledged_before_the_backend_answers(
    office: Office, name: str, thinking: bool
) -> None:
    rest = ["10", "2"] if name == TURN_PAGE else []
    message = await office.post_button(custom_id(name, office.user_id(CUSTOMER), *rest))
    office.backend.gate.close()
    interactions: list[object] = []
    office.world.env._register_dispatch_observer(interactions.append)
    running = asyncio.create_task(office.click(CUSTOMER, message, "Press"))
    async with asyncio.timeout(4):
        await office.backend.gate.reached.wait()
    [interaction] = interactions
    assert interaction.responded  # type: ignore[attr-defined]
    assert interaction.ephemeral is thinking  # type: ignore[attr-defined]
    office.backend.gate.open()
    assert len(await running) == (1 if thinking else 0)
