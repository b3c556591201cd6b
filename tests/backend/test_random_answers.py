"""Whatever the backend answers, a call returns its Struct or raises a `BackendError`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from moddy.backend import answers
from moddy.backend.client import EVENT, HEALTH, INVOICES, REFUND, SUBSCRIPTION, USER_INFO
from moddy.backend.exchange import Answer
from moddy.errors import BackendError, BackendUnavailable, RefundOutcomeUnknown
from moddy.models import RefundResponse, Snowflake
from tests.backend.stand_in import client_for, raw_server, read_request

USER = Snowflake("1")
NOW = datetime(2025, 1, 1, tzinfo=UTC)
ENDPOINTS: tuple[Any, ...] = (HEALTH, USER_INFO, EVENT, SUBSCRIPTION, INVOICES, REFUND)
FIELDS = st.sampled_from(
    [
        "success",
        "message",
        "status",
        "service",
        "version",
        "invoices",
        "subscription",
        "created",
        "error",
        "detail",
        "loc",
        "msg",
        "refunded",
        "has_subscription",
        "user_found",
        "email",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(FIELDS | st.text(), inner),
    max_leaves=20,
)
BODIES = st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()) | st.none()


@settings(max_examples=300, deadline=None)
@given(
    status=st.integers(200, 599),
    body=BODIES,
    retry_after=st.none() | st.text(max_size=60),
    endpoint=st.sampled_from(ENDPOINTS),
)
def test_an_answer_is_a_struct_or_a_backend_error(
    status: int, body: bytes | None, retry_after: str | None, endpoint: Any
) -> None:
    answer = Answer(status=status, body=body, retry_after=retry_after)
    error = answers.refusal(answer, endpoint=str(endpoint), now=lambda: NOW)
    assert (error is None) == (status < 300)
    if error is None:
        with suppress(BackendError):
            assert isinstance(
                answers.decode(answer, endpoint.decoder, endpoint=str(endpoint)), Struct
            )
    elif isinstance(error, BackendUnavailable) and error.retry_after is not None:
        assert error.retry_after >= 0


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60) | st.from_regex(r"\w{3}, \d{1,4} \w{3} \d{1,6} [\d:]{1,9} [-+A-Z\d]+"))
def test_any_retry_after(text: str) -> None:
    seconds = answers.read_retry_after(text, now=lambda: NOW)
    assert seconds is None or seconds >= 0


PIECES = (
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 500 \r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"Content-Length: 5\r\n",
    b"Content-Encoding: gzip\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Retry-After: 0\r\n",
    b"Location: //\r\n",
    b"\r\n",
    b"5\r\n",
    b"{}",
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=60) | st.sampled_from(PIECES), max_size=8).map(b"".join))
def test_any_bytes_on_the_wire(raw: bytes) -> None:
    requests: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await read_request(reader))
        writer.write(raw)
        await writer.drain()

    async def call() -> None:
        async with raw_server(answer) as url, client_for(url, seconds=2.0) as client:
            with suppress(BackendError):
                await client.health_check()
            requests.clear()
            outcome = await asyncio.gather(
                client.refund_payment(USER, None, "why"), return_exceptions=True
            )
            assert len(requests) == 1
            assert certain_or_unknown(outcome[0])

    asyncio.run(call())


def certain_or_unknown(outcome: RefundResponse | BaseException) -> bool:
    """Whether a refund ended in one of the three ways it may end once it was sent."""
    if isinstance(outcome, BackendError) and not isinstance(outcome, RefundOutcomeUnknown):
        return outcome.status is not None and 400 <= outcome.status < 500
    return isinstance(outcome, RefundResponse | RefundOutcomeUnknown)


@pytest.mark.parametrize(
    "content",
    [{"detail": []}, {"detail": [{}]}, {"error": 5}, {"error": ["x"]}, {"detail": " \n\t "}, {}],
)
def test_no_reason(content: Mapping[str, Any]) -> None:
    assert answers.read_reason(json.dumps(content).encode()) is None
