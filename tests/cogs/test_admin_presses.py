"""The buttons of what ``/admin`` answers, through real interactions."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from moddy.errors import BackendRefused
from moddy.sandbox.world import AGENT, AWAY_CUSTOMER, CUSTOMER, SUPERVISOR
from moddy.staff import Refusal, StaffAction, StaffRole
from moddy.store.database import Database
from moddy.store.deliveries import DeliveryState
from moddy.views.custom_ids import custom_id
from moddy.views.staff.deliveries import RETRY
from tests.cogs.conftest import buttons, links, text
from tests.cogs.staff_deeds import PRESS, Actor, dead_delivery
from tests.cogs.staff_office import StaffOffice, open_staff_office, refused

EMAIL = "ada.lovelace@mail.example"


@pytest.fixture
async def office(database: Database) -> AsyncIterator[StaffOffice]:
    async with open_staff_office(database) as office:
        yield office


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


async def test_a_refund_from_the_command_to_its_end(office: StaffOffice) -> None:
    user = office.world.user(CUSTOMER)
    [answer] = await office.run(AGENT, "admin refund", user=user, amount="5.00", reason="late")
    assert all(call[0] != "refund_payment" for call in office.backend.calls)
    await office.click(AGENT, answer, buttons(answer)[0])
    assert [one for one in office.backend.calls if one[0] == "refund_payment"] == [
        ("refund_payment", office.user_id(CUSTOMER), 500, "late")
    ]


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


async def test_trouble_at_a_press(office: StaffOffice) -> None:
    [answer] = await office.run(AGENT, "admin subscription", user=office.world.user(CUSTOMER))
    office.backend.error = BackendRefused("Stripe error: down", status=500)
    [shown] = await office.click(AGENT, answer, "Invoices")
    assert "Stripe error: down" in text(shown)


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
