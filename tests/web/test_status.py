"""``GET /internal/status``: one JSON for people, whatever is away."""

from __future__ import annotations

import math
import time
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from moddy import __version__
from moddy.errors import DiscordUnavailable
from moddy.services.status import STORE_PATIENCE, EventCounts, StatusResponse
from tests.fakes import START
from tests.web.api import Api
from tests.web.test_metrics import NOTICE, get, scrape
from tests.web.test_store_away import open_over, open_proxy


async def look(api: Api) -> dict[str, Any]:
    """Return the status, as JSON that any reader takes."""
    response = await api.client.get("/internal/status")
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"
    found: dict[str, Any] = msgspec.json.decode(response.content)
    assert msgspec.convert(found, StatusResponse)
    return found


async def test_everything_at_once(lite: Api) -> None:
    await lite.notify(NOTICE)
    lite.messenger.errors["43"] = DiscordUnavailable("down")
    await lite.notify({**NOTICE, "discord_id": "43"})
    lite.events = EventCounts(held=5, dropped={"memory": 2, "backlog": 0})
    lite.counters.added = 3
    lite.metrics.add_discord_call(429)
    lite.metrics.gateway_sessions.add("new")
    found = await look(lite)
    assert found["version"] == __version__
    assert datetime.fromisoformat(found["started_at"]) == START
    assert 0 <= found["uptime_seconds"] < 60
    assert 10_000_000 < found["memory_bytes"] < 2_000_000_000
    assert found["gateway"] == {
        "ready": True,
        "guilds": 1,
        "shards": [{"id": 0, "latency_ms": 42}],
        "sessions": {"new": 1},
    }
    assert found["store_answers"] is True
    assert found["deliveries"] == [
        {"kind": "notify", "state": "pending", "count": 1, "oldest_seconds": 0}
    ]
    assert found["breakers"] == {"backend": "closed"}
    assert found["requests"] == {"200": 1, "202": 1}
    assert found["attempts"]["delivered"] == 1
    assert found["discord_calls"] == {"429": 1}
    assert found["events"] == {"held": 5, "dropped": {"memory": 2, "backlog": 0}}
    assert found["reconciliation"]["added"] == 3


@pytest.mark.parametrize("latency", [math.inf, math.nan])
async def test_before_the_gateway_is_ready(lite: Api, latency: float) -> None:
    """Infinity, which discord.py says until the first heartbeat, is no JSON."""
    lite.gateway.ready = False
    lite.gateway.latencies = {1: latency, 0: 0.0004}
    gateway = (await look(lite))["gateway"]
    assert gateway["ready"] is False
    assert gateway["shards"] == [{"id": 0, "latency_ms": 0}, {"id": 1, "latency_ms": None}]
    lite.gateway.latencies = {}
    assert (await look(lite))["gateway"]["shards"] == []
    assert get(await scrape(lite), "moddy_gateway_ready") == 0


async def test_how_long_something_waits(lite: Api) -> None:
    lite.gateway.logged_in.clear()
    await lite.notify(NOTICE)
    lite.clock.advance(timedelta(seconds=95))
    (one,) = (await look(lite))["deliveries"]
    assert (one["state"], one["oldest_seconds"]) == ("pending", 95)
    lite.clock.advance(timedelta(seconds=-200))
    (one,) = (await look(lite))["deliveries"]
    assert one["oldest_seconds"] == 0


async def check_without_store(api: Api) -> None:
    """Check that both answer while the store does not, and soon."""
    for _ in range(2):
        started = time.monotonic()
        found = await look(api)
        assert (found["store_answers"], found["deliveries"]) == (False, None)
        assert found["gateway"]["ready"] is True
        series = await scrape(api)
        assert time.monotonic() - started < 2 * STORE_PATIENCE + 2
        assert get(series, "moddy_store_up") == 0
        assert get(series, "moddy_gateway_ready") == 1
        assert get(series, "moddy_deliveries", kind="notify", state="pending") is None
        assert get(series, "moddy_oldest_pending_seconds", kind="notify") is None


async def test_store_that_cannot_be_reached(postgresql_url: str) -> None:
    async with open_proxy(postgresql_url) as proxy, open_over(proxy.url) as api:
        api.gateway.logged_in.clear()
        await api.notify(NOTICE)
        assert get(await scrape(api), "moddy_deliveries", kind="notify", state="pending") == 1
        with proxy.refuse():
            await check_without_store(api)
        while not (await look(api))["store_answers"]:
            pass
        assert get(await scrape(api), "moddy_deliveries", kind="notify", state="pending") == 1


@pytest.mark.slow
async def test_store_that_falls_silent(postgresql_url: str) -> None:
    async with open_proxy(postgresql_url) as proxy, open_over(proxy.url) as api:
        with proxy.fall_silent():
            await check_without_store(api)
