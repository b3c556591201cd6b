"""PREMIUM comes to be what the backend says, and nothing it does not say changes it."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from moddy.errors import (
    BackendContractBroken,
    BackendNotFound,
    BackendPaused,
    BackendUnavailable,
)
from moddy.models import NotifyAction, Snowflake, SubscriptionStatus
from moddy.services.premium import PremiumStatus
from moddy.store import premium_audit, users
from moddy.store.transactions import Connection
from tests.services.stage import ADA, BEN, PREMIUM_ROLE
from tests.services.watch import BRAKE, GRACE, Watch, subscription

MANY = [Snowflake(10**17 + number) for number in range(1000, 1000 + BRAKE + 7)]
ON, OFF = PremiumStatus(premium=True), PremiumStatus(premium=False)
Status = SubscriptionStatus


async def reasons(watch: Watch, user_id: Snowflake) -> list[tuple[str, str]]:
    trail = await watch.stage.database.read(lambda c: premium_audit.find(c, user_id))
    return [(change.actor, change.reason) for change in trail[1:]]


async def premium(watch: Watch, *user_ids: Snowflake) -> list[bool]:
    return [(await watch.stage.premium.status(user_id)).premium for user_id in user_ids]


async def test_no_subscription_ends_premium_and_takes_the_role(watch: Watch) -> None:
    await watch.give(ADA, BEN)
    watch.backend.customers[BEN] = subscription()
    assert await watch.check() == 2
    assert await premium(watch, ADA, BEN) == [False, True]
    assert (watch.has_role(ADA), watch.has_role(BEN)) == (False, True)
    assert await reasons(watch, ADA) == [("reconciliation", "no_subscription")]
    assert await reasons(watch, BEN) == []
    # It is asked twice before anything is taken.
    assert sorted(call[1] for call in watch.backend.calls) == [ADA, ADA, BEN]
    assert (watch.counters.premium_off, watch.counters.asked) == (1, 3)


async def test_the_other_account_of_one_customer(watch: Watch) -> None:
    """The backend moved the subscription, and told of the new account only."""
    await watch.give(ADA)
    watch.stage.roles.add_member(BEN)
    await watch.make_premium(BEN)
    await watch.stage.answer(await watch.stage.accept_roles(user_id=BEN))
    watch.backend.customers[BEN] = subscription()
    await watch.check()
    assert await premium(watch, ADA, BEN) == [False, True]
    assert (watch.has_role(ADA), watch.has_role(BEN)) == (False, True)


async def test_a_role_given_by_hand_stays_when_premium_ends(watch: Watch) -> None:
    watch.stage.roles.add_member(ADA, PREMIUM_ROLE)
    await watch.make_premium(ADA)
    await watch.check()
    await watch.reconcile()
    assert await premium(watch, ADA) == [False]
    assert watch.has_role(ADA)


@pytest.mark.parametrize(
    "answer",
    [
        subscription(Status.UNKNOWN),
        subscription(Status.INCOMPLETE),
        BackendUnavailable("x", status=500),
        BackendNotFound("x", status=404),
        BackendContractBroken("x"),
        BackendPaused(retry_after=1.0),
        TimeoutError(),
        ValueError("a fault"),
    ],
    ids=repr,
)
async def test_what_is_no_answer_changes_nothing(watch: Watch, answer: object) -> None:
    await watch.give(ADA)
    watch.backend.customers[ADA] = answer  # type: ignore[assignment]
    await watch.check()
    assert await watch.stage.premium.status(ADA) == ON
    assert watch.has_role(ADA)


async def test_one_bad_customer_ends_no_sweep(watch: Watch) -> None:
    await watch.give(ADA, BEN)
    watch.backend.customers[ADA] = ValueError("a fault")
    await watch.check()
    assert await premium(watch, ADA, BEN) == [True, False]
    assert watch.counters.failed == 1


async def test_the_backend_away_for_a_while(watch: Watch) -> None:
    """Nobody is left out: the pass goes on from where it was."""
    await watch.give(*MANY)
    for user_id in MANY[1:]:
        watch.backend.customers[user_id] = subscription()
    watch.backend.error = BackendPaused(retry_after=1.0)
    for _ in range(50):
        await watch.check()
    watch.backend.error = BackendUnavailable("x")
    for _ in range(20):
        await watch.check()
    watch.backend.error = None
    watch.backend.calls.clear()
    await watch.check()
    assert len(watch.backend.calls) == len(MANY) + 1
    assert await premium(watch, *MANY[:2]) == [False, True]


async def test_customers_who_always_fail_are_left_out_in_the_end(watch: Watch) -> None:
    await watch.give(*MANY)
    for user_id in MANY[:5]:
        watch.backend.customers[user_id] = BackendNotFound("x", status=404)
    for user_id in MANY[6:]:
        watch.backend.customers[user_id] = subscription()
    for _ in range(20):
        await watch.check()
    assert await premium(watch, *MANY[:7]) == [True] * 7
    await watch.check()
    assert await premium(watch, *MANY[:7]) == [True] * 5 + [False, True]


async def test_past_due_has_the_grace(watch: Watch) -> None:
    await watch.give(ADA)
    watch.backend.customers[ADA] = subscription(Status.PAST_DUE)
    await watch.check()
    end = watch.stage.clock.now() + GRACE
    for _ in range(2):
        assert await watch.stage.premium.status(ADA) == PremiumStatus(premium=True, until=end)
        await watch.check()
    watch.stage.clock.advance(GRACE)
    await watch.stage.premium.end_due()
    await watch.deliver()
    assert not watch.has_role(ADA)
    # Paid in the end, and nobody told of it.
    await watch.check()
    assert await premium(watch, ADA) == [False]
    watch.backend.customers[ADA] = subscription()
    await watch.check()
    assert await watch.stage.premium.status(ADA) == ON
    assert watch.has_role(ADA)
    assert [reason for _, reason in await reasons(watch, ADA)] == [
        *("subscription_past_due", "grace_ended", "subscription_active")
    ]


async def test_an_end_that_nobody_told_of_and_one_taken_back(watch: Watch) -> None:
    await watch.give(ADA)
    watch.backend.customers[ADA] = found = subscription(cancelled=True)
    await watch.check()
    assert found.subscription is not None
    end = found.subscription.current_period_end
    assert await watch.stage.premium.status(ADA) == PremiumStatus(premium=True, until=end)
    watch.backend.customers[ADA] = subscription()
    await watch.check()
    assert await watch.stage.premium.status(ADA) == ON
    assert watch.counters.premium_dated == 2


async def test_what_is_paid_until_a_moment_lasts_until_then(watch: Watch) -> None:
    await watch.give(ADA)
    end = watch.stage.clock.now() + timedelta(days=1)
    metadata = {"cancel_at_period_end": True, "current_period_end": end.isoformat()}
    await watch.stage.accept_notice(NotifyAction.SUBSCRIPTION_CANCELLED, metadata=metadata)
    await watch.check()
    assert await watch.stage.premium.status(ADA) == PremiumStatus(premium=True, until=end)


async def test_rows_edited_by_hand(watch: Watch) -> None:
    """Both ways; the trail says what the backend told last."""
    await watch.give(ADA)
    watch.backend.customers[ADA] = subscription()
    await watch.turn_off(ADA)

    async def turn_on(connection: Connection) -> None:
        await users.lock(connection, BEN)
        await users.save_premium(connection, BEN, premium=True, until=None)

    await watch.stage.database.transaction(turn_on)
    await watch.check()
    assert await premium(watch, ADA, BEN) == [True, False]
    assert watch.has_role(ADA)


@pytest.mark.parametrize("plan", ["moddy_max", "moddy_mini"])
async def test_never_on_without_the_plan(watch: Watch, plan: str) -> None:
    """An active subscription after the backend's own end is to a plan that nobody told of."""
    await watch.give(ADA)
    await watch.stage.accept_notice(NotifyAction.SUBSCRIPTION_CANCELLED, plan=plan)
    watch.backend.customers[ADA] = watch.backend.customers[BEN] = subscription()
    await watch.stage.accept_notice(user_id=BEN, plan="moddy_mini")
    await watch.check()
    assert await premium(watch, ADA, BEN) == [False, False]
    assert watch.backend.calls == []


async def test_news_are_left_to_settle(watch: Watch) -> None:
    """The backend may say what it told of a moment later."""
    await watch.stage.accept_notice()
    await watch.subscriptions.sweep()
    assert watch.backend.calls == []
    assert await premium(watch, ADA) == [True]


async def test_a_newer_word_while_the_backend_is_asked(watch: Watch) -> None:
    await watch.give(ADA)
    watch.backend.customers[ADA] = subscription(cancelled=True)
    watch.backend.gate.close()
    watch.stage.clock.advance(timedelta(hours=3))
    sweep = asyncio.create_task(watch.subscriptions.sweep())
    await watch.backend.gate.reached.wait()
    await watch.stage.accept_notice(
        NotifyAction.SUBSCRIPTION_UPDATED, metadata={"status": "past_due"}
    )
    status = await watch.stage.premium.status(ADA)
    watch.backend.gate.open()
    await sweep
    assert await watch.stage.premium.status(ADA) == status


async def test_a_backend_that_lost_its_customers_takes_nothing(watch: Watch) -> None:
    await watch.give(*MANY)
    await watch.check()
    await watch.reconcile()
    assert all(await premium(watch, *MANY))
    assert watch.held == [len(MANY)]
    assert watch.counters.premium_off == 0
    # It finds all but two of them again; then a person says that it is right.
    for user_id in MANY[2:]:
        watch.backend.customers[user_id] = subscription()
    assert await watch.allow() == len(MANY)
    await watch.subscriptions.sweep()
    await watch.deliver()
    assert await premium(watch, *MANY) == [False] * 2 + [True] * (len(MANY) - 2)
    assert [watch.has_role(user_id) for user_id in MANY[:3]] == [False, False, True]
    # Their roles are not held again.
    await watch.reconcile()
    assert watch.held == [len(MANY)]


async def test_the_word_waits_for_the_backend(watch: Watch) -> None:
    await watch.give(*MANY)
    await watch.check()
    await watch.allow()
    watch.backend.error = BackendPaused(retry_after=1.0)
    await watch.subscriptions.sweep()
    watch.backend.error = None
    await watch.subscriptions.sweep()
    assert not any(await premium(watch, *MANY))


async def test_every_few_hours_and_at_the_start(watch: Watch) -> None:
    await watch.give(ADA)
    watch.backend.customers[ADA] = subscription()
    assert await watch.check() == 1
    assert await watch.subscriptions.sweep() == 0
    watch.stage.clock.advance(timedelta(hours=2))
    assert await watch.subscriptions.sweep() == 0
    watch.start()
    assert await watch.subscriptions.sweep() == 1
