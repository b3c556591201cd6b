"""What becomes of a notification, its language, and its idempotency."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import msgspec
import pytest

from moddy.errors import (
    DirectMessagesClosed,
    DiscordRefused,
    DiscordUnavailable,
    IdempotencyConflict,
    MissingPermissions,
    UserNotFound,
)
from moddy.models import NotifyAction
from moddy.notices import Notice
from moddy.services import answers
from moddy.services.premium import PremiumStatus
from moddy.store.database import Database
from moddy.store.deliveries import LEASE, Answer, DeliveryState
from tests.fakes import START
from tests.services.stage import ADA, BEN, CHANNEL, Stage

CLOSED = DirectMessagesClosed("closed", discord_code=50007)
CREATED = NotifyAction.SUBSCRIPTION_CREATED
CANCELLED = NotifyAction.SUBSCRIPTION_CANCELLED
UPDATED = NotifyAction.SUBSCRIPTION_UPDATED


async def test_delivered(stage: Stage) -> None:
    accepted = await stage.accept_notice()
    assert await stage.answer(accepted) == answers.NOTIFY_DELIVERED
    [sent] = stage.messenger.sent
    assert accepted.delivery is not None
    assert (sent.user_id, sent.nonce) == (ADA, accepted.delivery.id)
    assert len(sent.nonce) <= 25
    assert (sent.notice.action, sent.notice.plan) == (CREATED, "moddy_max")
    assert await stage.state(accepted) is DeliveryState.DELIVERED
    assert await stage.premium.status(ADA) == PremiumStatus(premium=True)


@pytest.mark.parametrize(
    ("error", "answer", "state"),
    [
        (UserNotFound("x"), answers.NOTIFY_NO_USER, DeliveryState.REFUSED),
        (DiscordRefused("x"), answers.NOTIFY_REFUSED, DeliveryState.REFUSED),
        (MissingPermissions("x"), answers.NOTIFY_REFUSED, DeliveryState.REFUSED),
        (DiscordUnavailable("x"), answers.NOTIFY_QUEUED, DeliveryState.PENDING),
        (RuntimeError("x"), answers.NOTIFY_QUEUED, DeliveryState.PENDING),
        (TimeoutError(), answers.NOTIFY_QUEUED, DeliveryState.PENDING),
    ],
    ids=repr,
)
async def test_errors(stage: Stage, error: Exception, answer: Answer, state: DeliveryState) -> None:
    stage.messenger.errors[ADA] = error
    accepted = await stage.accept_notice()
    assert await stage.answer(accepted) == answer
    assert await stage.state(accepted) is state
    assert await stage.column(accepted, "tries") == 1
    assert await stage.premium.status(ADA) == PremiumStatus(premium=True)  # paid is paid


async def test_closed_with_fallback(stage: Stage) -> None:
    stage.messenger.errors[ADA] = CLOSED
    accepted = await stage.accept_notice()
    assert await stage.answer(accepted) == answers.NOTIFY_FALLBACK
    [fallback] = stage.messenger.fallbacks
    assert accepted.delivery is not None
    assert (fallback.user_id, fallback.channel_id, fallback.locale) == (ADA, CHANNEL, "en-US")
    assert fallback.nonce != accepted.delivery.id
    assert len(fallback.nonce) <= 25
    assert await stage.state(accepted) is DeliveryState.KEPT


async def test_closed_and_fallback_does_not_reach(stage: Stage) -> None:
    stage.messenger.errors[ADA] = CLOSED
    stage.messenger.fallback_reaches = False
    accepted = await stage.accept_notice()
    assert await stage.answer(accepted) == answers.NOTIFY_CLOSED
    assert await stage.state(accepted) is DeliveryState.KEPT


async def test_closed_without_fallback(database: Database) -> None:
    stage = Stage(database, fallback=False)
    stage.messenger.errors[ADA] = CLOSED
    accepted = await stage.accept_notice()
    assert await stage.answer(accepted) == answers.NOTIFY_CLOSED
    assert stage.messenger.fallbacks == []
    assert await stage.state(accepted) is DeliveryState.KEPT


async def test_kept_messages_are_shown_once_oldest_first_in_the_language_asked_for(
    stage: Stage,
) -> None:
    stage.messenger.errors[ADA] = CLOSED
    for action in (CREATED, UPDATED, CANCELLED):
        await stage.answer(await stage.accept_notice(action))
    await stage.answer(await stage.accept_notice(user_id=BEN))
    kept = await stage.notifications.claim_kept(ADA, "fr")
    assert [notice.action for _, notice in kept if isinstance(notice, Notice)] == [
        CREATED,
        UPDATED,
        CANCELLED,
    ]
    assert {notice.locale for _, notice in kept} == {"fr"}
    assert await stage.notifications.claim_kept(ADA, "fr") == []  # another command is showing them
    await stage.notifications.mark_shown([kept[0][0]])
    stage.tick(LEASE.total_seconds())
    left = await stage.notifications.claim_kept(ADA, "fr")
    assert [one for one, _ in left] == [one for one, _ in kept[1:]]
    assert await stage.notifications.claim_kept(BEN, "fr") == []


@pytest.mark.parametrize(
    ("own", "guild", "chosen"),
    [
        ("fr", "de", "fr"),
        (None, "de", "de"),
        (None, None, "en-US"),
        ("fr", None, "fr"),
    ],
)
async def test_language(stage: Stage, own: str | None, guild: str | None, chosen: str) -> None:
    if own:
        await stage.notifications.remember_locale(ADA, own)
    stage.messenger.locale = guild
    await stage.answer(await stage.accept_notice())
    assert stage.messenger.sent[0].notice.locale == chosen


async def test_last_seen_language_wins_and_one_users_is_not_anothers(stage: Stage) -> None:
    await stage.notifications.remember_locale(ADA, "fr")
    accepted = await stage.accept_notice()
    await stage.notifications.remember_locale(ADA, "de")  # between accepting and sending
    await stage.notifications.remember_locale(BEN, "it")
    await stage.answer(accepted)
    assert stage.messenger.sent[0].notice.locale == "de"


async def test_ends_at_is_set_only_when_a_cancelled_subscription_goes_on(stage: Stage) -> None:
    end = START + timedelta(days=30)
    metadata = {"cancel_at_period_end": True, "current_period_end": end.isoformat()}
    for action in (CANCELLED, UPDATED):
        await stage.answer(await stage.accept_notice(action, metadata=metadata))
    ends = [sent.notice.ends_at for sent in stage.messenger.sent]
    assert ends == [end, None]
    assert await stage.premium.status(ADA) == PremiumStatus(premium=True, until=end)


async def test_personal_data_is_not_stored(stage: Stage) -> None:
    secret = {
        "email": "ada@example.com",
        "phone": "+33612345678",
        "customer_id": "cus_123",
        "subscription_id": "sub_123",
        "unknown": "whatever",
    }
    accepted = await stage.accept_notice(metadata={**secret, "message": "hello"})
    payload = bytes(await stage.column(accepted, "payload"))
    assert b"hello" in payload
    assert not [value for value in secret.values() if value.encode() in payload]


async def test_stale_event_changes_nothing_and_tells_nobody(stage: Stage) -> None:
    await stage.answer(await stage.accept_notice(CANCELLED, metadata={"event_created": 1000}))
    stage.messenger.sent.clear()
    accepted = await stage.accept_notice(metadata={"event_created": 999})
    assert await stage.answer(accepted) == answers.NOTIFY_STALE
    assert stage.messenger.sent == []
    assert await stage.state(accepted) is DeliveryState.STALE
    assert await stage.premium.status(ADA) == PremiumStatus(premium=False)


@pytest.mark.parametrize("created", [1000, 1001, "1970-01-01T00:16:40Z", None, "nonsense", True])
async def test_not_stale(stage: Stage, created: object) -> None:
    await stage.answer(await stage.accept_notice(metadata={"event_created": 1000}))
    accepted = await stage.accept_notice(CANCELLED, metadata={"event_created": created})
    assert await stage.answer(accepted) == answers.NOTIFY_DELIVERED
    assert await stage.premium.status(ADA) == PremiumStatus(premium=False)


async def test_stale_is_judged_by_user_and_by_what_was_accepted(stage: Stage) -> None:
    await stage.accept_notice(metadata={"event_created": 2000})
    await stage.accept_notice(
        metadata={"event_created": 1000}
    )  # stale: must not move the mark back
    assert (await stage.accept_notice(metadata={"event_created": 1500})).answer is not None
    other = await stage.accept_notice(user_id=BEN, metadata={"event_created": 1000})
    assert other.answer is None


async def test_repeat_gets_the_first_final_answer(stage: Stage) -> None:
    first = await stage.accept_notice(key="key")
    early = await stage.accept_notice(key="key")
    assert (early.answer, early.delivery, early.replayed) == (None, None, False)
    assert await stage.answer(early) == answers.NOTIFY_QUEUED
    answer = await stage.answer(first)
    repeat = await stage.accept_notice(key="key")
    assert (repeat.answer, repeat.replayed) == (answer, True)
    assert await stage.answer(repeat) == answer
    assert len(stage.messenger.asked) == 1


async def test_repeat_of_a_stale_one(stage: Stage) -> None:
    await stage.accept_notice(metadata={"event_created": 1000})
    for replayed in (False, True):
        stale = await stage.accept_notice(metadata={"event_created": 1}, key="key")
        assert (stale.answer, stale.replayed) == (answers.NOTIFY_STALE, replayed)


async def test_repeat_with_another_body_changes_nothing(stage: Stage) -> None:
    await stage.accept_notice(key="key")
    with pytest.raises(IdempotencyConflict):
        await stage.accept_notice(CANCELLED, key="key")
    assert await stage.premium.status(ADA) == PremiumStatus(premium=True)


async def test_same_key_at_both_doors(stage: Stage) -> None:
    stage.roles.add_member(ADA)
    first = await stage.accept_notice(key="key")
    second = await stage.accept_roles(key="key")
    assert first.delivery is not None
    assert second.delivery is not None


async def test_a_hundred_repeats_at_once_make_one_delivery(stage: Stage) -> None:
    accepted = await asyncio.gather(*(stage.accept_notice(key="key") for _ in range(100)))
    assert len([one for one in accepted if one.delivery is not None]) == 1
    await asyncio.gather(*(stage.answer(one) for one in accepted))
    assert len(stage.messenger.asked) == 1


def test_answers_are_the_contracts() -> None:
    table = {
        answers.NOTIFY_DELIVERED: (200, True, "User notified successfully", True),
        answers.NOTIFY_FALLBACK: (200, True, "User notified in the fallback channel", True),
        answers.NOTIFY_CLOSED: (200, False, "Cannot send DM to user (DMs disabled)", False),
        answers.NOTIFY_NO_USER: (404, False, "User not found in Discord server", False),
        answers.NOTIFY_QUEUED: (202, True, "Notification queued for delivery", False),
        answers.NOTIFY_STALE: (200, True, "Stale event ignored", False),
        answers.NOTIFY_REFUSED: (500, False, "Failed to send Discord message", False),
        answers.NOTIFY_NO_STORE: (503, False, "Store unavailable", False),
    }
    for answer, (status, success, message, sent) in table.items():
        body = {"success": success, "message": message, "notification_sent": sent}
        assert (answer.status, msgspec.json.decode(answer.body)) == (status, body)
