"""Refunds through real interactions: every path from the command to the end of the refund."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from simcord.results import InteractionResult, ResponseMessage

from moddy.errors import BackendUnavailable
from moddy.sandbox.world import AGENT, CLOSED_CUSTOMER, CUSTOMER, SUPERVISOR, Person, World
from moddy.store.database import Database
from moddy.store.refunds import RefundState
from moddy.views import staff_refunds as views
from moddy.views.custom_ids import custom_id
from tests.cogs.conftest import answers, buttons, press_beside, text
from tests.cogs.refund_office import RefundOffice
from tests.services.refund_stage import Fault

_SPACES = str.maketrans({"\N{NO-BREAK SPACE}": " ", "\N{NARROW NO-BREAK SPACE}": " "})
SECOND = ["Approve", "Reject", "Cancel", "Show how it stands"]


@pytest.fixture
async def office(database: Database) -> AsyncIterator[RefundOffice]:
    office = RefundOffice(database, World())
    async with office.world.connect(office.bot):
        for person in (AGENT, SUPERVISOR, CLOSED_CUSTOMER):
            await office.appoint_person(person)
        yield office


def plain(message: ResponseMessage) -> str:
    """Return what there is to read, as it looks: no backslashes, ordinary spaces."""
    return text(message).replace("\\", "").translate(_SPACES)


async def newest(office: RefundOffice) -> str:
    """Return the id of the refund that is open, or of a new one of the agent's."""
    proposal = await office.refunds.propose(office.user_id(AGENT), office.customer, "20")
    return proposal.refund.id


@pytest.mark.parametrize(
    ("person", "confirm", "asks", "facts", "done"),
    [
        (
            AGENT,
            "Confirm",
            "Refund this?",
            ["€20.00", "in_1", "€99.00", "sorry", "expires <t:"],
            ["## Refunded", "Given back:** €20.00", "re_1", "does not cancel the subscription"],
        ),
        (
            CLOSED_CUSTOMER,
            "Confirmer",
            "Rembourser ceci",
            ["20,00 €", "in_1", "99,00 €", "sorry", "<t:"],
            ["Remboursé", "20,00 €", "re_1", "annule pas l"],
        ),
    ],
    ids=["en", "fr"],
)
async def test_a_small_refund(
    *,
    office: RefundOffice,
    person: Person,
    confirm: str,
    asks: str,
    facts: list[str],
    done: list[str],
) -> None:
    answer = await office.refund(person, "20", reason="sorry @everyone")
    assert asks in plain(answer)
    assert [one for one in facts if one not in plain(answer)] == []
    assert "@everyone" not in plain(answer)
    assert buttons(answer)[0] == confirm
    assert office.bank.asked == []
    assert await office.click(person, answer, confirm) == []
    assert [one for one in done if one not in plain(office.present(answer))] == []
    assert buttons(office.present(answer)) == []
    assert [one.amount_minor for one in office.bank.paid.values()] == [2000]


async def test_full_is_all_that_is_left_and_needs_a_second_person(office: RefundOffice) -> None:
    answer = await office.refund(AGENT, "full")
    assert "€99.00, all that is left" in plain(answer)
    await office.click(AGENT, answer, "Confirm")
    assert "Waiting for a second person" in plain(office.present(answer))
    assert buttons(office.present(answer)) == SECOND
    # The agent's answer is for the agent alone: the second person finds it by the same command.
    shown = await office.refund(SUPERVISOR, "5")
    assert "This refund was there before" in plain(shown)
    assert "€99.00, all that is left" in plain(shown)
    assert await office.click(SUPERVISOR, shown, "Approve") == []
    assert "## Refunded" in plain(office.present(shown))
    assert f"Approved by:** <@{office.user_id(SUPERVISOR)}>" in plain(office.present(shown))
    # The other message shows the present state when it is pressed.
    [told] = await office.click(AGENT, answer, "Cancel")
    assert "already decided" in plain(told)
    assert "## Refunded" in plain(office.present(answer))
    assert len(office.bank.asked) == 1


async def test_the_mention_door_ends_at_the_same_desk(office: RefundOffice) -> None:
    message = await office.refund_by_mention(AGENT, "60 late delivery")
    assert "late delivery" in plain(message)
    await office.click(AGENT, message, "Confirm")
    await office.click(SUPERVISOR, office.present(message), "Approve")
    assert "## Refunded" in plain(office.present(message))
    assert [one.amount_minor for one in office.bank.paid.values()] == [6000]


async def test_foreign_presses_change_nothing(office: RefundOffice) -> None:
    message = await office.refund_by_mention(AGENT, "60")
    before = plain(message)
    for label in ("Confirm", "Cancel"):
        [told] = await office.click(SUPERVISOR, message, label)
        assert "Only the person who proposed this refund" in plain(told)
    await office.appoint_person(SUPERVISOR, may_manage=False)
    [told] = await office.click(SUPERVISOR, message, "Confirm")
    assert "subscription_manage" in plain(told)
    assert plain(office.present(message)) == before
    await office.click(AGENT, message, "Confirm")
    message = office.present(message)
    for label in ("Approve", "Reject"):
        [told] = await office.click(AGENT, message, label)
        assert "Nobody approves or rejects their own refund" in plain(told)
    assert buttons(office.present(message)) == SECOND
    assert office.bank.asked == []


@pytest.mark.parametrize(
    ("person", "label", "heading"),
    [(AGENT, "Cancel", "was taken back"), (SUPERVISOR, "Reject", "was rejected")],
)
async def test_a_no(office: RefundOffice, person: Person, label: str, heading: str) -> None:
    message = await office.refund_by_mention(AGENT, "60")
    await office.click(AGENT, message, "Confirm")
    assert await office.click(person, office.present(message), label) == []
    assert heading in plain(office.present(message))
    assert buttons(office.present(message)) == []
    assert office.bank.asked == []


async def test_an_unknown_outcome_is_asked_for_again(office: RefundOffice) -> None:
    office.bank.faults.append(Fault.ANSWER_LOST)
    answer = await office.refund(AGENT, "20")
    await office.click(AGENT, answer, "Confirm")
    shown = office.present(answer)
    assert "It may have been refunded" in plain(shown)
    assert buttons(shown) == ["Ask again", "Show how it stands"]
    assert await office.click(AGENT, shown, "Show how it stands") == []
    await office.click(AGENT, shown, "Ask again")
    assert "## Refunded" in plain(office.present(answer))
    assert len(office.bank.paid) == 1
    assert len({key for key, _ in office.bank.asked}) == 1


@pytest.mark.parametrize(
    ("label", "heading", "state"),
    [
        ("Stripe says: refunded", "## Refunded", RefundState.REFUNDED),
        ("Stripe says: not refunded", "## Not refunded", RefundState.FAILED),
    ],
)
async def test_what_stays_unknown_is_settled_by_hand(
    office: RefundOffice, label: str, heading: str, state: RefundState
) -> None:
    office.bank.faults += [Fault.REQUEST_LOST, Fault.REQUEST_LOST]
    answer = await office.refund(AGENT, "20")
    await office.click(AGENT, answer, "Confirm")
    await office.click(AGENT, office.present(answer), "Ask again")
    shown = office.present(answer)
    assert "open the payment of the invoice at Stripe: a refund of €20.00" in plain(shown)
    assert buttons(shown) == [
        "Ask again",
        "Stripe says: refunded",
        "Stripe says: not refunded",
        "Show how it stands",
    ]
    assert await office.click(AGENT, shown, label) == []
    assert heading in plain(office.present(answer))
    [row_id] = {key.removeprefix("refund-") for key, _ in office.bank.asked}
    row = await office.refunds.find(row_id)
    assert row is not None
    assert row.state is state


async def test_after_a_day_it_can_only_be_settled(office: RefundOffice) -> None:
    office.bank.faults.append(Fault.ANSWER_LOST)
    answer = await office.refund(AGENT, "20")
    await office.click(AGENT, answer, "Confirm")
    office.stage.tick(24 * 3600)
    [told] = await office.click(AGENT, office.present(answer), "Ask again")
    assert "too late to ask again" in plain(told)
    assert buttons(office.present(answer))[0] == "Stripe says: refunded"


async def test_the_backends_no_is_shown_in_its_words(office: RefundOffice) -> None:
    office.bank.faults.append(Fault.REFUSED)
    answer = await office.refund(AGENT, "20")
    await office.click(AGENT, answer, "Confirm")
    shown = plain(office.present(answer))
    assert "## Not refunded" in shown
    assert "The website says:** No payment to refund" in shown


@pytest.mark.parametrize(
    ("seconds", "label", "heading"),
    [(301, "Confirm", "Not confirmed in time"), (24 * 3600 + 1, "Approve", "Nobody approved it")],
)
async def test_it_expires(office: RefundOffice, seconds: int, label: str, heading: str) -> None:
    message = await office.refund_by_mention(AGENT, "60")
    person = AGENT
    if label == "Approve":
        await office.click(AGENT, message, "Confirm")
        message, person = office.present(message), SUPERVISOR
    office.stage.tick(seconds)
    [told] = await office.click(person, message, label)
    assert "expired" in plain(told)
    assert heading in plain(office.present(message))
    assert buttons(office.present(message)) == []
    assert office.bank.asked == []


async def test_buttons_of_before_a_restart(office: RefundOffice) -> None:
    """Nothing of a refund is in memory: a message that this process never sent works."""
    refund_id = await newest(office)
    message = await office.post_button(custom_id(views.CONFIRM, refund_id), "Confirm")
    assert await office.click(AGENT, message, "Confirm") == []
    assert "## Refunded" in plain(office.present(message))


async def test_the_first_of_two_clicks_wins(office: RefundOffice) -> None:
    refund_id = await newest(office)
    pressed = custom_id(views.CONFIRM, refund_id)
    one, other = [await office.post_button(pressed, "Confirm") for _ in range(2)]
    office.bank.refund_gate.close()
    clicking = asyncio.create_task(office.click(AGENT, one, "Confirm"))
    async with asyncio.timeout(5):
        await office.bank.refund_gate.reached.wait()
    # It was acknowledged and shown before the backend answered.
    assert "is being asked for" in plain(office.present(one))
    # The same button again is acknowledged; the other message is told how it stands.
    same = press_beside(office.world, AGENT, one, pressed)
    beside = press_beside(office.world, AGENT, other, pressed)
    async with asyncio.timeout(5):
        while "is being asked for" not in plain(office.present(other)):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    office.bank.refund_gate.open()
    assert await clicking == []
    [told] = answers(InteractionResult(office.world.env, beside))
    assert "already decided" in plain(told)
    assert same.responded
    assert "## Refunded" in plain(office.present(one))
    assert len(office.bank.asked) == 1


async def test_the_backend_away_leaves_the_proposal_as_it_was(office: RefundOffice) -> None:
    answer = await office.refund(AGENT, "20")
    before = plain(answer)
    office.bank.error = BackendUnavailable("x", status=503, reason="Deploying")
    [told] = await office.click(AGENT, answer, "Confirm")
    assert "Deploying" in plain(told)
    assert plain(office.present(answer)) == before
    [told] = [await office.refund(AGENT, "20")]
    assert "Deploying" in plain(told)
    office.bank.error = None
    await office.click(AGENT, answer, "Confirm")
    assert "## Refunded" in plain(office.present(answer))


async def test_the_store_away(office: RefundOffice) -> None:
    answer = await office.refund(AGENT, "20")
    await office.break_store("refunds")
    [told] = await office.click(AGENT, answer, "Confirm")
    assert "at the moment" in plain(told)
    assert office.bank.asked == []


@pytest.mark.parametrize(
    "args", [(), ("x",), ("0" * 23,), ("0" * 24, "1"), ("G" * 24,), ("0" * 25,)]
)
async def test_forged_presses(office: RefundOffice, args: tuple[str, ...]) -> None:
    message = await office.post_button(custom_id(views.APPROVE, *args))
    [told] = await office.click(AGENT, message, "Press")
    assert "out of date" in plain(told)


async def test_a_refund_that_is_not_there(office: RefundOffice) -> None:
    message = await office.post_button(custom_id(views.APPROVE, "0" * 24))
    [told] = await office.click(AGENT, message, "Press")
    assert "no longer there" in plain(told)


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        ("Full", "the word `full`"),
        ("1.000,00", "the word `full`"),
        ("99.01", "more than is left"),
    ],
)
async def test_refusals_say_what_to_do(office: RefundOffice, amount: str, words: str) -> None:
    assert words in plain(await office.refund(AGENT, amount))
    assert words in plain(await office.refund_by_mention(AGENT, amount))


async def test_a_customer_may_not(office: RefundOffice) -> None:
    refund_id = await newest(office)
    message = await office.post_button(custom_id(views.CONFIRM, refund_id))
    [told] = await office.click(CUSTOMER, message, "Press")
    assert "support team only" in plain(told)
    assert office.bank.asked == []
