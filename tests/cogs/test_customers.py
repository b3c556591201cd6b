"""What customers can ask Moddy, through real interactions."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from moddy.errors import (
    BackendContractBroken,
    BackendNotFound,
    BackendRefused,
    BackendUnauthorized,
    BackendUnavailable,
    DirectMessagesClosed,
)
from moddy.models import (
    Invoice,
    InvoicesResponse,
    InvoiceStatus,
    NotifyAction,
    Subscription,
    SubscriptionInfoResponse,
    SubscriptionStatus,
)
from moddy.sandbox.world import AGENT, AWAY_CUSTOMER, CLOSED_CUSTOMER, CUSTOMER, Person
from tests.cogs.conftest import Office, answers, text

JANUARY = datetime(2025, 1, 1, tzinfo=UTC)
FEBRUARY = datetime(2025, 2, 1, tzinfo=UTC)
SUBSCRIPTION = SubscriptionInfoResponse(
    success=True,
    message="",
    has_subscription=True,
    subscription=Subscription(
        subscription_id="sub_1",
        customer_id="cus_1",
        status=SubscriptionStatus.ACTIVE,
        subscription_type="monthly",
        current_period_start=JANUARY,
        current_period_end=FEBRUARY,
        cancel_at_period_end=False,
        amount=999,
        currency="eur",
    ),
)
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


async def test_no_subscription(office: Office) -> None:
    [answer] = await office.run(CUSTOMER, "subscription")
    assert "You have no subscription" in text(answer)


@EVERYWHERE
@pytest.mark.parametrize(
    ("person", "words"), [(CUSTOMER, "paid"), (CLOSED_CUSTOMER, "payée")], ids=["en", "fr"]
)
async def test_invoices(office: Office, person: Person, words: str, in_guild: bool) -> None:
    office.backend.invoices = INVOICES
    [answer] = await office.run(person, "invoices", in_guild=in_guild)
    assert words in text(answer)
    assert office.backend.calls == [("get_subscription_invoices", office.user_id(person), 10)]


async def test_invoices_with_a_limit(office: Office) -> None:
    await office.run(CUSTOMER, "invoices", limit=3)
    assert office.backend.calls == [("get_subscription_invoices", office.user_id(CUSTOMER), 3)]


@EVERYWHERE
async def test_own_profile_says_until_when(office: Office, in_guild: bool) -> None:
    end = datetime(2025, 3, 1, tzinfo=UTC)
    await office.stage.accept_notice(
        NotifyAction.SUBSCRIPTION_CANCELLED,
        user_id=office.user_id(CUSTOMER),
        metadata={"cancel_at_period_end": True, "current_period_end": end.isoformat()},
    )
    [answer] = await office.run(CUSTOMER, "profile", in_guild=in_guild)
    assert "Ada" in text(answer)
    assert f"<t:{int(end.timestamp())}" in text(answer)
    assert ("Member since" in text(answer)) is in_guild
    assert office.backend.calls == []


async def test_profile_of_another_keeps_their_end_to_itself(office: Office) -> None:
    end = datetime(2025, 3, 1, tzinfo=UTC)
    await office.stage.accept_notice(
        NotifyAction.SUBSCRIPTION_CANCELLED,
        user_id=office.user_id(CUSTOMER),
        metadata={"cancel_at_period_end": True, "current_period_end": end.isoformat()},
    )
    customer = office.world.members[CUSTOMER]
    [answer] = await office.run(AGENT, "profile", in_guild=True, user=customer)
    assert "**Premium:** yes" in text(answer)
    assert f"<t:{int(end.timestamp())}" not in text(answer)


async def test_profile_in_french(office: Office) -> None:
    [answer] = await office.run(CLOSED_CUSTOMER, "profile")
    assert "Premium" in text(answer)
    assert "**Premium:** no" not in text(answer)


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
    shown = "\n".join(map(text, await office.run(CUSTOMER, "subscription")))
    assert "Your subscription" in shown
    assert "That did not work" not in shown
    assert "kept messages not shown" in capsys.readouterr().out


async def test_someone_outside_of_the_guild(office: Office) -> None:
    [answer] = await office.run(AWAY_CUSTOMER, "subscription")
    assert "You have no subscription" in text(answer)
