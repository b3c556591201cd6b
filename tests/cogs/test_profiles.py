"""`/profile`, through real interactions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from moddy.models import NotifyAction
from moddy.sandbox.world import AGENT, AWAY_CUSTOMER, CLOSED_CUSTOMER, CUSTOMER, Person
from tests.cogs.conftest import Office, text
from tests.fakes import START

EVERYWHERE = pytest.mark.parametrize("in_guild", [False, True], ids=["dm", "guild"])
END = datetime(2025, 3, 1, tzinfo=UTC)


def stamp(moment: datetime) -> str:
    return f"<t:{int(moment.timestamp())}:D>"


async def subscribe_and_cancel(office: Office, person: Person) -> None:
    """Have premium start at START, and be cancelled a day later for END."""
    user_id = office.user_id(person)
    await office.stage.accept_notice(user_id=user_id)
    office.stage.clock.advance(timedelta(days=1))
    await office.stage.accept_notice(
        NotifyAction.SUBSCRIPTION_CANCELLED,
        user_id=user_id,
        metadata={"cancel_at_period_end": True, "current_period_end": END.isoformat()},
    )


@EVERYWHERE
@pytest.mark.parametrize(
    ("person", "words"),
    [
        (CUSTOMER, ["Ada", "Premium since:", "Premium until:", "Plan:", "Moddy Max"]),
        (CLOSED_CUSTOMER, ["Camille", "Premium depuis le", "Premium jusqu", "Formule"]),
    ],
    ids=["en", "fr"],
)
async def test_ones_own(office: Office, person: Person, words: list[str], in_guild: bool) -> None:
    await subscribe_and_cancel(office, person)
    answer = (await office.run(person, "profile", in_guild=in_guild))[0]
    assert all(word in text(answer) for word in words)
    assert "💎" in text(answer)
    assert stamp(START) in text(answer)
    assert stamp(END) in text(answer)
    assert any(one in text(answer) for one in ("Member since", "Membre depuis")) is in_guild
    assert office.backend.calls == []


@pytest.mark.parametrize("asking", [AGENT, CLOSED_CUSTOMER], ids=["en", "fr"])
async def test_anothers_has_nothing_about_billing(office: Office, asking: Person) -> None:
    await subscribe_and_cancel(office, CUSTOMER)
    customer = office.world.members[CUSTOMER]
    [answer] = await office.run(asking, "profile", in_guild=True, user=customer)
    assert "💎 **Premium**" in text(answer)
    assert stamp(START) in text(answer)
    assert stamp(END) not in text(answer)
    assert "Moddy Max" not in text(answer)


async def test_someone_in_no_server(office: Office) -> None:
    await office.stage.accept_notice(user_id=office.user_id(AWAY_CUSTOMER))
    [own] = await office.run(AWAY_CUSTOMER, "profile")
    assert "💎" in text(own)
    away = office.world.user(AWAY_CUSTOMER)
    [seen] = await office.run(AGENT, "profile", user=away)
    assert "Noor" in text(seen)
    assert "💎" in text(seen)
    assert "Plan:" not in text(seen)


async def test_without_premium(office: Office) -> None:
    await subscribe_and_cancel(office, CUSTOMER)
    office.stage.clock.advance(timedelta(days=90))
    [answer] = await office.run(CUSTOMER, "profile")
    assert "No premium" in text(answer)
    assert "💎" not in text(answer)
    assert "<t:" not in text(answer)


async def test_there_is_a_picture(office: Office) -> None:
    [answer] = await office.run(CUSTOMER, "profile")
    [container] = answer.components
    section = container["components"][0]
    assert section["accessory"]["media"]["url"].startswith("https://cdn.discordapp.com/")


@pytest.mark.parametrize(
    ("person", "words"),
    [(CUSTOMER, "Moddy cannot do that"), (CLOSED_CUSTOMER, "Moddy ne peut pas")],
    ids=["en", "fr"],
)
async def test_trouble_with_the_store_is_told(office: Office, person: Person, words: str) -> None:
    await office.break_store("premium_audit")
    [answer] = await office.run(person, "profile")
    assert words in text(answer)
    assert "Err" in text(answer)
