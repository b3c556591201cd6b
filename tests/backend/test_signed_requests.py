"""Signed requests to the backend: any implementation of the standard verifies them."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from standardwebhooks import Webhook

from moddy.backend import BackendClient, Case, RetryPolicy, open_backend_client
from moddy.errors import BackendUnauthorized
from moddy.models import EventType, Snowflake
from moddy.sandbox.backend import ReferenceBackend, Seed, running_backend
from moddy.signing import Signer
from tests.backend.stand_in import QUICK, SECRET, Received, StandIn
from tests.backend.test_endpoints import EVENT_TAKEN, HEALTH

OLD = "whsec_" + base64.b64encode(b"the old signing secret of the test").decode()
NEW = "whsec_" + base64.b64encode(b"the new signing secret of the test").decode()
OTHER = "whsec_" + base64.b64encode(b"a signing secret of somebody else").decode()
USER = Snowflake("1001")
# As other implementations have it: no delay, then longer than the resolution of a timestamp.
SECOND_LATER = RetryPolicy(wait_initial=1.1, wait_max=1.1, wait_jitter=0.0)

CALLS: dict[str, Callable[[BackendClient], Awaitable[Any]]] = {
    "health": lambda client: client.health_check(),
    "user": lambda client: client.get_user_info(USER),
    "event": lambda client: client.notify_event(EventType.MEMBER_JOINED, USER, {"é": 1}),
    "subscription": lambda client: client.get_subscription_info(USER),
    "invoices": lambda client: client.get_subscription_invoices(USER),
    "refund": lambda client: client.refund_payment(USER, 100, "why"),
}


def client_of(
    backend: StandIn | ReferenceBackend, *secrets: str, retries: RetryPolicy = QUICK
) -> Any:
    """Open a client that signs with these secrets, if any."""
    return open_backend_client(
        base_url=backend.base_url if isinstance(backend, StandIn) else backend.url,
        secret=SECRET,
        retries=retries,
        signer=Signer(secrets) if secrets else None,
    )


def verify(received: Received, secret: str) -> None:
    """Verify as the standard's own library does; raises unless it is signed."""
    Webhook(secret).verify(received.body, dict(received.headers), json_parse=False)


async def test_each_try_is_signed_anew_as_the_same_message(stand_in: StandIn) -> None:
    stand_in.answer({"detail": "not now"}, status=503)
    stand_in.answer(EVENT_TAKEN)
    async with client_of(stand_in, NEW, retries=SECOND_LATER) as client:
        await client.notify_event(EventType.MEMBER_JOINED, USER, {}, idempotency_key="evt_1")
    first, second = stand_in.received
    for one in (first, second):
        verify(one, NEW)
        assert one.headers["webhook-id"] == one.headers["Idempotency-Key"] == "evt_1"
        assert one.headers["Authorization"] == f"Bearer {SECRET}"
    assert int(second.headers["webhook-timestamp"]) > int(first.headers["webhook-timestamp"])
    assert second.headers["webhook-signature"] != first.headers["webhook-signature"]


async def test_a_call_without_a_body_signs_the_empty_one(stand_in: StandIn) -> None:
    stand_in.answer(HEALTH)
    async with client_of(stand_in, NEW) as client:
        await client.health_check()
        assert (await client.test_connection()).ok
    for one in stand_in.received:
        assert one.body == b""
        verify(one, NEW)
    assert len({one.headers["webhook-id"] for one in stand_in.received}) == 2


async def test_all_secrets_sign(stand_in: StandIn) -> None:
    stand_in.answer(EVENT_TAKEN)
    async with client_of(stand_in, NEW, OLD) as client:
        await client.notify_event(EventType.MEMBER_LEFT, USER, {})
    [received] = stand_in.received
    verify(received, NEW)
    verify(received, OLD)
    with pytest.raises(Exception, match="No matching signature"):
        verify(received, OTHER)


async def test_without_secrets_nothing_is_signed(stand_in: StandIn) -> None:
    stand_in.answer(HEALTH)
    async with client_of(stand_in) as client:
        await client.health_check()
    assert not [name for name in stand_in.received[0].headers if name.startswith("webhook-")]


@pytest.fixture
async def backend() -> AsyncIterator[ReferenceBackend]:
    """The reference backend, which asks for signatures."""
    seed = Seed(
        discord_id=USER, name="Ada", email="ada@example.com", phone="+33 1", plan="moddy_plus"
    )
    async with running_backend(secret=SECRET, signing_secrets=[NEW], seeds=[seed]) as backend:
        yield backend


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
async def test_the_reference_backend_verifies(
    backend: ReferenceBackend, call: Callable[[BackendClient], Awaitable[Any]]
) -> None:
    async with client_of(backend, NEW) as client:
        await call(client)
    # While the secrets are changed, either side may know both.
    async with client_of(backend, OLD, NEW) as client:
        await call(client)
    for wrong in ((OLD,), ()):
        async with client_of(backend, *wrong) as client:
            with pytest.raises(BackendUnauthorized):
                await call(client)


async def test_a_signature_that_is_missing_is_a_likely_cause(backend: ReferenceBackend) -> None:
    async with client_of(backend) as client:
        diagnosis = await client.test_connection()
    assert diagnosis.case is Case.UNAUTHORIZED
    assert any("INTERNAL_SIGNING_SECRETS" in cause for cause in diagnosis.causes)
    assert NEW not in str(diagnosis)
