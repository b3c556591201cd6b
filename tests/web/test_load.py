"""Many requests at once, for few users and for many."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from tests.web.api import PREMIUM_ROLE, Api

NOTIFY = {"action": "subscription_created", "plan": "moddy_max"}


REQUESTS = 100


@pytest.mark.parametrize("users", [1, 5, 50])
async def test_many_requests_at_once(api: Api, users: int) -> None:
    """In whatever order they come, none gets in another's way in the store."""
    for number in range(users):
        api.roles.add_member(str(number + 1))

    async def ask(number: int) -> int:
        discord_id = str(number % users + 1)
        key = {"Idempotency-Key": f"evt_{number}"}
        if number % 2:
            body = {"discord_id": discord_id, "plan": "moddy_max"}
            return (await api.update_roles(body, key)).status_code
        return (await api.notify(NOTIFY | {"discord_id": discord_id}, key)).status_code

    statuses = Counter(await asyncio.gather(*map(ask, range(REQUESTS))))
    assert set(statuses) <= {200, 202}
    async with asyncio.timeout(30):
        while len(api.messenger.sent) < REQUESTS / 2:
            api.deliveries.wake()
            await asyncio.sleep(0.02)
    assert (
        len({one.nonce for one in api.messenger.asked}) == len(api.messenger.asked) == REQUESTS / 2
    )
    assert len(await api.rows()) == REQUESTS
    asked_for = {str(number % users + 1) for number in range(1, REQUESTS, 2)}
    given = {user_id for user_id, roles in api.roles.members.items() if PREMIUM_ROLE in roles}
    assert given == asked_for
