"""What a careful backend sends: each request with a key, again until it is acknowledged."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Any

import aiohttp
from msgspec import Struct

PREMIUM_PLAN = "moddy_max"
NOTIFY = "/internal/notify"
ROLES = "/internal/roles/update"
PAUSE = 0.05  # seconds between two tries of the same request
PATIENCE = 60.0  # seconds until a request that is never acknowledged fails the run


class Request(Struct, frozen=True, kw_only=True):
    """One request of the backend's."""

    key: str
    user_id: int
    path: str
    body: dict[str, Any]

    @property
    def premium_after(self) -> bool | None:
        """What the PREMIUM attribute is after it, None when it leaves that alone."""
        if self.path == ROLES:
            return None
        return str(self.body["action"]) != "subscription_cancelled"

    @property
    def role_after(self) -> bool | None:
        """Whether the member has the premium role after it, None when it leaves that alone."""
        return str(self.body["plan"]) == PREMIUM_PLAN if self.path == ROLES else None


class Reply(Struct, frozen=True):
    """An HTTP answer."""

    status: int
    body: bytes
    replayed: bool


def make_requests(random: Random, user_ids: Sequence[int], count: int) -> list[Request]:
    """Return requests for random users, in an order that holds for each of them.

    Each event comes as its notice and its role update: with roles that differ from PREMIUM for
    long, reconciliation would have its own say.
    """
    requests: list[Request] = []
    while len(requests) < count:
        requests += _make_event(random, random.choice(user_ids), len(requests))
    return requests[:count]


def _make_event(random: Random, user_id: int, number: int) -> list[Request]:
    action = random.choice(
        ["subscription_created", "subscription_updated", "subscription_cancelled"]
    )
    keys = [f"evt_{number}", f"evt_{number + 1}"]
    # A text of its own, which the message about an update shows.
    notice: dict[str, Any] = {
        "discord_id": str(user_id),
        "plan": PREMIUM_PLAN,
        "action": action,
        "metadata": {"message": f"This is about {keys[0]}."},
    }
    plan = "free" if action == "subscription_cancelled" else PREMIUM_PLAN
    roles = {"discord_id": str(user_id), "plan": plan}
    return [
        Request(key=keys[0], user_id=user_id, path=NOTIFY, body=notice),
        Request(key=keys[1], user_id=user_id, path=ROLES, body=roles),
    ]


class Backend:
    """Sends requests; `acknowledged` has the first 2xx of each key, `finals` those but 202."""

    def __init__(self, session: aiohttp.ClientSession, url: str, secret: str) -> None:
        self._session = session
        self._url = url
        self._headers = {"Authorization": f"Bearer {secret}"}
        self.acknowledged: dict[str, Reply] = {}
        self.finals: dict[str, Reply] = {}
        self.refusals: list[Reply] = []

    async def post(self, request: Request) -> Reply:
        """Send a request once. Raises aiohttp.ClientError, TimeoutError."""
        async with self._session.post(
            self._url + request.path,
            json=request.body,
            headers={**self._headers, "Idempotency-Key": request.key},
            timeout=aiohttp.ClientTimeout(total=10.0),
        ) as response:
            body = await response.read()
            return Reply(response.status, body, "Idempotent-Replayed" in response.headers)

    async def wait_healthy(self) -> None:
        """Wait until Moddy says that it is. Raises TimeoutError."""
        async with asyncio.timeout(PATIENCE):
            while not await self._is_healthy():  # noqa: ASYNC110 (another process)
                await asyncio.sleep(PAUSE)

    async def _is_healthy(self) -> bool:
        try:
            async with self._session.get(
                f"{self._url}/internal/health", headers=self._headers
            ) as response:
                health = await response.json()
        except aiohttp.ClientConnectionError:
            return False
        return bool(health["status"] == "healthy")

    async def deliver(self, request: Request) -> None:
        """Send a request until it is acknowledged. Raises TimeoutError."""
        async with asyncio.timeout(PATIENCE):
            while request.key not in self.acknowledged:
                try:
                    reply = await self.post(request)
                except (aiohttp.ClientError, TimeoutError):
                    await asyncio.sleep(PAUSE)
                    continue
                if reply.status < 300:
                    self.acknowledged[request.key] = reply
                    if reply.status != 202:
                        self.finals[request.key] = reply
                else:
                    self.refusals.append(reply)
                    await asyncio.sleep(PAUSE)


class Feed:
    """Hands requests out to senders: at most `allowance` of them so far, a user's in order."""

    def __init__(self, requests: Sequence[Request], senders: int) -> None:
        self._queues: list[asyncio.Queue[Request]] = [asyncio.Queue() for _ in range(senders)]
        self._requests = requests
        self.given = 0

    def allow(self, allowance: int) -> None:
        """Hand out the requests up to this number."""
        until = min(allowance, len(self._requests))
        for request in self._requests[self.given : until]:
            # A user has one sender, who sends one request after the other.
            self._queues[request.user_id % len(self._queues)].put_nowait(request)
        self.given = max(self.given, until)

    @property
    def is_over(self) -> bool:
        """Whether everything was handed out."""
        return self.given == len(self._requests)

    async def send(self, backend: Backend, number: int) -> None:
        """Send what one sender is given, until cancelled."""
        while True:
            await backend.deliver(await self._queues[number].get())
