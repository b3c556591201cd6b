"""Discord refuses, fails or limits hundreds of deliveries at once."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable

import httpx
import pytest

from tests.process.answers import CLOSED, DELIVERED, NO_USER, QUEUED, notify_answer, roles_answer
from tests.process.moddy_process import ModdyProcess
from tests.process.stage import Stage
from tests.standins.discord import User

BULK = 200
AT_ONCE = 100
# Seconds within which a delivery that is tried again would have been.
RETRIED_BY = 2.0
FINAL_WITHIN = 30.0
PAUSE = 0.2


async def notify_all(moddy: ModdyProcess, user_ids: Iterable[int | str]) -> list[httpx.Response]:
    """Notify many users, so many of them at once."""
    places = asyncio.Semaphore(AT_ONCE)

    async def notify(user_id: int | str) -> httpx.Response:
        async with places:
            return await moddy.notify(user_id, key=str(user_id))

    return await asyncio.gather(*map(notify, user_ids))


async def finally_answered(ask: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
    """Ask again under the same key while Discord seems to hang, as on a busy machine it may."""
    async with asyncio.timeout(FINAL_WITHIN):
        answer = await ask()
        while answer.status_code == 202:
            await asyncio.sleep(PAUSE)
            answer = await ask()
        return answer


def members(stage: Stage, name: str, count: int = BULK) -> list[User]:
    return [stage.add_member(f"{name}-{number}") for number in range(count)]


@pytest.mark.slow
async def test_what_can_never_succeed_is_tried_once(stage: Stage) -> None:
    closed, unrelated = members(stage, "closed"), members(stage, "unrelated")
    for user in closed:
        user.dms = "closed"
    for user in unrelated:
        user.dms = "closed_50278"
    nobody = [str(10**17 + number) for number in range(BULK)]
    expected = {50013: 500, 10011: 200, 10007: 200}
    changed = members(stage, "changed")
    roles = {code: stage.guild.add_role(f"Role {code}") for code in expected}
    for code, role in roles.items():
        path = f"*/roles/{role.id}"
        status = 403 if code == 50013 else 404
        stage.discord.faults.add("PUT", path, status=status, code=code, times=None)

    async with stage.moddy(DM_OPENS_PER_MINUTE="100000") as moddy:
        await moddy.wait_healthy()
        # Half of them: at Moddy's pace to Discord each has its answer long before the 9 s.
        places = asyncio.Semaphore(AT_ONCE // 2)

        async def tell(user_id: int | str) -> httpx.Response:
            async with places:
                return await finally_answered(lambda: moddy.notify(user_id, key=str(user_id)))

        for user_ids, answer in (
            ([user.id for user in closed], CLOSED),
            ([user.id for user in unrelated], CLOSED),
            (nobody, NO_USER),
        ):
            answers = await asyncio.gather(*map(tell, user_ids))
            assert Counter(map(notify_answer, answers)) == {answer: BULK}
        for code, role in roles.items():

            async def change(user: User, role_id: int = role.id) -> httpx.Response:
                key, wanted = f"{role_id}-{user.id}", [str(role_id)]
                async with places:
                    return await finally_answered(
                        lambda: moddy.update_roles(user.id, key=key, add_roles=wanted)
                    )

            answers = await asyncio.gather(*map(change, changed))
            statuses = Counter(roles_answer(one, stage.guild.id)[:2] for one in answers)
            assert statuses == {(expected[code], False): BULK}
        await asyncio.sleep(RETRIED_BY)
    sends = Counter(call.path for call in stage.discord.calls("POST", "/messages"))
    assert set(sends.values()) == {1}
    assert len(sends) == 2 * BULK
    # The premium role is not among them: whoever is premium and has it not is given it.
    asked = tuple(f"/roles/{role.id}" for role in roles.values())
    puts = [call.path for call in stage.discord.calls("PUT")]
    changes = Counter(path for path in puts if path.endswith(asked))
    assert set(changes.values()) == {1}
    assert len(changes) == len(expected) * BULK
    opened = Counter(
        str(call.body["recipient_id"]) for call in stage.discord.calls("POST", "/@me/channels")
    )
    assert [opened[user_id] for user_id in nobody] == [1] * BULK


@pytest.mark.slow
async def test_messages_that_discord_has_and_says_it_failed(stage: Stage) -> None:
    users = members(stage, "user")
    for status in (500, 503):
        stage.discord.faults.add(
            "POST", "/channels/*/messages", status=status, apply=True, times=BULK // 4
        )
    async with stage.moddy(DM_OPENS_PER_MINUTE="100000") as moddy:
        await moddy.wait_healthy()
        answers = await notify_all(moddy, [user.id for user in users])
        assert set(map(notify_answer, answers)) <= {DELIVERED, QUEUED}
        sent = stage.discord.calls
        await stage.discord.wait_until(
            lambda: len(sent("POST", "/messages")) >= BULK + BULK // 2, 30
        )
        await asyncio.sleep(RETRIED_BY)
    assert [stage.message_count(user) for user in users] == [1] * BULK


@pytest.mark.slow
async def test_a_storm_of_limits(stage: Stage) -> None:
    """Discord bans an address for 10,000 invalid answers; Moddy stops at a tenth of that."""
    users = members(stage, "user", 400)
    limits = stage.discord.faults.add(
        "POST", "/channels/*/messages", status=429, retry_after=0.05, times=None
    )
    expected = "Discord is not called for a while"
    async with stage.moddy(expected, DM_OPENS_PER_MINUTE="100000") as moddy:
        await moddy.wait_healthy()
        answers = await notify_all(moddy, [user.id for user in users])
        assert set(map(notify_answer, answers)) == {QUEUED}
        await moddy.wait_line(expected)
        await asyncio.sleep(RETRIED_BY)
        hits = limits.hits
        assert 900 <= hits < 1000


@pytest.mark.slow
async def test_discord_hangs(stage: Stage) -> None:
    """Once that is known nobody waits for it; everything arrives when it is over."""
    users = members(stage, "user", 60)
    async with stage.moddy(DM_OPENS_PER_MINUTE="100000") as moddy:
        await moddy.wait_healthy()
        stage.discord.faults.add(delay=9.0, times=None)
        asked_at = time.monotonic()
        first = asyncio.create_task(notify_all(moddy, [user.id for user in users[:5]]))
        await asyncio.sleep(1.5)
        started = time.monotonic()
        answers = await notify_all(moddy, [user.id for user in users[5:]])
        assert time.monotonic() - started < 8
        assert set(map(notify_answer, answers + await first)) == {QUEUED}
        assert time.monotonic() - asked_at < 7  # nor did the first ones wait their 8 s
        stage.discord.faults.clear()
        await stage.discord.wait_until(lambda: all(stage.message_count(user) for user in users), 30)
        await asyncio.sleep(RETRIED_BY)
    assert [stage.message_count(user) for user in users] == [1] * len(users)
