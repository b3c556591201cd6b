"""Which delivery goes first, which is replaced, and who tries it."""

from __future__ import annotations

import asyncio

import pytest

from moddy.errors import DiscordRefused, DiscordUnavailable, ModdyError
from moddy.models import NotifyAction, Snowflake
from moddy.services import answers
from moddy.store.deliveries import DeliveryState
from tests.fakes import START
from tests.services.stage import ADA, BEN, GUILD, OTHER_ROLE, PREMIUM_ROLE, Stage

DOWN = DiscordUnavailable("down")

UPDATED = NotifyAction.SUBSCRIPTION_UPDATED

HOURS_72 = 72 * 3600.0


async def test_one_users_messages_arrive_in_order(stage: Stage) -> None:
    stage.messenger.errors[ADA] = DOWN
    first = await stage.accept_notice()
    await stage.answer(first)
    second = await stage.accept_notice(UPDATED)
    assert await stage.answer(second) == answers.NOTIFY_QUEUED
    assert len(stage.messenger.asked) == 1  # the second has not even been tried
    del stage.messenger.errors[ADA]
    async with stage.working():
        stage.tick(1)
        await stage.wait_for_state(second, DeliveryState.DELIVERED)
    assert [sent.notice.action for sent in stage.messenger.sent] == [
        NotifyAction.SUBSCRIPTION_CREATED,
        UPDATED,
    ]


async def test_users_do_not_wait_for_each_other(stage: Stage) -> None:
    stage.messenger.gate.close()
    slow = await stage.accept_notice(user_id=BEN)
    assert await stage.answer(slow, within=0.05) == answers.NOTIFY_QUEUED
    stage.roles.add_member(BEN)
    assert await stage.answer(await stage.accept_roles(user_id=BEN)) == answers.roles_updated(GUILD)
    stage.roles.add_member(ADA)
    assert await stage.answer(await stage.accept_roles()) == answers.roles_updated(GUILD)
    stage.messenger.gate.open()
    await stage.wait_for_state(slow, DeliveryState.DELIVERED)


async def test_worker_and_caller_do_not_both_try(stage: Stage) -> None:
    async with stage.working():
        rows = [await stage.accept_notice(user_id=Snowflake(n)) for n in range(1, 20)]
        stage.deliveries.wake()
        got = await asyncio.gather(*(stage.answer(row) for row in rows))
    assert got == [answers.NOTIFY_DELIVERED] * len(rows)
    assert len(stage.messenger.asked) == len(rows)


async def test_two_workers_on_one_store(stage: Stage) -> None:
    """As two processes on PostgreSQL: each delivery is made once."""
    other = asyncio.create_task(stage.make_worker().run())
    async with stage.working():
        rows = [await stage.accept_notice(user_id=Snowflake(n)) for n in range(1, 30)]
        for row in rows:
            await stage.wait_for_state(row, DeliveryState.DELIVERED)
    other.cancel()
    await asyncio.gather(other, return_exceptions=True)
    assert len(stage.messenger.asked) == len(rows)


async def test_newer_role_update_replaces_one_that_waits_for_its_retry(stage: Stage) -> None:
    stage.roles.add_member(ADA)
    stage.roles.read_error = DOWN
    older = await stage.accept_roles(add=[OTHER_ROLE])
    await stage.answer(older)
    stage.roles.read_error = None
    newer = await stage.accept_roles(add=[PREMIUM_ROLE])
    assert await stage.answer(newer) == answers.roles_updated(GUILD)
    assert await stage.state(older) is DeliveryState.REPLACED
    async with stage.working():
        stage.tick(HOURS_72)
        await asyncio.sleep(0.05)
    assert stage.roles.members[ADA] == {PREMIUM_ROLE}


async def test_older_role_update_in_flight_lands_first(stage: Stage) -> None:
    stage.roles.add_member(ADA)
    stage.roles.gate.close()
    older = await stage.accept_roles(add=[PREMIUM_ROLE])
    first = asyncio.create_task(stage.answer(older))
    await stage.roles.gate.reached.wait()
    newer = await stage.accept_roles(remove=[PREMIUM_ROLE])
    second = asyncio.create_task(stage.answer(newer))
    await asyncio.sleep(0.05)
    assert not second.done()
    stage.roles.gate.open()
    assert [await first, await second] == [answers.roles_updated(GUILD)] * 2
    assert [(one.add, one.remove) for one in stage.roles.changes] == [
        ((PREMIUM_ROLE,), ()),
        ((), (PREMIUM_ROLE,)),
    ]


@pytest.mark.parametrize("error", [DOWN, ModdyError("x"), RuntimeError("x")], ids=repr)
async def test_older_role_update_in_flight_that_fails_is_replaced(
    stage: Stage, error: Exception
) -> None:
    stage.roles.add_member(ADA)
    stage.roles.gate.close()
    older = await stage.accept_roles(add=[OTHER_ROLE])
    first = asyncio.create_task(stage.answer(older))
    await stage.roles.gate.reached.wait()
    newer = await stage.accept_roles(add=[PREMIUM_ROLE])
    stage.roles.change_error = error
    stage.roles.gate.open()
    await first
    assert await stage.state(older) is DeliveryState.REPLACED
    stage.roles.change_error = None
    assert await stage.answer(newer) == answers.roles_updated(GUILD)
    assert stage.roles.members[ADA] == {PREMIUM_ROLE}


async def test_failed_notice_is_not_replaced_by_a_newer_one(stage: Stage) -> None:
    stage.messenger.errors[ADA] = DOWN
    older = await stage.accept_notice()
    await stage.accept_notice(UPDATED)
    await stage.answer(older)
    assert await stage.state(older) is DeliveryState.PENDING


async def test_refused_message_makes_way_for_the_next(stage: Stage) -> None:
    stage.messenger.errors[ADA] = DiscordRefused("x")
    first = await stage.accept_notice()
    second = await stage.accept_notice(UPDATED)
    assert await stage.answer(first) == answers.NOTIFY_REFUSED
    del stage.messenger.errors[ADA]
    assert await stage.answer(second) == answers.NOTIFY_DELIVERED
    assert stage.clock.now() == START
