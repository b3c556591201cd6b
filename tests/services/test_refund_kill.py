"""kill -9 between the intent and the answer, with real processes and a real connection."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web

from moddy.store.database import Database
from tests.services.refund_stage import RefundStage

SOON_S = 30


class Bank:
    """The backend: pays once for each key. While `hangs`, it does not answer."""

    def __init__(self, *, pays_at_once: bool) -> None:
        self.pays_at_once = pays_at_once
        self.hangs = True
        self.asked = asyncio.Event()
        self.calls: list[str] = []
        self.paid: dict[str, int] = {}
        self.url = ""

    async def invoices(self, _request: web.Request) -> web.Response:
        created = datetime.now(UTC) - timedelta(days=3)
        invoice: dict[str, Any] = {"invoice_id": "in_1", "amount": 9900, "currency": "eur"}
        invoice |= {"status": "paid", "created": created.replace(microsecond=0).isoformat()}
        return web.json_response({"success": True, "message": "", "invoices": [invoice]})

    async def refund(self, request: web.Request) -> web.Response:
        key, amount = request.headers["Idempotency-Key"], (await request.json())["amount"]
        self.calls.append(key)
        if self.pays_at_once or not self.hangs:
            self.paid.setdefault(key, amount)
        self.asked.set()
        if self.hangs:
            await asyncio.sleep(SOON_S)
        done = {"success": True, "message": "", "refunded": True, "refund_id": "re_1"}
        return web.json_response(done | {"amount_refunded": self.paid[key]})

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[None]:
        app = web.Application()
        app.router.add_post("/internal/subscription/invoices", self.invoices)
        app.router.add_post("/internal/subscription/refund", self.refund)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield
        finally:
            await runner.cleanup()


async def start(url: str, bank: Bank, *args: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.services.refund_process", url, bank.url, *args),
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )


async def run(url: str, bank: Bank, *args: str) -> tuple[str, str]:
    """Have a process take a step; returns the refund's id and state."""
    process = await start(url, bank, *args)
    async with asyncio.timeout(SOON_S):
        output, _ = await process.communicate()
    assert process.returncode == 0
    refund_id, state = output.decode().split()[-2:]
    return refund_id, state


@pytest.mark.slow
@pytest.mark.parametrize("pays_at_once", [True, False], ids=["paid before", "not paid before"])
async def test_killed_between_the_intent_and_the_answer(
    database: Database, migrated_url: str, *, pays_at_once: bool
) -> None:
    bank = Bank(pays_at_once=pays_at_once)
    async with bank.serve():
        refund_id, state = await run(migrated_url, bank, "0", "propose")
        assert state == "proposed"
        doomed = await start(migrated_url, bank, "0", "confirm", refund_id)
        async with asyncio.timeout(SOON_S):
            await bank.asked.wait()
        doomed.kill()
        await doomed.wait()
        bank.hangs = False
        assert await run(migrated_url, bank, "1", "sweep", refund_id) == (refund_id, "sending")
        assert await run(migrated_url, bank, "60", "sweep", refund_id) == (refund_id, "unknown")
        assert await run(migrated_url, bank, "61", "ask_again", refund_id) == (
            refund_id,
            "refunded",
        )
    assert bank.calls == [f"refund-{refund_id}"] * 2
    assert bank.paid == {f"refund-{refund_id}": 2000}
    assert await RefundStage(database).messages() == [f"refund-{refund_id}"]
