"""Events about many users, shuffled and repeated, and the state that the newest of each means."""

from __future__ import annotations

import asyncio
import hashlib
from random import Random
from typing import Any

from msgspec import Struct

from moddy.models import InternalNotifyUserRequest, NotifyAction, Snowflake
from moddy.services.notifications import Notifications
from moddy.services.premium import Premium
from moddy.store.deliveries import RequestContext

AT_ONCE = 100
FIRST_CREATED = 1_700_000_000  # Unix seconds


class Event(Struct, frozen=True):
    """An event of the backend's; it names the state after it by itself."""

    id: str
    user_id: Snowflake
    created: int
    premium: bool

    def request(self) -> InternalNotifyUserRequest:
        """Return the request that brings it."""
        action = (
            NotifyAction.SUBSCRIPTION_CREATED
            if self.premium
            else NotifyAction.SUBSCRIPTION_CANCELLED
        )
        metadata: dict[str, Any] = {"event_id": self.id, "event_created": self.created}
        return InternalNotifyUserRequest(
            discord_id=self.user_id, action=action, plan="moddy_max", metadata=metadata
        )


class Arrivals(Struct, frozen=True):
    """Events in the order of their arrival, and whether each user is premium in the end."""

    events: list[Event]
    premium: dict[Snowflake, bool]


def make_arrivals(random: Random, *, users: int, events: int) -> Arrivals:
    """Return so many arrivals, every fourth of them a repeated one."""
    ids = [Snowflake(10**17 + number) for number in range(users)]
    originals = [
        Event(f"evt_{number}", random.choice(ids), FIRST_CREATED + number, random.random() < 0.5)
        for number in range(events - events // 4)
    ]
    arriving = originals + random.choices(originals, k=events // 4)
    random.shuffle(arriving)
    return Arrivals(arriving, {event.user_id: event.premium for event in originals})


async def accept_all(notifications: Notifications, arrivals: Arrivals) -> None:
    """Bring the events, many at once."""
    places = asyncio.Semaphore(AT_ONCE)

    async def accept(number: int, event: Event) -> None:
        context = RequestContext(
            request_id=f"request-{number}",
            body_hash=hashlib.sha256(str(event).encode()).digest(),
            idempotency_key=event.id,
        )
        async with places:
            await notifications.accept(event.request(), context)

    await asyncio.gather(*(accept(number, one) for number, one in enumerate(arrivals.events)))


async def count_wrong(premium: Premium, arrivals: Arrivals) -> int:
    """Return how many users are not what the newest event about them says."""
    wrong = 0
    for user_id, expected in arrivals.premium.items():
        wrong += (await premium.status(user_id)).premium != expected
    return wrong
