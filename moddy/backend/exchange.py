"""One HTTP exchange with the backend: a request goes out once, its answer or a `Failure` is back.

aiohttp's errors end here: the repr of some holds the Authorization header, so nothing above may
see or chain them.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

import aiohttp
from msgspec import Struct
from yarl import URL

MAX_ANSWER_BYTES = 1024 * 1024


class Failure(Enum):
    """Why there is no answer; each value is a text for people."""

    NAME_NOT_RESOLVED = "the name does not resolve"
    CONNECTION_REFUSED = "the connection was refused, or there is no route"
    TLS_FAILED = "the TLS handshake failed"
    CONNECT_TIMEOUT = "no connection in time"
    TIMEOUT = "no answer in time"
    CONNECTION_LOST = "the connection was lost"
    NOT_HTTP = "the answer is not HTTP"
    CLOSED = "the client session is closed"

    @property
    def before_sending(self) -> bool:
        """Whether it is certain that no byte of the request left."""
        return self in _BEFORE_SENDING


_BEFORE_SENDING = {
    Failure.NAME_NOT_RESOLVED,
    Failure.CONNECTION_REFUSED,
    Failure.TLS_FAILED,
    Failure.CONNECT_TIMEOUT,
    Failure.CLOSED,
}


class ExchangeFailed(Exception):
    """There is no answer. Never leaves `moddy.backend`."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.value)
        self.failure = failure


class Answer(Struct, frozen=True, kw_only=True):
    """What the backend answered. `body` is None when it is over `MAX_ANSWER_BYTES`."""

    status: int
    body: bytes | None
    retry_after: str | None = None


async def exchange(
    session: aiohttp.ClientSession,
    method: str,
    url: URL,
    *,
    headers: Mapping[str, str],
    body: bytes | None,
    seconds: float,
) -> Answer:
    """Send one request and return its answer, whatever the status; redirects are not followed.

    `seconds` bounds the whole exchange, and half of it the connecting.
    aiohttp itself sends again only idempotent methods, on a kept connection that turns out to be
    closed: a GET may arrive twice, a POST never does.

    Raises:
        ExchangeFailed: there is no answer.
    """
    if session.closed:
        raise ExchangeFailed(Failure.CLOSED)
    # aiohttp rounds timeouts above `ceil_threshold` up to a whole second.
    limits = aiohttp.ClientTimeout(total=seconds, connect=seconds / 2, ceil_threshold=seconds + 1)
    try:
        async with session.request(
            method,
            url,
            headers=headers,
            data=body,
            timeout=limits,
            allow_redirects=False,
            raise_for_status=False,
        ) as response:
            return Answer(
                status=response.status,
                body=await _read_bounded(response),
                retry_after=response.headers.get("Retry-After"),
            )
    except (aiohttp.ClientError, TimeoutError) as error:
        failure = _classify(error)
    # Raised outside the `except`, so that aiohttp's error is not even this one's context.
    raise ExchangeFailed(failure)


async def _read_bounded(response: aiohttp.ClientResponse) -> bytes | None:
    received = bytearray()
    async for chunk in response.content.iter_any():
        received += chunk
        if len(received) > MAX_ANSWER_BYTES:
            response.close()  # the rest is not worth a connection
            return None
    return bytes(received)


def _classify(error: aiohttp.ClientError | TimeoutError) -> Failure:
    # The order matters: each kind stands before its parents.
    kinds: tuple[tuple[type[Exception], Failure], ...] = (
        (aiohttp.ClientConnectorDNSError, Failure.NAME_NOT_RESOLVED),
        (aiohttp.ClientSSLError, Failure.TLS_FAILED),
        (aiohttp.ClientConnectorError, Failure.CONNECTION_REFUSED),
        (aiohttp.ConnectionTimeoutError, Failure.CONNECT_TIMEOUT),
        (TimeoutError, Failure.TIMEOUT),
        (aiohttp.ClientResponseError, Failure.NOT_HTTP),
    )
    for kind, failure in kinds:
        if isinstance(error, kind):
            return failure
    return Failure.CONNECTION_LOST
