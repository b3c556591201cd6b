"""Support in the sandbox: the agent refunds, a second person approves, the backend refuses."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio
import sqlalchemy as sa
from playwright.async_api import Page, expect

from moddy.sandbox.backend.tables import invoices
from moddy.sandbox.backend.wire import RefundOrder
from moddy.sandbox.run import Sandbox
from moddy.sandbox.world import CUSTOMER, SUPERVISOR
from tests.sandbox.hands import (
    cards,
    click,
    look_as,
    run_command,
    run_command_about,
    say,
    take_picture,
)
from tests.sandbox.pictures import side_by_side, updates, write_small

pytestmark = pytest.mark.asyncio(loop_scope="session")  # see conftest.py
PAID_MINOR = 9990
Act = Callable[[Sandbox], Awaitable[None]]


@pytest_asyncio.fixture(loop_scope="session")
async def customer(sandbox: Sandbox) -> AsyncIterator[str]:
    """Ada, who has paid 99.90 EUR for a year."""
    discord_id = sandbox.world.user_id(CUSTOMER)
    async with sandbox.backend.books.billing() as billing:
        await billing.subscribe(discord_id, plan="moddy_max", period="yearly")
    yield discord_id
    assert sandbox.world.env.errors == []


async def given_back(sandbox: Sandbox, discord_id: str) -> int:
    """Return how much the backend has refunded, in minor units."""
    query = sa.select(sa.func.sum(invoices.c.amount_refunded)).where(
        invoices.c.discord_id == discord_id
    )
    async with sandbox.backend.books.connection() as connection:
        return int((await connection.execute(query)).scalar_one())


def mention(sandbox: Sandbox, words: str) -> str:
    """Return a message that begins with Moddy's mention."""
    assert sandbox.moddy.bot.user is not None
    return f"<@{sandbox.moddy.bot.user.id}> {words}"


async def test_refund_with_the_slash_command(
    sandbox: Sandbox, customer: str, staff_page: Page
) -> None:
    await run_command_about(staff_page, "/admin refund", "Ada", "2.50")
    card = cards(staff_page).last
    await expect(card).to_contain_text("Refund this?")
    await expect(card).to_contain_text("€99.90")
    assert await given_back(sandbox, customer) == 0
    await click(staff_page, card, "Confirm")
    await expect(card).to_contain_text("Refunded")
    await expect(card).to_contain_text("A refund does not cancel the subscription")
    await expect(card.locator(".component-button")).to_have_count(0)
    assert await given_back(sandbox, customer) == 250
    await sandbox.window.show("ada")
    await staff_page.goto(sandbox.window.url)
    await expect(cards(staff_page).last).to_contain_text("You got a refund")
    await expect(cards(staff_page).last).to_contain_text("€2.50")
    await sandbox.window.show("staff-log")
    await staff_page.goto(sandbox.window.url)
    await expect(cards(staff_page).last).to_contain_text("Result of a refund")


async def test_refund_by_mention(sandbox: Sandbox, customer: str, staff_page: Page) -> None:
    await say(staff_page, mention(sandbox, f"sup.refund <@{customer}> 20,00 charged twice"))
    card = cards(staff_page).last
    await expect(card).to_contain_text("charged twice")
    proposed = await take_picture(staff_page, card)
    await click(staff_page, card, "Confirm")
    await expect(card).to_contain_text("Refund at Stripe:")
    assert await given_back(sandbox, customer) == 2000
    refunded = await take_picture(staff_page, card)
    if updates():
        write_small(side_by_side([proposed, refunded]), "refund.png")


async def test_a_second_person_approves_a_large_refund(
    sandbox: Sandbox, customer: str, staff_page: Page
) -> None:
    await say(staff_page, mention(sandbox, f"sup.refund <@{customer}> full"))
    card = cards(staff_page).last
    await expect(card).to_contain_text("€99.90, all that is left")
    await click(staff_page, card, "Confirm")
    await expect(card).to_contain_text("Waiting for a second person")
    await click(staff_page, card, "Approve")
    await expect(cards(staff_page).last).to_contain_text("Nobody approves or rejects their own")
    assert await given_back(sandbox, customer) == 0
    await look_as(staff_page, SUPERVISOR.name)
    card = cards(staff_page).filter(has_text="Waiting for a second person")
    await click(staff_page, card, "Approve")
    await expect(cards(staff_page).last).to_contain_text("Approved by:")
    assert await given_back(sandbox, customer) == PAID_MINOR


async def refund_all(sandbox: Sandbox) -> None:
    """Refund the last payment at the website, which Moddy hears nothing of."""
    order = RefundOrder(discord_id=sandbox.world.user_id(CUSTOMER))
    async with sandbox.backend.books.billing() as billing:
        await billing.refund(order)


async def refund_most(sandbox: Sandbox) -> None:
    """Do so with all but 10 EUR."""
    order = RefundOrder(discord_id=sandbox.world.user_id(CUSTOMER), amount=PAID_MINOR - 1000)
    async with sandbox.backend.books.billing() as billing:
        await billing.refund(order)


async def void_the_invoice(sandbox: Sandbox) -> None:
    """Have the invoice not be a paid one."""
    async with sandbox.backend.books.connection() as connection:
        await connection.execute(sa.update(invoices).values(status="void"))


@pytest.mark.parametrize(
    ("behind_moddys_back", "said"),
    [
        (refund_all, "The website says: Stripe error: Charge already refunded"),
        (refund_most, "Refund amount (2000) is greater than unrefunded amount on charge (1000)"),
        # Moddy reads the invoices anew before it asks.
        (void_the_invoice, "What can be refunded has changed since this was proposed."),
    ],
)
async def test_what_the_backend_refuses_is_shown(
    *, sandbox: Sandbox, customer: str, staff_page: Page, behind_moddys_back: Act, said: str
) -> None:
    await run_command_about(staff_page, "/admin refund", "Ada", "20")
    card = cards(staff_page).last
    await expect(card).to_contain_text("Refund this?")
    await behind_moddys_back(sandbox)
    refunded = await given_back(sandbox, customer)
    await click(staff_page, card, "Confirm")
    await expect(cards(staff_page).filter(has_text=said)).to_have_count(1)
    await expect(cards(staff_page).filter(has_text="Moddy tells the customer")).to_have_count(0)
    assert await given_back(sandbox, customer) == refunded


@pytest.mark.parametrize(
    ("amount", "said"),
    [
        ("100", "That is more than is left to refund of the last paid invoice."),
        ("fulll", "It is not clear how much to refund."),
    ],
)
async def test_what_moddy_itself_refuses_is_shown(
    *, sandbox: Sandbox, customer: str, staff_page: Page, amount: str, said: str
) -> None:
    await run_command_about(staff_page, "/admin refund", "Ada", amount)
    await expect(cards(staff_page).last).to_contain_text(said)
    # A refusal is an answer: SimCord's page has nothing to complain of.
    await expect(staff_page.locator("#action-status")).not_to_contain_text("uncertain")
    assert await given_back(sandbox, customer) == 0


async def test_a_customer_who_never_paid(sandbox: Sandbox, staff_page: Page) -> None:
    await run_command_about(staff_page, "/admin refund", "Ada", "full")
    await expect(cards(staff_page).last).to_contain_text("This customer has no paid invoice")
    assert sandbox.world.env.errors == []


async def test_agent_looks_a_customer_up(customer: str, staff_page: Page) -> None:
    await run_command_about(staff_page, "/admin account", "Ada")
    card = cards(staff_page).last
    await expect(card).to_contain_text("a•••@e•••")
    await click(staff_page, card, "Reveal e-mail")
    await expect(cards(staff_page).last).to_contain_text("ada@example.com")


async def test_agent_sets_up_the_server(sandbox: Sandbox, staff_page: Page) -> None:
    await run_command(staff_page, "/config modules")
    overview = cards(staff_page).last
    await expect(overview).to_contain_text("What Moddy does on this server")
    await click(staff_page, overview, "Set up")
    await expect(overview).to_contain_text("Channel to greet in")
    assert sandbox.world.env.errors == []
