"""Metrics and status of a real process, from its first answer on."""

from __future__ import annotations

import asyncio
import re

import pytest

from moddy.metrics import LAG_INTERVAL
from tests.packaging.project import ROOT
from tests.process.moddy_process import ModdyProcess
from tests.process.stage import Stage
from tests.promtool import run_promtool
from tests.test_metrics import Series, read

# What discord.py writes at level error about connections that it loses and gets back.
RECONNECTING = ("Attempting a reconnect", "Failed to connect for shard_id")


async def scrape(moddy: ModdyProcess) -> Series:
    """Return what Prometheus reads."""
    response = await moddy.http.get("/internal/metrics")
    assert response.status_code == 200
    return read(response.content)


def get(series: Series, name: str, **labels: str) -> float | None:
    """Return one value."""
    return series.get((name, frozenset(labels.items())))


async def test_what_happened_is_counted(stage: Stage) -> None:
    alice = stage.add_member("alice")
    async with stage.moddy() as moddy:
        await moddy.wait_healthy()
        await asyncio.sleep(2 * LAG_INTERVAL)
        assert (await moddy.notify(alice.id)).status_code == 200
        assert (await moddy.update_roles(alice.id)).status_code == 200
        used = await stage.discord.interaction(alice, "subscription", stage.guild)
        await used.wait_response(10)
        series = await scrape(moddy)
        status = (await moddy.http.get("/internal/status")).json()
    requests = "moddy_http_requests_total"
    assert get(series, requests, method="POST", route="/internal/notify", status="200") == 1
    for kind in ("notify", "roles"):
        assert get(series, "moddy_delivery_attempts_total", kind=kind, state="delivered") == 1
    assert get(series, "moddy_gateway_sessions_total", kind="new") == 1
    assert (get(series, "moddy_gateway_ready"), get(series, "moddy_guilds")) == (1, 1)
    assert get(series, "moddy_discord_calls_total", status="200")
    assert get(series, "moddy_loop_lag_seconds_count")
    assert get(series, "moddy_loop_freezes_total") == 0
    for kind in ("read", "transaction", "commit"):
        assert get(series, "moddy_store_seconds_count", kind=kind)
    for other_side in ("backend", "discord", "discord_dms"):
        assert get(series, "moddy_breaker_state", other_side=other_side) == 0
    assert get(series, "process_start_time_seconds")
    assert status["gateway"]["guilds"] == 1
    assert status["attempts"] == {"delivered": 2}
    (line,) = (line for line in moddy.lines if line["message"] == "command")
    assert (line["command"], line["outcome"]) == ("subscription", "done")
    assert line["discord_id"] == str(alice.id)
    assert 0 < line["milliseconds"] < 10_000


async def test_before_the_gateway_is_ready(stage: Stage) -> None:
    stage.discord.gateway.accept = False
    async with stage.moddy(*RECONNECTING) as moddy:
        await moddy.wait_line("Failed to connect for shard_id")
        status = await moddy.http.get("/internal/status")
        gateway = status.json()["gateway"]
        assert (status.status_code, gateway["ready"], gateway["guilds"]) == (200, False, 0)
        assert gateway["shards"] == [{"id": 0, "latency_ms": None}]
        series = await scrape(moddy)
        assert get(series, "moddy_gateway_ready") == 0
        assert get(series, "moddy_gateway_latency_seconds", shard="0") is None
        assert get(series, "moddy_store_up") == 1


@pytest.mark.slow
async def test_a_lost_gateway_and_limits_show(stage: Stage) -> None:
    alice = stage.add_member("alice")
    async with stage.moddy(*RECONNECTING) as moddy:
        await moddy.wait_healthy()
        await stage.discord.gateway.reconnect()
        await moddy.wait_line("gateway resumed")
        stage.discord.faults.add("POST", "*/messages", status=429, retry_after=0.1)
        await moddy.notify(alice.id)
        await stage.discord.wait_until(lambda: stage.message_count(alice) == 1, 10)
        series = await scrape(moddy)
    assert get(series, "moddy_gateway_sessions_total", kind="lost") == 1
    assert get(series, "moddy_gateway_sessions_total", kind="resumed") == 1
    assert get(series, "moddy_discord_calls_total", status="429") == 1


async def test_prometheus_finds_what_the_alerts_ask_for(stage: Stage) -> None:
    async with stage.moddy() as moddy:
        await moddy.wait_healthy()
        # The backend's own requests, which one of the alerts is about.
        await moddy.http.get("/internal/users/42/premium")
        await asyncio.sleep(2 * LAG_INTERVAL)
        text = (await moddy.http.get("/internal/metrics")).content
    assert run_promtool("check", "metrics", text=text) == ""
    told = {name for name, _ in read(text)}
    alerts = (ROOT / "docs" / "operations" / "alerts.yml").read_text()
    asked = set(re.findall(r"\b(?:moddy|process)_[a-z_]+", alerts))
    # There is nothing that waits yet.
    assert asked - told == {"moddy_deliveries", "moddy_oldest_pending_seconds"}
