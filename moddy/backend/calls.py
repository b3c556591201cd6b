"""Calling an endpoint of the backend: authentication, ids, and trying again while it can help.

A breaker stands before every call, so that nobody waits for a backend that is down.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Generic, TypeVar

import aiohttp
import msgspec
import stamina
import structlog
from msgspec import Struct
from yarl import URL

from moddy import __version__
from moddy.backend import answers
from moddy.backend.exchange import Answer, ExchangeFailed, exchange
from moddy.backend.retries import Budget, RetryPolicy
from moddy.breaker import Breaker, BreakerOpen, BreakerState
from moddy.errors import BackendError, BackendPaused, BackendUnauthorized
from moddy.request_ids import current_request_id
from moddy.signing import Signer

log = structlog.get_logger(__name__)

T = TypeVar("T")

USER_AGENT = f"Moddy-Bot/{__version__}"

_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_NOT_IN_A_HEADER = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


class Endpoint(Struct, Generic[T], frozen=True):
    """One row of the contract: where to call and how to read the answer."""

    method: str
    path: str
    decoder: msgspec.json.Decoder[T]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class Caller:
    """Calls endpoints over a session that belongs to someone else.

    `seconds` bounds one call over all its tries; `new_id` makes request ids and idempotency keys.
    `breaker` is told how each call ended, whatever its endpoint. With `signer` each try is signed.
    """

    def __init__(
        self,
        *,
        session: aiohttp.ClientSession,
        base_url: URL,
        secret: str | None,
        seconds: float,
        retries: RetryPolicy,
        new_id: Callable[[], str],
        breaker: Breaker,
        signer: Signer | None = None,
    ) -> None:
        self._session = session
        self.base_url = base_url.with_user(None)  # Bearer is the only credential
        self.seconds = seconds
        self._secret = secret or ""
        self._retries = retries
        # By path; there are as many as endpoints.
        self._urls: dict[str, URL] = {}
        self._new_id = new_id
        self._breaker = breaker
        self._signer = signer

    @property
    def breaker_state(self) -> BreakerState:
        """What the next call would meet."""
        return self._breaker.state

    @property
    def secret_length(self) -> int:
        """How many characters the secret has, 0 when it is unset."""
        return len(self._secret)

    async def call(
        self, endpoint: Endpoint[T], body: bytes | None = None, idempotency_key: str | None = None
    ) -> T:
        """Call an endpoint that may be called again; each try carries the same headers.

        Raises:
            BackendPaused: there was no try.
            BackendError: of the last try.
        """
        key = None if body is None else self.idempotency_key(idempotency_key)
        headers = self.headers(key)
        with self.guarded():
            return await self._call(endpoint, headers, body)

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Wrap one call, all its tries included.

        Raises:
            BackendPaused: before anything is sent, while the breaker is open.
        """
        before = self._breaker.state
        try:
            with self._breaker.call():
                yield
        except BreakerOpen as error:
            raise BackendPaused(retry_after=error.retry_after) from None
        finally:
            self._tell(before)

    def _tell(self, before: BreakerState) -> None:
        now = self._breaker.state
        if now is BreakerState.OPEN and before is BreakerState.CLOSED:
            log.warning("backend does not answer; calls to it pause")
        elif now is BreakerState.CLOSED and before is not BreakerState.CLOSED:
            log.info("backend answers again")

    async def _call(
        self, endpoint: Endpoint[T], headers: Mapping[str, str], body: bytes | None
    ) -> T:
        budget = Budget(self.seconds, self._retries)

        def backoff(error: Exception) -> bool | float:
            # A probe, as every call while the breaker is not closed, is a single request.
            if self._breaker.state is not BreakerState.CLOSED:
                return False
            return budget.backoff(error)

        failed: BackendError | None = None
        try:
            return await self._try(endpoint, headers, body, budget)
        except BackendError as error:
            failed = error
        # Only now: what stamina prepares for a call takes as long as half of the call.
        async for attempt in stamina.retry_context(
            on=backoff,
            attempts=self._retries.attempts,
            timeout=None,  # the budget's matter: it also counts the wait that would follow
            wait_initial=self._retries.wait_initial,
            wait_max=self._retries.wait_max,
            wait_jitter=self._retries.wait_jitter,
        ):
            with attempt:
                if failed is not None:  # the first attempt, which has been made
                    first, failed = failed, None
                    raise first
                return await self._try(endpoint, headers, body, budget)
        raise AssertionError("stamina ends with a result or an error")

    async def _try(
        self,
        endpoint: Endpoint[T],
        headers: Mapping[str, str],
        body: bytes | None,
        budget: Budget,
    ) -> T:
        try:
            answer = await self.send(endpoint, headers, body, seconds=budget.remaining())
        except ExchangeFailed as failed:
            raise answers.no_answer(failed, endpoint=str(endpoint)) from None
        return self.read(endpoint, answer)

    async def send(
        self,
        endpoint: Endpoint[T],
        headers: Mapping[str, str],
        body: bytes | None = None,
        *,
        seconds: float | None = None,
    ) -> Answer:
        """Send one request, once, within `seconds` (default: the whole budget).

        Raises:
            ExchangeFailed: there is no answer.
        """
        if self._signer is not None:
            message_id = headers.get("Idempotency-Key") or self._new_id()
            headers = {**headers, **self._signer.headers(message_id, body or b"")}
        return await exchange(
            self._session,
            endpoint.method,
            self._url(endpoint.path),
            headers=headers,
            body=body,
            seconds=self.seconds if seconds is None else seconds,
        )

    def _url(self, path: str) -> URL:
        url = self._urls.get(path)
        if url is None:
            url = self._urls[path] = self.base_url.joinpath(path.lstrip("/"))
        return url

    def read(self, endpoint: Endpoint[T], answer: Answer) -> T:
        """Return what the answer carries.

        Raises:
            BackendError: its status is not a 2xx, or its body is not the contract's.
        """
        error = answers.refusal(answer, endpoint=str(endpoint))
        if error is None:
            return answers.decode(answer, endpoint.decoder, endpoint=str(endpoint))
        self._redact(error)
        raise error

    def headers(self, idempotency_key: str | None = None) -> dict[str, str]:
        """Return the headers of one call; all its tries share them.

        Raises:
            BackendUnauthorized: there is no secret that could be sent.
        """
        if not self._secret:
            raise BackendUnauthorized("INTERNAL_API_SECRET is not set; the backend was not called")
        if _NOT_IN_A_HEADER.search(self._secret):
            raise BackendUnauthorized(
                "INTERNAL_API_SECRET holds a character that no HTTP header can carry; "
                "the backend was not called"
            )
        headers = {
            "Accept": "application/json",
            "Authorization": f"Bearer {self._secret}",
            "User-Agent": USER_AGENT,
            "X-Request-ID": current_request_id.get() or self._new_id(),
        }
        if idempotency_key is not None:
            headers |= {"Content-Type": "application/json", "Idempotency-Key": idempotency_key}
        return headers

    def idempotency_key(self, given: str | None) -> str:
        """Return the caller's key, or a new one.

        Raises:
            ValueError: the key is not 1 to 255 visible ASCII characters.
        """
        key = self._new_id() if given is None else given
        if not _IDEMPOTENCY_KEY.fullmatch(key):
            raise ValueError("idempotency_key: expected 1 to 255 visible ASCII characters")
        return key

    def _redact(self, error: BackendError) -> None:
        """Take the secret out of a text of a backend that echoes what it was sent."""
        if error.reason is not None and self._secret:
            error.reason = error.reason.replace(self._secret, "…")
