"""The secret and personal data appear in no log and in no error."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import structlog
from aiohttp import web

from moddy.backend import BackendClient
from moddy.errors import (
    BackendError,
)
from moddy.models import EventType, Snowflake
from tests.backend.stand_in import (
    EMAIL,
    SECRET,
    StandIn,
    client_for,
    raw_server,
    read_request,
    reset,
)

USER = Snowflake("123456789012345678")


Call = Callable[[BackendClient], Awaitable[Any]]
CALLS: dict[str, Call] = {
    "health": lambda client: client.health_check(),
    "user": lambda client: client.get_user_info(USER),
    "event": lambda client: client.notify_event(
        EventType.MEMBER_JOINED, USER, {"note": EMAIL}, idempotency_key="e"
    ),
    "subscription": lambda client: client.get_subscription_info(USER),
    "invoices": lambda client: client.get_subscription_invoices(USER),
    "refund": lambda client: client.refund_payment(USER, None, EMAIL),
}


async def _echo_headers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(f"HTTP/1.1 999999 {SECRET} {EMAIL}\r\n\r\n".encode())
    await writer.drain()


def _shown(error: BaseException) -> str:
    """All that a careless log line could show of an error and of what it was raised from."""
    texts = ["".join(traceback.format_exception(error))]
    chained: BaseException | None = error
    while chained is not None:
        texts += [str(chained), repr(chained), repr(chained.args)]
        chained = chained.__cause__ or chained.__context__
    return "\n".join(texts)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
async def test_secret_and_email_are_in_no_log_and_no_error(
    stand_in: StandIn, caplog: pytest.LogCaptureFixture, call: Call
) -> None:
    caplog.set_level(logging.DEBUG)
    told = {"detail": f"{EMAIL} sent Bearer {SECRET}"}
    stand_in.answers = [
        lambda _: web.json_response(told, status=503),
        lambda _: web.json_response(told, status=503),
        lambda _: web.json_response({"status": SECRET, "success": EMAIL, "message": EMAIL}),
        lambda _: web.json_response(told, status=401),
        lambda _: web.Response(status=302, headers={"Location": f"/?{SECRET}"}),
        lambda _: web.json_response(told, status=400),
    ]
    shown = []
    with structlog.testing.capture_logs() as events:
        async with (
            client_for(stand_in.base_url) as client,
            raw_server(_echo_headers) as odd,
            client_for(odd.with_user("u").with_password(SECRET)) as odd_client,
            raw_server(reset) as resetting,
            client_for(resetting) as reset_client,
        ):
            for each in (client, client, client, client, odd_client, reset_client):
                with pytest.raises(BackendError) as caught:
                    await call(each)
                shown.append(_shown(caught.value))
                assert SECRET not in (caught.value.reason or "")
            shown += [repr(client), str(await odd_client.test_connection())]
    text = "\n".join([*shown, repr(events), caplog.text, *map(repr, caplog.records)])
    assert SECRET not in text
    assert EMAIL not in text
    if call is not CALLS["refund"]:
        assert any(event["event"] == "stamina.retry_scheduled" for event in events)
