"""``/admin``: what each command answers, through real interactions."""

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
)
from moddy.staff import AuditOutcome, Refusal, StaffRole
from moddy.store.database import Database
from moddy.views.translator import CatalogueTranslator
from tests.cogs.conftest import answers, buttons, text
from tests.cogs.staff_office import ACCOUNT, StaffOffice, open_staff_office, refused

READING = ("subscription", "invoices", "account", "deliveries")
# Camille reads Discord in French.
FRENCH_AGENT = CLOSED_CUSTOMER


@pytest.fixture
async def office(database: Database) -> AsyncIterator[StaffOffice]:
    async with open_staff_office(database) as office:
        yield office


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


async def test_account_that_is_not_there(office: StaffOffice) -> None:
    office.backend.user = type(ACCOUNT)(success=True, message="", user_found=False)
    [answer] = await office.run(AGENT, "admin account", user=office.world.user(CUSTOMER))
    assert "No account on the website is linked" in text(answer)
    assert buttons(answer) == []


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


async def test_odd_amounts_name_the_two_ways(office: StaffOffice) -> None:
    user = office.world.user(CUSTOMER)
    for amount in ("Full", "20 20", "full full", "all", "$5.00", "5.0", "-5", "0", " full"):
        [answer] = await office.run(AGENT, "admin refund", user=user, amount=amount, reason="full")
        assert text(answer) == refused(Refusal.AMOUNT_UNCLEAR), amount
    assert {outcome for _, outcome in await office.noted()} == {AuditOutcome.REFUSED}


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


async def test_broken_store_opens_nothing(office: StaffOffice) -> None:
    await office.break_store("staff")
    for command in READING:
        [answer] = await office.run(AGENT, f"admin {command}", user=office.world.user(CUSTOMER))
        assert "That did not work" in text(answer)
    assert office.backend.calls == []
