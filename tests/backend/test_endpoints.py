"""Every row of the contract's section 3, over real HTTP."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from aioresponses import aioresponses as mocked_requests
from yarl import URL

from moddy import __version__
from moddy.backend import BackendClient, open_backend_client, open_session
from moddy.errors import BackendContractBroken, BackendUnauthorized
from moddy.models import EventType, InvoiceStatus, Snowflake, SubscriptionStatus
from moddy.ports import Backend
from moddy.request_ids import current_request_id
from tests.backend.stand_in import SECRET, StandIn, client_for

USER = Snowflake("123456789012345678")
HEALTH: dict[str, Any] = {"status": "healthy", "service": "website-backend", "version": "1.0.0"}
SUBSCRIPTION: dict[str, Any] = {
    "subscription_id": "sub_1",
    "customer_id": "cus_1",
    "status": "active",
    "subscription_type": "monthly",
    "current_period_start": "2025-01-01T00:00:00Z",
    "current_period_end": "2025-02-01T00:00:00",
    "cancel_at_period_end": False,
    "amount": 999,
    "currency": "eur",
}
INVOICE: dict[str, Any] = {
    "invoice_id": "in_1",
    "amount": 999,
    "currency": "eur",
    "status": "paid",
    "created": "2025-01-01T00:00:00+00:00",
}
REFUNDED: dict[str, Any] = {
    "success": True,
    "message": "done",
    "refunded": True,
    "refund_id": "re_1",
    "amount_refunded": 500,
}
EVENT_TAKEN: dict[str, Any] = {"success": True, "message": "ok", "event_received": True}


async def test_the_client_is_a_backend(client: BackendClient) -> None:
    backend: Backend = client
    assert backend is client


async def test_health_check(client: BackendClient, stand_in: StandIn) -> None:
    stand_in.answer(HEALTH)
    health = await client.health_check()
    assert (health.status, health.service, health.version) == (
        "healthy",
        "website-backend",
        "1.0.0",
    )
    (request,) = stand_in.received
    assert (request.method, request.path, request.body) == ("GET", "/internal/health", b"")


async def test_get_user_info(client: BackendClient, stand_in: StandIn) -> None:
    stand_in.answer(
        {
            "success": True,
            "message": "found",
            "user_found": True,
            "discord_id": USER,
            "email": "a@example.org",
            "created_at": "2025-01-01T00:00:00.123456",
            "a field of tomorrow": [1, 2],
        }
    )
    info = await client.get_user_info(USER)
    assert info.email == "a@example.org"
    assert info.created_at == datetime(2025, 1, 1, 0, 0, 0, 123456, tzinfo=UTC)
    assert info.updated_at is None
    (request,) = stand_in.received
    assert (request.method, request.path) == ("POST", "/internal/user/info")
    assert json.loads(request.body) == {"discord_id": str(USER)}


async def test_get_user_info_of_a_stranger(client: BackendClient, stand_in: StandIn) -> None:
    stand_in.answer({"success": True, "message": "unknown", "user_found": False, "email": None})
    info = await client.get_user_info(USER)
    assert (info.user_found, info.email, info.discord_id) == (False, None, None)


@pytest.mark.parametrize("event_type", EventType)
async def test_notify_event(
    client: BackendClient, stand_in: StandIn, event_type: EventType
) -> None:
    stand_in.answer(EVENT_TAKEN)
    metadata = {"guild_id": Snowflake("42"), "joined_at": datetime(2025, 1, 1, tzinfo=UTC)}
    answer = await client.notify_event(event_type, USER, metadata, idempotency_key="event-7")
    assert answer.event_received
    (request,) = stand_in.received
    assert (request.method, request.path) == ("POST", "/internal/event/notify")
    assert request.headers["Idempotency-Key"] == "event-7"
    assert json.loads(request.body) == {
        "event_type": event_type.value,
        "discord_id": str(USER),
        "metadata": {"guild_id": "42", "joined_at": "2025-01-01T00:00:00Z"},
    }


async def test_get_subscription_info(client: BackendClient, stand_in: StandIn) -> None:
    stand_in.answer(
        {"success": True, "message": "", "has_subscription": True, "subscription": SUBSCRIPTION}
    )
    answer = await client.get_subscription_info(USER)
    assert answer.has_subscription
    assert answer.subscription is not None
    assert answer.subscription.status is SubscriptionStatus.ACTIVE
    # A time without an offset is UTC.
    assert answer.subscription.current_period_end == datetime(2025, 2, 1, tzinfo=UTC)
    (request,) = stand_in.received
    assert (request.method, request.path) == ("POST", "/internal/subscription/info")
    assert json.loads(request.body) == {"discord_id": str(USER)}


async def test_an_unknown_stripe_status_is_no_error(
    client: BackendClient, stand_in: StandIn
) -> None:
    stand_in.answer(
        {
            "success": True,
            "message": "",
            "has_subscription": True,
            "subscription": {**SUBSCRIPTION, "status": "paused"},
        },
        {"success": True, "message": "", "invoices": [{**INVOICE, "status": "disputed"}]},
    )
    answer = await client.get_subscription_info(USER)
    assert answer.subscription is not None
    assert answer.subscription.status is SubscriptionStatus.UNKNOWN
    invoices = await client.get_subscription_invoices(USER)
    assert invoices.invoices[0].status is InvoiceStatus.UNKNOWN


async def test_get_subscription_invoices(client: BackendClient, stand_in: StandIn) -> None:
    stand_in.answer(
        {
            "success": True,
            "message": "",
            "invoices": [INVOICE, {**INVOICE, "invoice_pdf": "https://pdf.invalid/1"}],
        }
    )
    answer = await client.get_subscription_invoices(USER, 25)
    assert [invoice.invoice_pdf for invoice in answer.invoices] == [None, "https://pdf.invalid/1"]
    (request,) = stand_in.received
    assert (request.method, request.path) == ("POST", "/internal/subscription/invoices")
    assert json.loads(request.body) == {"discord_id": str(USER), "limit": 25}


async def test_ten_invoices_by_default(client: BackendClient, stand_in: StandIn) -> None:
    stand_in.answer({"success": True, "message": "", "invoices": []})
    await client.get_subscription_invoices(USER)
    assert json.loads(stand_in.received[0].body)["limit"] == 10


@pytest.mark.parametrize("limit", [0, -1, 101])
async def test_the_limit_is_checked(client: BackendClient, stand_in: StandIn, limit: int) -> None:
    with pytest.raises(ValueError, match="limit"):
        await client.get_subscription_invoices(USER, limit)
    assert stand_in.received == []


@pytest.mark.parametrize("amount", [None, 500])
async def test_refund_payment(client: BackendClient, stand_in: StandIn, amount: int | None) -> None:
    stand_in.answer(REFUNDED)
    answer = await client.refund_payment(USER, amount, "asked for it", idempotency_key="refund-1")
    assert (answer.refunded, answer.refund_id, answer.amount_refunded) == (True, "re_1", 500)
    (request,) = stand_in.received
    assert (request.method, request.path) == ("POST", "/internal/subscription/refund")
    assert request.headers["Idempotency-Key"] == "refund-1"
    assert json.loads(request.body) == {
        "discord_id": str(USER),
        "amount": amount,
        "reason": "asked for it",
    }


@pytest.mark.parametrize("amount", [0, -5])
async def test_the_amount_is_checked(client: BackendClient, stand_in: StandIn, amount: int) -> None:
    with pytest.raises(ValueError, match="amount"):
        await client.refund_payment(USER, amount, "why")
    assert stand_in.received == []


@pytest.mark.parametrize("key", ["", "with space", "é", "x" * 256, "two\r\nlines"])
async def test_a_bad_idempotency_key_is_not_sent(
    client: BackendClient, stand_in: StandIn, key: str
) -> None:
    with pytest.raises(ValueError, match="idempotency_key"):
        await client.refund_payment(USER, None, "why", idempotency_key=key)
    with pytest.raises(ValueError, match="idempotency_key"):
        await client.notify_event(EventType.COMMAND_USED, USER, {}, idempotency_key=key)
    assert stand_in.received == []


async def test_headers_of_every_request(client: BackendClient, stand_in: StandIn) -> None:
    stand_in.answer(HEALTH, EVENT_TAKEN, REFUNDED)
    await client.health_check()
    await client.notify_event(EventType.MEMBER_LEFT, USER, {})
    await client.refund_payment(USER, None, "why")
    for request in stand_in.received:
        assert request.headers["Authorization"] == f"Bearer {SECRET}"
        assert request.headers.getall("User-Agent") == [f"Moddy-Bot/{__version__}"]
    assert "Idempotency-Key" not in stand_in.received[0].headers
    for request in stand_in.received[1:]:
        assert request.headers["Content-Type"] == "application/json"
        assert request.headers["Idempotency-Key"]
    ids = {request.headers["X-Request-ID"] for request in stand_in.received}
    assert len(ids) == 3


async def test_the_current_request_id_is_sent_on(client: BackendClient, stand_in: StandIn) -> None:
    stand_in.answer(HEALTH)
    token = current_request_id.set("from-the-caller")
    try:
        await client.health_check()
    finally:
        current_request_id.reset(token)
    assert stand_in.received[0].headers["X-Request-ID"] == "from-the-caller"


@pytest.mark.parametrize("secret", ["clé-secrète-€-🔑", "tokens with spaces"])
async def test_any_utf8_secret_is_sent(stand_in: StandIn, secret: str) -> None:
    stand_in.answer(HEALTH)
    async with client_for(stand_in.base_url, secret=secret) as client:
        await client.health_check()
    header = stand_in.received[0].headers["Authorization"]
    assert header.encode("utf-8", "surrogateescape") == f"Bearer {secret}".encode()


@pytest.mark.parametrize("secret", [None, "", "two\r\nX-Injected: 1", "nul\0", "\udcff"])
async def test_without_a_usable_secret_nothing_is_sent(
    stand_in: StandIn, secret: str | None
) -> None:
    async with client_for(stand_in.base_url, secret=secret) as client:
        for call in (client.health_check(), client.refund_payment(USER, None, "why")):
            with pytest.raises(BackendUnauthorized, match="INTERNAL_API_SECRET") as caught:
                await call
            assert not secret or secret not in repr(caught.value)
    assert stand_in.received == []


@pytest.mark.parametrize("suffix", ["", "/", "/prefix", "/prefix/"])
async def test_the_base_url_may_have_a_path(stand_in: StandIn, suffix: str) -> None:
    stand_in.answer(HEALTH)
    base = URL(str(stand_in.base_url).rstrip("/") + suffix)
    async with client_for(base.with_user("somebody").with_password("x")) as client:
        await client.health_check()
    (request,) = stand_in.received
    assert request.path == suffix.rstrip("/") + "/internal/health"
    assert request.headers["Authorization"] == f"Bearer {SECRET}"


async def test_a_shared_session_stays_open() -> None:
    async with open_session() as session:
        client = BackendClient(session=session, base_url=URL("http://x.invalid"), secret=SECRET)
        await client.close()
        assert not session.closed
        assert session.timeout.total == 10


async def test_an_own_session_is_closed() -> None:
    session = open_session()
    client = BackendClient(
        session=session, base_url=URL("http://x.invalid"), secret=SECRET, owns_session=True
    )
    await client.close()
    await client.close()
    assert session.closed


async def test_the_default_address(mocked_http: mocked_requests) -> None:
    base = URL("http://website-backend.railway.internal:8080")
    mocked_http.get(f"{base}/internal/health", payload=HEALTH)
    async with open_backend_client(base_url=base, secret=SECRET) as client:
        assert (await client.health_check()).version == "1.0.0"


async def test_ten_seconds_are_ten_seconds(mocked_http: mocked_requests) -> None:
    limits: list[aiohttp.ClientTimeout] = []

    def note(_: URL, **kwargs: Any) -> None:
        limits.append(kwargs["timeout"])

    mocked_http.get("http://b.invalid/internal/health", payload=HEALTH, callback=note)
    mocked_http.post(
        "http://b.invalid/internal/subscription/refund", payload=REFUNDED, callback=note
    )
    async with open_backend_client(base_url=URL("http://b.invalid"), secret=SECRET) as client:
        await client.health_check()
        await client.refund_payment(USER, None, "why")
    for limit in limits:
        assert limit.total == pytest.approx(10, abs=0.5)
        assert limit.ceil_threshold > 10  # else aiohttp rounds up to a whole second of its clock


async def test_an_answer_without_its_fields(mocked_http: mocked_requests) -> None:
    mocked_http.post("http://b.invalid/internal/user/info", payload={"success": True})
    async with open_backend_client(base_url=URL("http://b.invalid"), secret=SECRET) as client:
        with pytest.raises(BackendContractBroken, match="message"):
            await client.get_user_info(USER)
