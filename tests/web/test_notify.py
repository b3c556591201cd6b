"""``POST /internal/notify``: every row of its answer table."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import Any

import pytest

from moddy.errors import (
    DirectMessagesClosed,
    DiscordRefused,
    DiscordUnavailable,
    MissingPermissions,
    UserNotFound,
)
from moddy.models import NotifyAction
from moddy.notices import Notice
from moddy.store.database import Database
from tests.web.api import FALLBACK_CHANNEL, Api, Setup, open_api
from tests.web.conftest import Log

BODY = {"discord_id": "42", "action": "subscription_created", "plan": "moddy_max"}
DELIVERED = {
    "success": True,
    "message": "User notified successfully",
    "notification_sent": True,
}
QUEUED = {
    "success": True,
    "message": "Notification queued for delivery",
    "notification_sent": False,
}
CLOSED = {
    "success": False,
    "message": "Cannot send DM to user (DMs disabled)",
    "notification_sent": False,
}
PREMIUM = {"discord_id": "42", "premium": True, "premium_until": None}


async def test_a_delivered_message(api: Api) -> None:
    api.messenger.locale = "fr"
    body = BODY | {"metadata": {"amount": 999, "currency": "eur", "subscription_type": "month"}}
    response = await api.notify(body)
    assert (response.status_code, response.json()) == (200, DELIVERED)
    assert response.headers["Content-Type"] == "application/json"
    assert "Idempotent-Replayed" not in response.headers
    (sent,) = api.messenger.sent
    assert sent.user_id == "42"
    assert sent.notice.action is NotifyAction.SUBSCRIPTION_CREATED
    assert (sent.notice.plan, sent.notice.locale) == ("moddy_max", "fr")
    assert (sent.notice.metadata.amount_minor, sent.notice.metadata.currency) == (999, "EUR")
    assert 1 <= len(sent.nonce) <= 25
    assert await api.read_premium("42") == PREMIUM


async def test_every_action_is_delivered(api: Api) -> None:
    for number, action in enumerate(NotifyAction, start=1):
        body = {"discord_id": str(number), "action": action.value, "plan": None, "metadata": None}
        assert (await api.notify(body)).json() == DELIVERED
    assert [one.notice.action for one in api.messenger.sent] == list(NotifyAction)


async def test_closed_direct_messages(api: Api) -> None:
    api.messenger.errors["42"] = DirectMessagesClosed("closed", discord_code=50007)
    response = await api.notify(BODY)
    assert (response.status_code, response.json()) == (200, CLOSED)
    assert not api.messenger.fallbacks
    assert await api.read_premium("42") == PREMIUM
    ((_, notice),) = await api.notifications.claim_kept(api.messenger.asked[0].user_id, "fr")
    assert isinstance(notice, Notice)
    assert notice.plan == "moddy_max"


@pytest.mark.parametrize("reaches", [True, False])
async def test_the_fallback_channel(database: Database, reaches: bool) -> None:
    async with open_api(database, Setup(fallback_channel_id=FALLBACK_CHANNEL)) as api:
        api.messenger.errors["42"] = DirectMessagesClosed("closed", discord_code=50278)
        api.messenger.fallback_reaches = reaches
        response = await api.notify(BODY)
        fallback = {
            "success": True,
            "message": "User notified in the fallback channel",
            "notification_sent": True,
        }
        assert (response.status_code, response.json()) == (200, fallback if reaches else CLOSED)
        (sent,) = api.messenger.fallbacks
        assert (sent.user_id, sent.channel_id) == ("42", FALLBACK_CHANNEL)
        assert len(sent.nonce) <= 25
        assert sent.nonce != api.messenger.asked[0].nonce
        assert await api.read_premium("42") == PREMIUM


REFUSALS: list[tuple[Exception, int, str]] = [
    (UserNotFound("unknown", discord_code=10013), 404, "User not found in Discord server"),
    (DiscordRefused("refused", discord_code=50035), 500, "Failed to send Discord message"),
    (MissingPermissions("refused", discord_code=50013), 500, "Failed to send Discord message"),
]


async def test_a_refusal_for_good(api: Api) -> None:
    for number, (error, status, message) in enumerate(REFUSALS):
        discord_id = str(100 + number)
        api.messenger.errors[discord_id] = error
        response = await api.notify(BODY | {"discord_id": discord_id})
        assert response.status_code == status
        assert response.json() == {
            "success": False,
            "message": message,
            "notification_sent": False,
        }
        assert (await api.read_premium(discord_id))["premium"] is True
    api.messenger.errors.clear()
    api.clock.advance(timedelta(days=4))
    assert [row["state"] for row in await api.rows()] == ["refused"] * len(REFUSALS)
    assert [row["due_at"] for row in await api.rows()] == [None] * len(REFUSALS)


@pytest.mark.parametrize("error", [DiscordUnavailable("down"), KeyError("a fault of ours")])
async def test_a_failing_discord_is_tried_again(api: Api, log: Log, error: Exception) -> None:
    log.errors_expected = isinstance(error, KeyError)
    api.messenger.errors["42"] = error
    response = await api.notify(BODY)
    assert (response.status_code, response.json()) == (202, QUEUED)
    assert await api.read_premium("42") == PREMIUM
    api.messenger.errors.clear()
    api.clock.advance(timedelta(seconds=5))
    await _until_delivered(api, 1)
    assert len({one.nonce for one in api.messenger.asked}) == 1


async def test_a_hanging_discord_is_not_waited_for(database: Database) -> None:
    async with open_api(database, Setup(answer_within=0.2)) as api:
        api.messenger.gate.close()
        response = await api.notify(BODY)
        assert (response.status_code, response.json()) == (202, QUEUED)
        assert await api.read_premium("42") == PREMIUM
        api.messenger.gate.open()
        await _until_delivered(api, 1)
        assert len(api.messenger.asked) == 1


@pytest.mark.slow
async def test_the_answer_comes_within_nine_seconds(lite: Api) -> None:
    lite.messenger.gate.close()
    started = time.monotonic()
    response = await lite.notify(BODY)
    assert (response.status_code, response.json()) == (202, QUEUED)
    assert 7.0 < time.monotonic() - started < 9.0


async def test_before_discord_can_be_called_everything_is_queued(api: Api) -> None:
    api.gateway.logged_in.clear()
    response = await api.notify(BODY)
    assert (response.status_code, response.json()) == (202, QUEUED)
    assert await api.read_premium("42") == PREMIUM
    api.gateway.logged_in.set()
    await _until_delivered(api, 1)


async def test_an_event_older_than_the_last_one_is_ignored(api: Api) -> None:
    newer = BODY | {"metadata": {"event_created": 1735689600}}
    assert (await api.notify(newer)).json() == DELIVERED
    stale = {"success": True, "message": "Stale event ignored", "notification_sent": False}
    older: list[Any] = [
        1735689599,
        "2024-12-31T23:59:59Z",
        "2025-01-01T00:59:59+01:00",
        1735689599.5,
    ]
    for created in older:
        body = BODY | {
            "action": "subscription_cancelled",
            "metadata": {"event_created": created},
        }
        response = await api.notify(body)
        assert (response.status_code, response.json()) == (200, stale), created
    assert await api.read_premium("42") == PREMIUM
    assert len(api.messenger.sent) == 1
    others: list[Any] = [1735689600, "2025-01-01T01:00:00+01:00", None, "rubbish", True]
    for created in others:
        body = BODY | {"metadata": {"event_created": created}}
        assert (await api.notify(body)).json() == DELIVERED
    other = BODY | {"discord_id": "43", "metadata": {"event_created": 1}}
    assert (await api.notify(other)).json() == DELIVERED


async def test_what_is_in_hand_when_the_worker_starts_is_sent_once(database: Database) -> None:
    async with open_api(database, Setup(works=False)) as api:
        api.messenger.gate.close()
        answering = asyncio.create_task(api.notify(BODY))
        await api.messenger.gate.reached.wait()
        api.start_worker()
        await asyncio.sleep(0.2)  # for a worker that takes the attempt for a dead process's
        api.messenger.gate.open()
        assert (await answering).json() == DELIVERED
        await asyncio.sleep(0.1)
        assert len(api.messenger.asked) == 1
        assert [row["state"] for row in await api.rows()] == ["delivered"]


async def test_messages_to_one_user_go_out_in_the_order_of_acceptance(database: Database) -> None:
    async with open_api(database, Setup(answer_within=0.1)) as api:
        api.messenger.gate.close()
        for plan in ("a", "b", "c"):
            assert (await api.notify(BODY | {"plan": plan})).status_code == 202
        await api.messenger.gate.reached.wait()
        assert len(api.messenger.asked) == 1
        api.messenger.gate.open()
        await _until_delivered(api, 3)
        assert [one.notice.plan for one in api.messenger.sent] == ["a", "b", "c"]


async def test_a_message_that_waits_for_its_next_try_holds_back_the_next_one(api: Api) -> None:
    api.messenger.errors["42"] = DiscordUnavailable("down")
    assert (await api.notify(BODY | {"plan": "a"})).status_code == 202
    api.messenger.errors.clear()
    assert (await api.notify(BODY | {"plan": "b"})).status_code == 202
    assert (await api.notify(BODY | {"discord_id": "43"})).status_code == 200
    assert not [one for one in api.messenger.sent if one.user_id == "42"]
    api.clock.advance(timedelta(seconds=5))
    await _until_delivered(api, 3)
    assert [one.notice.plan for one in api.messenger.sent if one.user_id == "42"] == ["a", "b"]


WRONG_VALUES: list[Any] = [
    None,
    True,
    0,
    -1,
    1.5,
    10**30,
    "",
    "x",
    "\u0000",
    [],
    [1, None],
    {},
    {"a": []},
]
KEYS = [
    "subscription_id",
    "customer_id",
    "subscription_type",
    "amount",
    "currency",
    "email",
    "phone",
    "message",
    "canceled_at",
    "cancel_at_period_end",
    "current_period_end",
    "changes",
    "old_plan",
    "new_plan",
    "upgrade_date",
    "prorated_amount",
    "unknown",
]


async def test_a_metadata_value_of_a_wrong_type_never_fails_the_call(api: Api) -> None:
    bodies = [
        BODY | {"discord_id": str(number), "metadata": dict.fromkeys(KEYS, value)}
        for number, value in enumerate(WRONG_VALUES, start=1)
    ]
    answers = await asyncio.gather(*map(api.notify, bodies))
    assert [one.json() for one in answers] == [DELIVERED] * len(bodies)


async def _until_delivered(api: Api, number: int) -> None:
    async with asyncio.timeout(20):
        while len(api.messenger.sent) < number:
            api.deliveries.wake()
            await asyncio.sleep(0.01)
