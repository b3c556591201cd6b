"""What Moddy does when something happens on Discord."""

from __future__ import annotations

import pytest

from moddy.sandbox.world import AWAY_CUSTOMER, CLOSED_CUSTOMER, CUSTOMER, Person
from moddy.store import users
from moddy.store.deliveries import DeliveryState
from tests.cogs.conftest import Office
from tests.services.stage import PREMIUM_ROLE


async def locale_of(office: Office, person: Person) -> str | None:
    user_id = office.user_id(person)
    return (await office.stage.database.read(lambda c: users.find(c, user_id))).locale


async def test_language_is_remembered(office: Office) -> None:
    await office.run(CUSTOMER, "profile")
    await office.run(CLOSED_CUSTOMER, "profile", in_guild=True)
    assert await locale_of(office, CUSTOMER) == "en-US"
    assert await locale_of(office, CLOSED_CUSTOMER) == "fr"


async def test_language_is_remembered_even_when_the_command_fails(office: Office) -> None:
    office.backend.error = RuntimeError("x")
    await office.run(CLOSED_CUSTOMER, "subscription")
    assert await locale_of(office, CLOSED_CUSTOMER) == "fr"


async def test_member_who_joins_gets_the_waiting_roles(office: Office) -> None:
    user_id = office.user_id(AWAY_CUSTOMER)
    accepted = await office.stage.accept_roles(user_id=user_id)
    await office.stage.answer(accepted)
    assert await office.stage.state(accepted) is DeliveryState.WAITING
    office.stage.roles.add_member(user_id)
    async with office.stage.working():
        office.world._guild.add_member(office.world.user(AWAY_CUSTOMER))
        await office.stage.wait_for_state(accepted, DeliveryState.DELIVERED)
    assert office.stage.roles.members[user_id] == {PREMIUM_ROLE}


async def test_member_who_joins_another_guild_changes_nothing(office: Office) -> None:
    user_id = office.user_id(AWAY_CUSTOMER)
    accepted = await office.stage.accept_roles(user_id=user_id)
    await office.stage.answer(accepted)
    other = office.world.env.create_guild("Elsewhere")
    other.add_member(office.world.user(AWAY_CUSTOMER))
    await office.world.env.settle()
    assert await office.stage.state(accepted) is DeliveryState.WAITING


async def test_waiting_roles_are_looked_at_when_the_gateway_is_ready(office: Office) -> None:
    user_id = office.user_id(CUSTOMER)
    accepted = await office.stage.accept_roles(user_id=user_id)
    await office.stage.answer(accepted)
    office.bot.dispatch("ready")
    await office.world.env.settle()
    async with office.stage.working():
        await office.stage.wait_for(accepted, "tries", 2)


async def test_failing_listener_is_logged_without_its_words(
    office: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    async def on_secret() -> None:
        raise RuntimeError("secret words")

    office.bot.add_listener(on_secret)
    office.bot.dispatch("secret")
    await office.world.env.settle()
    printed = capsys.readouterr().out
    assert "listener failed" in printed
    assert "on_secret" in printed
