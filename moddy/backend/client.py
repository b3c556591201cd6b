"""`BackendClient`: the backend's endpoints as methods.

Reads and events are tried up to three times within one time budget, a refund once; while the
backend does not answer, none of them is sent. No error and no log line holds the secret or
personal data.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from yarl import URL

from moddy.backend import answers, diagnosis
from moddy.backend.calls import USER_AGENT, Caller, Endpoint
from moddy.backend.exchange import ExchangeFailed
from moddy.backend.retries import RetryPolicy
from moddy.breaker import Breaker, BreakerState
from moddy.errors import BackendError, BackendPaused
from moddy.models import (
    BackendHealthResponse,
    EventNotifyRequest,
    EventNotifyResponse,
    EventType,
    InvoicesRequest,
    InvoicesResponse,
    RefundRequest,
    RefundResponse,
    Snowflake,
    SubscriptionInfoRequest,
    SubscriptionInfoResponse,
    UserInfoRequest,
    UserInfoResponse,
    decoder,
    encode,
)
from moddy.request_ids import new_request_id
from moddy.signing import Signer

TIMEOUT_SECONDS = 10.0
MAX_INVOICES = 100

# A connection idle for longer is not used again. Uvicorn closes after 5 s; a request that meets
# the closing is lost, and for a refund that would mean an unknown outcome.
KEEP_ALIVE_SECONDS = 3.0

HEALTH = Endpoint("GET", "/internal/health", decoder(BackendHealthResponse))
USER_INFO = Endpoint("POST", "/internal/user/info", decoder(UserInfoResponse))
EVENT = Endpoint("POST", "/internal/event/notify", decoder(EventNotifyResponse))
SUBSCRIPTION = Endpoint("POST", "/internal/subscription/info", decoder(SubscriptionInfoResponse))
INVOICES = Endpoint("POST", "/internal/subscription/invoices", decoder(InvoicesResponse))
REFUND = Endpoint("POST", "/internal/subscription/refund", decoder(RefundResponse))


class BackendClient:
    """The website backend, as `moddy.ports.Backend` wants it.

    The session belongs to whoever opened it, unless `owns_session`: then `close()` closes it.
    `seconds` bounds one call over all its tries. `new_id` makes request ids and idempotency keys.
    `breaker` is to count what `is_outage` does. With `signer` every request is signed.
    """

    def __init__(
        self,
        *,
        session: aiohttp.ClientSession,
        base_url: URL,
        secret: str | None,
        seconds: float = TIMEOUT_SECONDS,
        owns_session: bool = False,
        retries: RetryPolicy | None = None,
        new_id: Callable[[], str] = new_request_id,
        breaker: Breaker | None = None,
        signer: Signer | None = None,
    ) -> None:
        self._session = session
        self._owns_session = owns_session
        self._caller = Caller(
            session=session,
            base_url=base_url,
            secret=secret,
            seconds=seconds,
            retries=retries or RetryPolicy(),
            new_id=new_id,
            breaker=breaker or Breaker(counts=answers.is_outage),
            signer=signer,
        )

    @property
    def breaker_state(self) -> BreakerState:
        """What the next call would meet: OPEN means `BackendPaused`, at once."""
        return self._caller.breaker_state

    async def close(self) -> None:
        """Close the session if this client owns it; harmless when repeated."""
        if self._owns_session:
            await self._session.close()

    async def health_check(self) -> BackendHealthResponse:
        """Return what the backend says of itself."""
        return await self._caller.call(HEALTH)

    async def get_user_info(self, discord_id: Snowflake) -> UserInfoResponse:
        """Return the account that belongs to a Discord user; its e-mail is personal data."""
        return await self._caller.call(USER_INFO, encode(UserInfoRequest(discord_id=discord_id)))

    async def notify_event(
        self,
        event_type: EventType,
        discord_id: Snowflake,
        metadata: Mapping[str, Any],
        *,
        idempotency_key: str | None = None,
    ) -> EventNotifyResponse:
        """Tell the backend of an event; every try carries the same idempotency key."""
        request = EventNotifyRequest(
            event_type=event_type, discord_id=discord_id, metadata=dict(metadata)
        )
        return await self._caller.call(EVENT, encode(request), idempotency_key)

    async def get_subscription_info(self, discord_id: Snowflake) -> SubscriptionInfoResponse:
        """Return a customer's subscription, or that there is none."""
        request = SubscriptionInfoRequest(discord_id=discord_id)
        return await self._caller.call(SUBSCRIPTION, encode(request))

    async def get_subscription_invoices(
        self, discord_id: Snowflake, limit: int = 10
    ) -> InvoicesResponse:
        """Return a customer's invoices, `limit` (1 to 100) at most.

        Raises:
            ValueError: `limit` is out of range.
        """
        if not 1 <= limit <= MAX_INVOICES:
            raise ValueError(f"limit: expected 1 to {MAX_INVOICES}")
        request = InvoicesRequest(discord_id=discord_id, limit=limit)
        return await self._caller.call(INVOICES, encode(request))

    async def refund_payment(
        self,
        discord_id: Snowflake,
        amount_minor: int | None,
        reason: str,
        *,
        idempotency_key: str | None = None,
    ) -> RefundResponse:
        """Ask for a refund, once; `amount_minor` None means all that was paid.

        A caller that is cancelled while this runs does not know the outcome either. No error of
        it, retryable or not, is a licence to repeat it without a person.

        Raises:
            ValueError: the amount is not above 0.
            RefundOutcomeUnknown: it was sent, and whether it was done is not known; holds the
                idempotency key to ask again with.
            BackendPaused: it was not sent, as the backend did not answer lately.
            BackendError: any other: it was certainly not done.
        """
        if amount_minor is not None and amount_minor <= 0:
            raise ValueError("amount_minor: expected None or more than 0")
        key = self._caller.idempotency_key(idempotency_key)
        headers = self._caller.headers(key)
        request = RefundRequest(discord_id=discord_id, amount=amount_minor, reason=reason)
        try:
            with self._caller.guarded():
                answer = await self._caller.send(REFUND, headers, encode(request))
                return self._caller.read(REFUND, answer)
        except BackendPaused:
            raise
        except ExchangeFailed as failed:
            error = answers.no_answer(failed, endpoint=str(REFUND))
            if failed.failure.before_sending:
                raise error from None
            raise answers.refund_outcome(error, idempotency_key=key) from None
        except BackendError as error:
            raise answers.refund_outcome(error, idempotency_key=key) from None

    async def test_connection(self) -> diagnosis.Diagnosis:
        """Ask for the backend's health once; tell what was met and what is likely behind it.

        It is sent whatever the breaker's state, and changes nothing about it.
        """
        return await diagnosis.diagnose(self._caller, HEALTH)


def open_session(*, seconds: float = TIMEOUT_SECONDS) -> aiohttp.ClientSession:
    """Return a new session as the contract wants it; the caller closes it. Needs a running loop.

    It keeps no cookies and keeps idle connections for a shorter time than the backend does.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(keepalive_timeout=KEEP_ALIVE_SECONDS),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": USER_AGENT},
        timeout=aiohttp.ClientTimeout(total=seconds, ceil_threshold=seconds + 1),
    )


@asynccontextmanager
async def open_backend_client(
    *,
    base_url: URL,
    secret: str | None,
    seconds: float = TIMEOUT_SECONDS,
    retries: RetryPolicy | None = None,
    breaker: Breaker | None = None,
    signer: Signer | None = None,
) -> AsyncIterator[BackendClient]:
    """Open a client with a session of its own, and close both at the end."""
    client = BackendClient(
        session=open_session(seconds=seconds),
        base_url=base_url,
        secret=secret,
        seconds=seconds,
        owns_session=True,
        retries=retries,
        breaker=breaker,
        signer=signer,
    )
    try:
        yield client
    finally:
        await client.close()
