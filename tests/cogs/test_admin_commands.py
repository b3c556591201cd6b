"""``/admin`` and the buttons of its answers, through real interactions."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import timedelta

import discord
import pytest

from moddy.errors import BackendNotFound, BackendRefused, BackendUnavailable
from moddy.models import InvoicesResponse, NotifyAction, Snowflake
from moddy.sandbox.world import (
    AGENT,
    AWAY_CUSTOMER,
    CLOSED_CUSTOMER,
    CUSTOMER,
    SUPERVISOR,
    World,
)
from moddy.staff import AuditOutcome, Refusal, StaffAction, StaffRole
from moddy.store.database import Database
from moddy.store.deliveries import DeliveryState
from moddy.views.custom_ids import custom_id
from moddy.views.staff.deliveries import RETRY
from moddy.views.staff.refusals import refusal_view
from moddy.views.translator import CatalogueTranslator
from tests.cogs.conftest import answers, buttons, links, text
from tests.cogs.staff_deeds import PRESS, Actor, dead_delivery
from tests.cogs.staff_office import ACCOUNT, SUBSCRIPTION, StaffOffice, invoices
from tests.views.reading import plain_text

EMAIL = "ada.lovelace@mail.example"
READING = ("subscription", "invoices", "account", "deliveries")
# Camille reads Discord in French.
FRENCH_AGENT = CLOSED_CUSTOMER


def refused(refusal: Refusal, locale: str = "en-US") -> str:
    return plain_text(refusal_view(refusal, locale=locale))


@pytest.fixture
async def office(database: Database) -> AsyncIterator[StaffOffice]:
    office = StaffOffice(database, World())
    office.backend.subscription = SUBSCRIPTION
    office.backend.user = ACCOUNT
    office.backend.invoices = invoices(9)
    async with office.world.connect(office.bot):
        await office.appoint_person(AGENT)
        yield office
    await office.bot.close()


@pytest.mark.parametrize("in_guild", [False, True], ids=["dm", "guild"])
@pytest.mark.parametrize("customer", [CUSTOMER, AWAY_CUSTOMER], ids=["member", "away"])
@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("subscription", ["active", "€9.99 per month", "cus\\_1", "sub\\_1", "Period began:"]),
        ("invoices", ["€9.99", "paid", "in\\_0", "Page 1 of 2"]),
        ("account", ["a•••@m•••", "Created on:", "<t:1734652800:f>"]),
        ("deliveries", ["There are none."]),
        ("refund", ["€5.00", "in\\_0", "Nothing has been refunded yet."]),
    ],
)
async def test_what_staff_see(
    office: StaffOffice, command: str, words: list[str], customer: object, in_guild: bool
) -> None:
    assert customer in {CUSTOMER, AWAY_CUSTOMER}
    user = office.world.user(CUSTOMER if customer is CUSTOMER else AWAY_CUSTOMER)
    options = {"user": user} | ({"amount": "5.00"} if command == "refund" else {})
    [answer] = await office.run(AGENT, f"admin {command}", in_guild=in_guild, **options)
    for word in (*words, str(user.id)):
        assert word in text(answer)
    [(_action, outcome)] = await office.noted()
    assert outcome is AuditOutcome.ALLOWED
    assert (await office.trail())[0].subject_id == Snowflake(user.id)


async def test_ordinary_members_are_not_offered_the_commands(office: StaffOffice) -> None:
    """Moderators are; in a direct message Discord offers them to everybody."""
    general = office.world.general

    def offered(available: tuple[str, ...]) -> bool:
        return any(one.startswith("admin") for one in available)

    assert offered(office.world.members[AGENT].available_commands(general))
    assert not offered(office.world.members[CUSTOMER].available_commands(general))
    assert offered(office.world.user(CUSTOMER).available_commands())


async def test_commands_are_translated_and_what_discord_takes(office: StaffOffice) -> None:
    [admin] = [one for one in office.bot.tree.get_commands() if one.name == "admin"]
    payload = await admin.get_translated_payload(office.bot.tree, CatalogueTranslator())
    assert payload["contexts"] == [0, 1]
    assert payload["integration_types"] == [0]
    allowed = discord.Permissions(manage_messages=True)
    assert payload["default_member_permissions"] == allowed.value

    def walk(part: dict[str, object]) -> int:
        names, texts = [part["name"]], [part["description"]]
        localised = part.get("name_localizations"), part.get("description_localizations")
        names += localised[0].values() if isinstance(localised[0], dict) else []
        assert isinstance(localised[1], dict), part["name"]
        assert "fr" in localised[1], part["name"]
        texts += localised[1].values()
        assert all(re.fullmatch(r"[-_\w]{1,32}", str(name)) for name in names)
        assert all(str(name) == str(name).lower() for name in names)
        assert all(1 <= len(str(one)) <= 100 for one in texts)
        options = part.get("options")
        assert options is None or isinstance(options, list)
        return 1 + sum(walk(option) for option in options or ())

    # The command, its group, what is in both, and their options.
    assert walk(payload) == 1 + 1 + 6 + 3 + 9 + 5


async def test_in_french(office: StaffOffice) -> None:
    await office.appoint_person(FRENCH_AGENT)
    user = office.world.user(CUSTOMER)
    shown = {
        command: text((await office.run(FRENCH_AGENT, f"admin {command}", user=user))[0])
        for command in READING
    }
    assert "Abonnement d\N{RIGHT SINGLE QUOTATION MARK}un client" in shown["subscription"]
    assert "Factures d\N{RIGHT SINGLE QUOTATION MARK}un client" in shown["invoices"]
    assert "Compte sur le site" in shown["account"]
    assert "Envois à un client" in shown["deliveries"]
    [answer] = await office.run(FRENCH_AGENT, "admin audit")
    assert text(answer) == refused(Refusal.NEEDS_SUPERVISOR, "fr")


async def test_acknowledged_before_anything_is_looked_up(office: StaffOffice) -> None:
    office.backend.gate.close()
    interactions: list[object] = []
    office.world.env._register_dispatch_observer(interactions.append)
    user = office.world.user(CUSTOMER)
    running = asyncio.create_task(office.world.user(AGENT).slash("admin account", user=user))
    async with asyncio.timeout(4):
        await office.backend.gate.reached.wait()
    [one] = interactions
    seen = [getattr(one, name) for name in ("responded", "deferred", "ephemeral")]
    office.backend.gate.open()
    assert len(answers(await running)) == 1
    assert seen == [True, True, True]


async def test_email_is_shown_to_who_asks_for_it_and_that_is_noted(
    office: StaffOffice, capsys: pytest.CaptureFixture[str]
) -> None:
    [answer] = await office.run(AGENT, "admin account", user=office.world.user(CUSTOMER))
    assert "lovelace" not in text(answer)
    assert "example" not in text(answer)
    [revealed] = await office.click(AGENT, answer, "Reveal e-mail")
    assert EMAIL in text(revealed).replace("\\@", "@")
    assert [action for action, _ in await office.noted()] == [
        StaffAction.VIEW_ACCOUNT,
        StaffAction.REVEAL_EMAIL,
    ]
    assert all(EMAIL not in str(entry) for entry in await office.trail())
    await office.appoint_person(AGENT, may_view=False)
    [answer] = await office.click(AGENT, answer, "Reveal e-mail")
    assert text(answer) == refused(Refusal.NEEDS_VIEW)
    assert EMAIL not in capsys.readouterr().out


async def test_account_that_is_not_there(office: StaffOffice) -> None:
    office.backend.user = type(ACCOUNT)(success=True, message="", user_found=False)
    [answer] = await office.run(AGENT, "admin account", user=office.world.user(CUSTOMER))
    assert "No account on the website is linked" in text(answer)
    assert buttons(answer) == []


async def test_invoices_page_by_page(office: StaffOffice) -> None:
    user = office.world.user(CUSTOMER)
    [answer] = await office.run(AGENT, "admin invoices", user=user, limit=8)
    assert office.backend.calls == [("get_subscription_invoices", office.user_id(CUSTOMER), 8)]
    assert "in\\_7" not in text(answer)
    assert links(answer)["PDF"].startswith("https://pay.stripe.example/")
    assert await office.click(AGENT, answer, "Next") == []
    assert "in\\_7" in text(answer)
    assert "in\\_8" not in text(answer)
    assert await office.click(AGENT, answer, "Previous") == []
    assert "in\\_0" in text(answer)
    assert [action for action, _ in await office.noted()] == [StaffAction.VIEW_INVOICES] * 3


async def test_from_the_subscription_to_everything_else(office: StaffOffice) -> None:
    [answer] = await office.run(AGENT, "admin subscription", user=office.world.user(CUSTOMER))
    for label, heading in (
        ("Invoices", "Invoices of a customer"),
        ("Account", "Account on the website"),
        ("Deliveries", "Deliveries to a customer"),
    ):
        [shown] = await office.click(AGENT, answer, label)
        assert heading in text(shown)
        assert str(office.user_id(CUSTOMER)) in text(shown)


async def test_what_moddy_knows_itself(office: StaffOffice) -> None:
    end = office.stage.clock.now() + timedelta(days=3)
    await office.stage.accept_notice(
        NotifyAction.SUBSCRIPTION_CREATED, user_id=office.user_id(CUSTOMER)
    )
    await office.stage.accept_notice(
        NotifyAction.SUBSCRIPTION_CANCELLED,
        user_id=office.user_id(CUSTOMER),
        metadata={"cancel_at_period_end": True, "current_period_end": end.isoformat()},
    )
    [answer] = await office.run(AGENT, "admin subscription", user=office.world.user(CUSTOMER))
    assert "**Plan:** Moddy Max" in text(answer)
    assert "**Premium:** yes" in text(answer)
    assert f"**Premium until:** <t:{int(end.timestamp())}:f>" in text(answer)


async def test_delivery_is_tried_again_once(office: StaffOffice) -> None:
    accepted = await office.stage.accept_notice(user_id=office.user_id(CUSTOMER))
    await office.stage.damage(
        accepted, state=DeliveryState.DEAD.value, due_at=None, tries=9, last_error="dms_closed"
    )
    [answer] = await office.run(AGENT, "admin deliveries", user=office.world.user(CUSTOMER))
    for words in ("Message about the subscription", "given up", "9 tries", "dms\\_closed"):
        assert words in text(answer)
    [shown] = await office.click(AGENT, answer, "Try again")
    assert "It is tried again now" in text(shown)
    assert await office.stage.state(accepted) is DeliveryState.PENDING
    [shown] = await office.click(AGENT, answer, "Try again")
    assert "It has changed meanwhile" in text(shown)
    assert await office.click(AGENT, answer, "Look again") == []
    assert "to be delivered" in text(answer)
    assert buttons(answer) == ["Look again"]


async def test_delivery_of_somebody_else_or_of_nobody(office: StaffOffice) -> None:
    _, delivery = await dead_delivery(Actor(office=office, person=AGENT))
    for whose, which in (
        (office.user_id(AWAY_CUSTOMER), delivery),
        (office.user_id(CUSTOMER), "0" * 24),
        (office.user_id(CUSTOMER), delivery[:6]),
    ):
        message = await office.post_button(custom_id(RETRY, whose, which), PRESS)
        [shown] = await office.click(AGENT, message, PRESS)
        assert text(shown) == refused(Refusal.GONE)


async def test_buttons_that_were_tampered_with(office: StaffOffice) -> None:
    for forged in (
        "staff_invoices",
        "staff_invoices:x",
        "staff_invoices_page:1:51:1",
        "staff_invoices_page:1:5:0",
        "staff_email:1:2",
        "staff_retry:1:",
        "staff_audit_page:1:2:3",
        "staff_members_page:-1",
        "staff_nothing",
    ):
        message = await office.post_button(forged, PRESS)
        [shown] = await office.click(AGENT, message, PRESS)
        assert "This button is out of date" in text(shown), forged
    assert await office.noted() == []


async def test_odd_amounts_name_the_two_ways(office: StaffOffice) -> None:
    user = office.world.user(CUSTOMER)
    for amount in ("Full", "20 20", "full full", "all", "$5.00", "5.0", "-5", "0", " full"):
        [answer] = await office.run(AGENT, "admin refund", user=user, amount=amount, reason="full")
        assert text(answer) == refused(Refusal.AMOUNT_UNCLEAR), amount
    assert {outcome for _, outcome in await office.noted()} == {AuditOutcome.REFUSED}


async def test_a_refund_from_the_command_to_its_end(office: StaffOffice) -> None:
    user = office.world.user(CUSTOMER)
    [answer] = await office.run(AGENT, "admin refund", user=user, amount="5.00", reason="late")
    assert all(call[0] != "refund_payment" for call in office.backend.calls)
    await office.click(AGENT, answer, buttons(answer)[0])
    assert [one for one in office.backend.calls if one[0] == "refund_payment"] == [
        ("refund_payment", office.user_id(CUSTOMER), 500, "late")
    ]


async def test_staff_are_added_listed_and_removed(office: StaffOffice) -> None:
    await office.appoint_person(SUPERVISOR, StaffRole.MANAGER)
    ada, sam = office.world.user(CUSTOMER), office.world.user(AGENT)
    [answer] = await office.run(
        SUPERVISOR,
        "admin staff add",
        user=ada,
        role="Supervisor_Sup",
        subscription_view=True,
    )
    assert "Now on the staff" in text(answer)
    assert "Supervisor\\_Sup" in text(answer)
    assert "`subscription_view`" in text(answer)
    assert "subscription_manage" not in text(answer)
    [listed] = await office.run(SUPERVISOR, "admin staff list")
    assert "3 members" in text(listed)
    places = [text(listed).index(str(one.id)) for one in (office.world.user(SUPERVISOR), ada, sam)]
    assert places == sorted(places)
    [answer] = await office.run(SUPERVISOR, "admin staff remove", user=ada)
    assert "No longer on the staff" in text(answer)
    [answer] = await office.run(SUPERVISOR, "admin staff remove", user=ada)
    assert text(answer) == refused(Refusal.NO_SUCH_MEMBER)
    [answer] = await office.run(CUSTOMER, "admin subscription", user=ada)
    assert text(answer) == refused(Refusal.NOT_STAFF)


async def test_nobody_raises_themselves_or_above_themselves(office: StaffOffice) -> None:
    await office.appoint_person(SUPERVISOR, StaffRole.MANAGER, may_manage=False)
    rita, ada = office.world.user(SUPERVISOR), office.world.user(CUSTOMER)
    for user, role, manage, refusal in (
        (rita, "Manager", True, Refusal.ONESELF),
        (rita, "Support", False, Refusal.ONESELF),
        (ada, "Manager", False, Refusal.RANK_TOO_HIGH),
        (ada, "Support", True, Refusal.PERMISSION_NOT_HELD),
    ):
        [answer] = await office.run(
            SUPERVISOR, "admin staff add", user=user, role=role, subscription_manage=manage
        )
        assert text(answer) == refused(refusal)
    [answer] = await office.run(SUPERVISOR, "admin staff remove", user=rita)
    assert text(answer) == refused(Refusal.ONESELF)
    assert len(await office.staff.find_all()) == 2


async def test_trail_of_all_and_of_one_page_by_page(office: StaffOffice) -> None:
    await office.appoint_person(SUPERVISOR, StaffRole.SUPERVISOR)
    ada, noor = office.world.user(CUSTOMER), office.world.user(AWAY_CUSTOMER)
    await office.run(AGENT, "admin account", user=noor)
    for _ in range(11):
        await office.run(AGENT, "admin subscription", user=ada)
    [answer] = await office.run(SUPERVISOR, "admin audit")
    assert "Page 1 of 2" in text(answer)
    assert "**Read what staff did**" in text(answer)
    assert await office.click(SUPERVISOR, answer, "Next") == []
    assert "Page 2 of 2" in text(answer)
    assert "**Looked at an account**" in text(answer)
    [answer] = await office.run(SUPERVISOR, "admin audit", user=noor)
    assert text(answer).count("<t:") == 2
    assert "**Looked at a subscription**" not in text(answer)
    [answer] = await office.run(SUPERVISOR, "admin audit", user=ada)
    assert await office.click(SUPERVISOR, answer, "Next") == []
    assert "Page 2 of 2" in text(answer)
    assert "**Looked at an account**" not in text(answer)


@pytest.mark.parametrize("command", ["subscription", "invoices", "account"])
async def test_trouble_is_told_with_the_backends_words(office: StaffOffice, command: str) -> None:
    user = office.world.user(CUSTOMER)
    for error, sentence in (
        (BackendRefused("Stripe error: No such customer", status=500), "Stripe error: No such"),
        (BackendNotFound("x", status=404), "The website knows nothing of this user."),
        (BackendUnavailable("x", status=503), "not answering right now"),
        (RuntimeError("secret"), "Something went wrong on our side"),
    ):
        office.backend.error = error
        [answer] = await office.run(AGENT, f"admin {command}", user=user)
        assert sentence in text(answer)
        assert re.search(r"Error [0-9a-f]{8}$", text(answer))
        assert "secret" not in text(answer)


async def test_an_answer_without_success_is_trouble(office: StaffOffice) -> None:
    office.backend.invoices = InvoicesResponse(success=False, message="Stripe is down")
    [answer] = await office.run(AGENT, "admin invoices", user=office.world.user(CUSTOMER))
    assert "**The website says:** Stripe is down" in text(answer)


async def test_trouble_at_a_press(office: StaffOffice) -> None:
    [answer] = await office.run(AGENT, "admin subscription", user=office.world.user(CUSTOMER))
    office.backend.error = BackendRefused("Stripe error: down", status=500)
    [shown] = await office.click(AGENT, answer, "Invoices")
    assert "Stripe error: down" in text(shown)


async def test_broken_store_opens_nothing(office: StaffOffice) -> None:
    await office.break_staff()
    for command in READING:
        [answer] = await office.run(AGENT, f"admin {command}", user=office.world.user(CUSTOMER))
        assert "That did not work" in text(answer)
    assert office.backend.calls == []


async def test_one_cooldown_for_commands_buttons_and_mentions(office: StaffOffice) -> None:
    user = office.world.user(CUSTOMER)
    for _ in range(18):
        [answer] = await office.run(AGENT, "admin subscription", user=user)
    await office.mention(AGENT, "sup.help")
    await office.click(AGENT, answer, "Account")
    for shown in (
        await office.run(AGENT, "admin subscription", user=user),
        await office.click(AGENT, answer, "Account"),
    ):
        assert "a little too fast" in text(shown[0])
    assert len(await office.noted()) == 20


async def test_buttons_work_after_a_restart(office: StaffOffice) -> None:
    [answer] = await office.run(AGENT, "admin subscription", user=office.world.user(CUSTOMER))
    await office.restart()
    [shown] = await office.click(AGENT, answer, "Account")
    assert "Account on the website" in text(shown)
