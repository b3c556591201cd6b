"""The backend client beside httpx with pydantic, as teams usually write it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path

import httpx
from pydantic import BaseModel
from yarl import URL

from bench.endpoint import SECRET
from bench.processes import run_server
from bench.tables import Row, ratios, spread
from moddy.backend import open_backend_client
from moddy.models import Snowflake
from moddy.request_ids import new_request_id

USER = Snowflake("100000000000000001")
AT_ONCE = 32
TARGETS = {1: "4.5 x", AT_ONCE: "15 x"}


class UserInfo(BaseModel):
    """The answer."""

    success: bool
    message: str
    user_found: bool
    discord_id: str | None
    email: str | None
    created_at: datetime | None
    updated_at: datetime | None


async def measure(rounds: int, seconds: float, directory: Path) -> list[Row]:
    """Return the rows of one call after the other, and of several at once."""
    async with run_server("bench.stub_backend", log=directory / "backend.log") as server:
        url = f"http://127.0.0.1:{server.port}"
        headers = {"Authorization": f"Bearer {SECRET}", "Accept": "application/json"}
        async with (
            open_backend_client(base_url=URL(url), secret=SECRET) as ours,
            httpx.AsyncClient(base_url=url, headers=headers, timeout=10.0) as theirs,
        ):

            async def ask_ours() -> None:
                await ours.get_user_info(USER)

            async def ask_theirs() -> None:
                response = await theirs.post(
                    "/internal/user/info",
                    json={"discord_id": USER},
                    headers={"X-Request-ID": new_request_id()},
                )
                response.raise_for_status()
                UserInfo.model_validate_json(response.content)

            rows = []
            for count in (1, AT_ONCE):
                rates: tuple[list[float], list[float]] = ([], [])
                for _ in range(rounds):
                    rates[0].append(await _rate(ask_ours, count, seconds))
                    rates[1].append(await _rate(ask_theirs, count, seconds))
                how = "one after the other" if count == 1 else f"{count} at once"
                rows.append(
                    Row(
                        work=f"backend client, {how}",
                        moddy=f"{spread(rates[0])}/s",
                        comparator=f"{spread(rates[1])}/s",
                        ratio=ratios(*rates),
                        target=TARGETS[count],
                    )
                )
            return rows


async def _rate(ask: Callable[[], Awaitable[None]], count: int, seconds: float) -> float:
    end = time.monotonic() + seconds
    done = 0

    async def go_on() -> None:
        nonlocal done
        while time.monotonic() < end:
            await ask()
            done += 1

    await asyncio.gather(*(go_on() for _ in range(count)))
    return done / seconds
