"""What customers can ask Moddy, through real interactions."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from msgspec import structs

from moddy.cogs.customers import PER_SECONDS, USES
from moddy.errors import (
    BackendContractBroken,
    BackendNotFound,
    BackendPaused,
    BackendRefused,
    BackendTimeout,
    BackendUnauthorized,
    BackendUnavailable,
    DirectMessagesClosed,
)
from moddy.models import (
    Invoice,
    InvoicesResponse,
    InvoiceStatus,
)
from moddy.sandbox.world import AGENT, AWAY_CUSTOMER, CLOSED_CUSTOMER, CUSTOMER, Person
from moddy.views.invoices import MAX_INVOICES
from tests.cogs.conftest import WEBSITE, Office, answers, links, monthly_subscription, text

JANUARY = datetime(2025, 1, 1, tzinfo=UTC)
FEBRUARY = datetime(2025, 2, 1, tzinfo=UTC)
SUBSCRIPTION = monthly_subscription(JANUARY, FEBRUARY)
INVOICES = InvoicesResponse(
    success=True,
    message="",
    invoices=[
        Invoice(
            invoice_id="in_1",
            amount=999,
            currency="eur",
            status=InvoiceStatus.PAID,
            created=JANUARY,
            invoice_pdf="https://pay.stripe.example/in_1.pdf",
        )
    ],
)
EVERYWHERE = pytest.mark.parametrize("in_guild", [False, True], ids=["dm", "guild"])
# Camille reads Discord in French, Ada in English.
LANGUAGES = pytest.mark.parametrize(
    ("person", "words"),
    [(CUSTOMER, "Your subscription"), (CLOSED_CUSTOMER, "Votre abonnement")],
    ids=["en", "fr"],
)
COMMANDS = pytest.mark.parametrize("command", ["subscription", "invoices"])


@EVERYWHERE
@LANGUAGES
async def test_subscription(office: Office, person: Person, words: str, in_guild: bool) -> None:
    office.backend.subscription = SUBSCRIPTION
    [answer] = await office.run(person, "subscription", in_guild=in_guild)
    assert words in text(answer)
    assert "9" in text(answer)
    assert "sub_1" not in text(answer)
    assert office.backend.calls == [("get_subscription_info", office.user_id(person))]


@pytest.mark.parametrize(
    ("person", "words", "label"),
    [
        (CUSTOMER, "You have no subscription", "Get Moddy Max on the website"),
        (AWAY_CUSTOMER, "You have no subscription", "Get Moddy Max on the website"),
        (CLOSED_CUSTOMER, "Ce que Moddy Max vous apporte", "Obtenir Moddy Max sur le site"),
    ],
    ids=["en", "no server", "fr"],
)
async def test_no_subscription(office: Office, person: Person, words: str, label: str) -> None:
    [answer] = await office.run(person, "subscription")
    assert words in text(answer)
    assert links(answer) == {label: str(WEBSITE)}


async def test_the_plan_is_the_one_last_told_of(office: Office) -> None:
    await office.stage.accept_notice(user_id=office.user_id(CUSTOMER), plan="moddy_max")
    office.backend.subscription = SUBSCRIPTION
    [answer] = await office.run(CUSTOMER, "subscription")
    assert "**Plan:** Moddy Max" in text(answer)
    [other] = await office.run(AGENT, "subscription")
    assert "Plan:" not in text(other)


@EVERYWHERE
@pytest.mark.parametrize(
    ("person", "label", "words"),
    [(CUSTOMER, "Invoices", "paid"), (CLOSED_CUSTOMER, "Factures", "payée")],
    ids=["en", "fr"],
)
async def test_the_button_to_the_invoices(
    office: Office, person: Person, label: str, words: str, in_guild: bool
) -> None:
    office.backend.subscription, office.backend.invoices = SUBSCRIPTION, INVOICES
    [subscription] = await office.run(person, "subscription", in_guild=in_guild)
    before = text(subscription)
    await office.restart()
    [invoices] = await office.click(person, subscription, label)
    assert words in text(invoices)
    assert text(subscription) == before
    assert office.backend.calls[1:] == [
        ("get_subscription_invoices", office.user_id(person), MAX_INVOICES)
    ]


async def test_discord_py_remembers_no_buttons(office: Office) -> None:
    """It would keep them for as long as the process runs."""
    office.backend.subscription = SUBSCRIPTION
    await office.run(CUSTOMER, "subscription")
    store = office.bot._connection._view_store
    assert (store._views, store._synced_message_views) == ({}, {})


async def test_acknowledged_before_the_backend_answers(office: Office) -> None:
    office.backend.gate.close()
    seen: list[bool] = []
    interactions: list[object] = []
    office.world.env._register_dispatch_observer(interactions.append)
    running = asyncio.create_task(office.world.user(CUSTOMER).slash("subscription"))
    async with asyncio.timeout(4):
        await office.backend.gate.reached.wait()
    seen += [one.responded and one.deferred and one.ephemeral for one in interactions]  # type: ignore[attr-defined]
    office.backend.gate.open()
    result = await running
    assert seen == [True]
    assert len(answers(result)) == 1


@COMMANDS
@pytest.mark.parametrize(
    ("error", "words"),
    [
        (BackendUnavailable("x"), "not answering right now"),
        (BackendPaused(retry_after=3), "not answering right now"),
        (BackendTimeout("x"), "took too long to answer"),
        (BackendNotFound("x"), "No account on our website is linked"),
        (BackendUnauthorized("x", status=403), "set up wrongly on our side"),
        (BackendContractBroken("x"), "set up wrongly on our side"),
        (BackendRefused("Stripe error: secret words", status=500), "Something went wrong"),
        (RuntimeError("secret words"), "Something went wrong"),
    ],
    ids=repr,
)
async def test_trouble_is_told_with_a_number(
    *,
    office: Office,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    words: str,
    command: str,
) -> None:
    office.backend.error = error
    [answer] = await office.run(CUSTOMER, command)
    assert words in text(answer)
    assert "secret" not in text(answer)
    number = text(answer).rpartition("Error ")[2]
    assert len(number) == 8
    logged = [line for line in capsys.readouterr().out.splitlines() if number in line]
    assert len(logged) == 1
    assert f"command={command}" in logged[0]


@COMMANDS
@pytest.mark.parametrize(
    ("found", "words"), [(False, "No account on our website"), (True, "Something went wrong")]
)
async def test_what_the_backend_could_not_look_up_is_not_told_as_nothing(
    office: Office, command: str, found: bool, words: str
) -> None:
    """A customer who has paid must not read that they have no subscription."""
    secret = "secret words of the backend"
    office.backend.subscription = structs.replace(
        office.backend.subscription, success=False, message=secret
    )
    office.backend.invoices = structs.replace(INVOICES, success=False, message=secret)
    office.backend.user = structs.replace(office.backend.user, user_found=found)
    [answer] = await office.run(CUSTOMER, command)
    assert words in text(answer)
    assert "secret" not in text(answer)
    assert "Error " in text(answer)


async def test_trouble_in_french(office: Office) -> None:
    office.backend.error = BackendUnavailable("x")
    [answer] = await office.run(CLOSED_CUSTOMER, "subscription")
    assert "Veuillez réessayer" in text(answer) or "réessayer" in text(answer)


async def keep_notice(office: Office, person: Person) -> None:
    user_id = office.user_id(person)
    office.stage.messenger.errors[user_id] = DirectMessagesClosed("x")
    await office.stage.answer(await office.stage.accept_notice(user_id=user_id))


@pytest.mark.parametrize("command", ["subscription", "invoices", "profile"])
async def test_kept_message_comes_once_with_the_next_command(office: Office, command: str) -> None:
    await keep_notice(office, CUSTOMER)
    await keep_notice(office, CLOSED_CUSTOMER)
    first = await office.run(CUSTOMER, command)
    assert [("Welcome" in text(one)) for one in first] == [False, True]
    assert len(await office.run(CUSTOMER, command)) == 1
    french = await office.run(CLOSED_CUSTOMER, command)
    assert "Bienvenue" in text(french[1])


@pytest.mark.parametrize("error", [BackendUnavailable("x"), RuntimeError("x")], ids=repr)
async def test_kept_message_comes_even_when_the_command_fails(
    office: Office, error: Exception
) -> None:
    await keep_notice(office, CUSTOMER)
    office.backend.error = error
    shown = "\n".join(map(text, await office.run(CUSTOMER, "subscription")))
    assert "Welcome" in shown
    assert "That did not work" in shown
    office.backend.error = None
    assert len(await office.run(CUSTOMER, "subscription")) == 1


async def test_store_in_trouble_does_not_spoil_what_the_backend_said(
    office: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    """The kept messages cannot be looked up then; the subscription does not need the store."""
    office.backend.subscription = SUBSCRIPTION
    await office.break_store()
    await office.break_store("premium_audit", "gone_too")
    shown = "\n".join(map(text, await office.run(CUSTOMER, "subscription")))
    assert "Your subscription" in shown
    assert "That did not work" not in shown
    logged = capsys.readouterr().out
    assert "kept messages not shown" in logged
    assert "plan not shown" in logged


@pytest.mark.parametrize(
    ("person", "words"),
    [(CUSTOMER, "in 30 seconds"), (CLOSED_CUSTOMER, "dans 30 secondes")],
    ids=["en", "fr"],
)
async def test_asking_too_often(office: Office, person: Person, words: str) -> None:
    for _ in range(USES):
        await office.run(person, "subscription")
    [refused] = await office.run(person, "profile")
    assert words in text(refused)
    assert len(office.backend.calls) == USES
    [other] = await office.run(AGENT, "subscription")
    assert "no subscription" in text(other)
    office.seconds += PER_SECONDS + 1
    [again] = await office.run(person, "subscription")
    assert words not in text(again)


async def test_pressing_too_often(office: Office) -> None:
    office.backend.subscription, office.backend.invoices = SUBSCRIPTION, INVOICES
    [subscription] = await office.run(CUSTOMER, "subscription")
    for _ in range(USES - 1):
        await office.click(CUSTOMER, subscription, "Invoices")
    office.seconds += 10
    [refused] = await office.click(CUSTOMER, subscription, "Invoices")
    assert "in 20 seconds" in text(refused)
    assert len(office.backend.calls) == USES
