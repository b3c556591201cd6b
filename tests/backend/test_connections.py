"""What broken, slow and missing connections become."""

from __future__ import annotations

import asyncio
import time
import traceback

import aiohttp
import pytest
from yarl import URL

from moddy.backend import BackendClient
from moddy.errors import (
    BackendContractBroken,
    BackendUnavailable,
    RefundOutcomeUnknown,
)
from moddy.models import Snowflake
from tests.backend.stand_in import (
    QUICK,
    SECRET,
    NoSuchName,
    RawHandler,
    StandIn,
    client_for,
    raw_server,
    read_request,
    reset,
)

USER = Snowflake("123456789012345678")


async def test_no_answer_in_time() -> None:
    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read(-1)

    started = time.monotonic()
    async with raw_server(silent) as url, client_for(url, seconds=0.3) as client:
        with pytest.raises(BackendUnavailable, match="in time"):
            await client.health_check()
        with pytest.raises(RefundOutcomeUnknown, match="in time"):
            await client.refund_payment(USER, None, "why")
    assert 0.6 <= time.monotonic() - started < 4.0  # seconds bound a call over all its tries


async def test_an_answer_that_trickles_is_bounded() -> None:
    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            writer.write(b" ")
            await asyncio.sleep(0.02)

    async with raw_server(trickle) as url, client_for(url, seconds=0.2) as client:
        with pytest.raises(BackendUnavailable, match="in time"):
            await client.health_check()


async def _close(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await read_request(reader)


async def _cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"success"')
    await writer.drain()


@pytest.mark.parametrize("handler", [reset, _close, _cut])
async def test_a_lost_connection(handler: RawHandler) -> None:
    async with raw_server(handler) as url, client_for(url) as client:
        with pytest.raises(BackendUnavailable, match="lost"):
            await client.get_user_info(USER)
        with pytest.raises(RefundOutcomeUnknown, match="lost") as caught:
            await client.refund_payment(USER, None, "why", idempotency_key="k")
    assert caught.value.idempotency_key == "k"


async def test_an_answer_that_is_not_http() -> None:
    async def ssh(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"SSH-2.0-OpenSSH_9.7\r\n\r\n")
        await writer.drain()

    async with raw_server(ssh) as url, client_for(url) as client:
        with pytest.raises(BackendContractBroken, match="not HTTP") as caught:
            await client.get_user_info(USER)
        assert SECRET not in "".join(traceback.format_exception(caught.value))
        with pytest.raises(RefundOutcomeUnknown):
            await client.refund_payment(USER, None, "why")


async def test_a_closed_session(stand_in: StandIn) -> None:
    async with client_for(stand_in.base_url) as client:
        await client.close()
        for call in (client.health_check(), client.refund_payment(USER, None, "why")):
            with pytest.raises(BackendUnavailable, match="closed"):
                await call


async def test_a_cancelled_call_stays_cancelled() -> None:
    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read(-1)

    async with raw_server(silent) as url, client_for(url) as client:
        for call in (client.health_check(), client.refund_payment(USER, None, "why")):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(call, 0.05)


async def test_an_unresolvable_name() -> None:
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(resolver=NoSuchName()))
    async with session:
        client = BackendClient(
            session=session, base_url=URL("http://typo.invalid"), secret=SECRET, retries=QUICK
        )
        for call in (client.health_check(), client.refund_payment(USER, None, "why")):
            with pytest.raises(BackendUnavailable, match="does not resolve"):
                await call


async def test_a_refused_connection(unused_tcp_port: int) -> None:
    async with client_for(URL(f"http://127.0.0.1:{unused_tcp_port}")) as client:
        for call in (client.health_check(), client.refund_payment(USER, None, "why")):
            with pytest.raises(BackendUnavailable, match="refused"):
                await call


async def test_https_to_a_plain_server(stand_in: StandIn) -> None:
    async with client_for(stand_in.base_url.with_scheme("https")) as client:
        with pytest.raises(BackendUnavailable, match="TLS"):
            await client.refund_payment(USER, None, "why")
    assert stand_in.received == []
