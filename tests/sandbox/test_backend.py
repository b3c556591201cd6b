"""The reference backend's six endpoints, over real HTTP, against the wire contract."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest

from moddy import models
from moddy.sandbox.backend import ReferenceBackend, Seed, running_backend

SECRET = "clé-secrète-of-the-test"
ADA = "1001"
SAM = "1002"
PAID_MINOR = 499
PATHS = [
    ("GET", "/internal/health"),
    ("POST", "/internal/user/info"),
    ("POST", "/internal/event/notify"),
    ("POST", "/internal/subscription/info"),
    ("POST", "/internal/subscription/invoices"),
    ("POST", "/internal/subscription/refund"),
]
SEEDS = [
    Seed(discord_id=ADA, name="Ada", email="ada@example.com", phone="+33 1"),
    Seed(discord_id=SAM, name="Sam", email="sam@example.com", phone="+33 2", plan="moddy_plus"),
]


class Now:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.moment


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
async def backend(now: Now) -> AsyncIterator[ReferenceBackend]:
    async with running_backend(secret=SECRET, seeds=SEEDS, now=now) as backend:
        yield backend


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
        yield session


class Caller:
    """Calls the backend as Moddy does."""

    def __init__(self, session: aiohttp.ClientSession, backend: ReferenceBackend) -> None:
        self._session = session
        self._backend = backend

    async def __call__(
        self,
        path: str,
        body: object = None,
        *,
        headers: Mapping[str, str] | None = None,
        method: str = "POST",
    ) -> tuple[int, Any]:
        given = {"Authorization": f"Bearer {SECRET}"} if headers is None else headers
        async with self._session.request(
            method,
            self._backend.url.joinpath("internal", *path.split("/")),
            json=body,
            headers=given,
        ) as response:
            return response.status, await response.json()

    async def keyed(self, path: str, body: object, *, key: str) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {SECRET}", "Idempotency-Key": key}
        return await self(path, body, headers=headers)


@pytest.fixture
def call(session: aiohttp.ClientSession, backend: ReferenceBackend) -> Caller:
    return Caller(session, backend)


@pytest.mark.parametrize(("method", "path"), PATHS)
@pytest.mark.parametrize(
    ("headers", "status", "error"),
    [
        ({}, 401, "Missing Authorization header"),
        ({"Authorization": f"Basic {SECRET}"}, 401, "Invalid Authorization format"),
        ({"Authorization": "Bearer"}, 401, "Invalid Authorization format"),
        ({"Authorization": "Bearer wrong"}, 403, "Invalid internal API secret"),
        ({"Authorization": f"Bearer {SECRET}x"}, 403, "Invalid internal API secret"),
    ],
)
async def test_only_the_secret_opens(
    *, call: Caller, method: str, path: str, headers: dict[str, str], status: int, error: str
) -> None:
    got = await call(path.removeprefix("/internal/"), {}, headers=headers, method=method)
    assert got == (status, {"error": error})


async def test_health(call: Caller) -> None:
    status, answer = await call("health", method="GET")
    assert (status, answer["status"]) == (200, "healthy")
    assert set(answer) == {"status", "service", "version"}


async def test_user_info(call: Caller) -> None:
    status, answer = await call("user/info", {"discord_id": ADA})
    decoded = models.decoder(models.UserInfoResponse).decode(models.encode(answer))
    assert (status, decoded.user_found, decoded.email) == (200, True, "ada@example.com")
    assert decoded.created_at is not None
    assert decoded.created_at.tzinfo is not None


async def test_user_info_of_a_stranger(call: Caller) -> None:
    status, answer = await call("user/info", {"discord_id": "77"})
    assert (status, answer["user_found"], answer["email"]) == (200, False, None)


async def test_subscription_info(call: Caller, now: Now) -> None:
    _, answer = await call("subscription/info", {"discord_id": SAM})
    decoded = models.decoder(models.SubscriptionInfoResponse).decode(models.encode(answer))
    assert decoded.has_subscription
    assert decoded.subscription is not None
    assert decoded.subscription.status is models.SubscriptionStatus.ACTIVE
    assert decoded.subscription.amount == PAID_MINOR
    assert decoded.subscription.current_period_end > now()


async def test_no_subscription(call: Caller) -> None:
    status, answer = await call("subscription/info", {"discord_id": ADA})
    assert (status, answer["has_subscription"], answer["subscription"]) == (200, False, None)


async def test_invoices_newest_first_and_limited(
    call: Caller, backend: ReferenceBackend, now: Now
) -> None:
    async with backend.books.billing() as billing:
        newest = await billing.add_invoice(SAM, amount=1, created=now())
        await billing.add_invoice(SAM, amount=2, created=now() - timedelta(days=400))
    _, answer = await call("subscription/invoices", {"discord_id": SAM, "limit": 2})
    decoded = models.decoder(models.InvoicesResponse).decode(models.encode(answer))
    assert [invoice.amount for invoice in decoded.invoices] == [1, PAID_MINOR]
    assert decoded.invoices[0].invoice_id == newest
    assert decoded.invoices[0].status is models.InvoiceStatus.PAID


async def test_refund_in_parts_up_to_what_was_paid(call: Caller) -> None:
    order = {"discord_id": SAM, "amount": 200, "reason": "goodwill"}
    status, answer = await call("subscription/refund", order)
    assert (status, answer["refunded"], answer["amount_refunded"]) == (200, True, 200)
    status, answer = await call("subscription/refund", order | {"amount": None})
    assert (status, answer["amount_refunded"]) == (200, PAID_MINOR - 200)
    status, answer = await call("subscription/refund", order | {"amount": 1})
    assert (status, answer) == (500, {"detail": "Stripe error: Charge already refunded"})


async def test_refund_leaves_the_subscription(call: Caller) -> None:
    await call("subscription/refund", {"discord_id": SAM, "amount": None, "reason": ""})
    _, answer = await call("subscription/info", {"discord_id": SAM})
    assert answer["subscription"]["status"] == "active"


async def test_refund_of_more_than_was_paid(call: Caller) -> None:
    order = {"discord_id": SAM, "amount": PAID_MINOR + 1, "reason": ""}
    status, answer = await call("subscription/refund", order)
    assert status == 500
    assert set(answer) == {"detail"}
    assert "greater than unrefunded amount" in answer["detail"]


async def test_refund_without_a_payment(call: Caller) -> None:
    status, answer = await call("subscription/refund", {"discord_id": ADA, "amount": 1})
    assert (status, answer) == (500, {"detail": "No payment to refund"})


async def test_refund_after_180_days(call: Caller, now: Now) -> None:
    now.moment += timedelta(days=181)
    status, answer = await call("subscription/refund", {"discord_id": SAM, "amount": 1})
    assert (status, answer) == (500, {"detail": "Stripe error: Charge is older than 180 days"})


async def test_refund_repeated_with_its_key_is_one_refund(call: Caller) -> None:
    order = {"discord_id": SAM, "amount": 100, "reason": "late"}
    first = await call.keyed("subscription/refund", order, key="k1")
    again = await call.keyed("subscription/refund", dict(reversed(order.items())), key="k1")
    other = await call.keyed("subscription/refund", order, key="k2")
    assert first == again
    assert other[1]["refund_id"] != first[1]["refund_id"]
    _, rest = await call("subscription/refund", order | {"amount": None})
    assert rest["amount_refunded"] == PAID_MINOR - 200


async def test_a_refusal_is_repeated_too(call: Caller) -> None:
    order = {"discord_id": SAM, "amount": 5000}
    first = await call.keyed("subscription/refund", order, key="k1")
    assert first[0] == 500
    assert await call.keyed("subscription/refund", order, key="k1") == first


async def test_key_with_another_body_is_refused(call: Caller) -> None:
    await call.keyed("subscription/refund", {"discord_id": SAM, "amount": 100}, key="k1")
    status, _ = await call.keyed("subscription/refund", {"discord_id": SAM, "amount": 2}, key="k1")
    assert status == 422


async def test_event_is_kept_once_per_key(call: Caller, backend: ReferenceBackend) -> None:
    event = {"event_type": "command_used", "discord_id": ADA, "metadata": {"command": "profile"}}
    for _ in range(2):
        status, answer = await call.keyed("event/notify", event, key="e1")
        assert (status, answer["event_received"]) == (200, True)
    await call("event/notify", event)
    async with backend.books.billing() as billing:
        kept = await billing.list_events(limit=10)
    assert [one.metadata for one in kept] == [{"command": "profile"}] * 2


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("user/info", {}),
        ("user/info", {"discord_id": 1001}),
        ("user/info", {"discord_id": "ada"}),
        ("event/notify", {"event_type": "danced", "discord_id": ADA, "metadata": {}}),
        ("subscription/invoices", {"discord_id": ADA, "limit": 0}),
        ("subscription/refund", {"discord_id": ADA, "amount": -1}),
        ("subscription/refund", {"discord_id": ADA, "amount": "all"}),
    ],
)
async def test_what_the_contract_does_not_know_is_refused(
    call: Caller, path: str, body: object
) -> None:
    status, answer = await call(path, body)
    assert (status, set(answer)) == (422, {"detail"})


async def test_unknown_fields_are_ignored(call: Caller) -> None:
    status, _ = await call("user/info", {"discord_id": ADA, "colour": "red"})
    assert status == 200
