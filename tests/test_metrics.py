"""Moddy's own instruments, read as Prometheus reads them."""

from __future__ import annotations

import asyncio
import math
import time

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from moddy import __version__
from moddy.metrics import LAG_INTERVAL, Counts, Metrics, Timings
from tests.promtool import run_promtool

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


def read(text: bytes) -> Series:
    """Return the values of an exposition by name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    """Return one value of the exposition."""
    return read(metrics.render()).get((name, frozenset(labels.items())))


def test_counts() -> None:
    counts = Counts("it", "What it is", "who", "what")
    for who, what in (("a", 1), ("a", 2), ("b", 1), ("a", 1)):
        counts.add(who, what)
    assert counts.by("who") == {"a": 3, "b": 1}
    assert counts.by("what") == {"1": 3, "2": 1}
    (family,) = counts.collect()
    assert {(one.labels["who"], one.labels["what"], one.value) for one in family.samples} == {
        ("a", "1", 2),
        ("a", "2", 1),
        ("b", "1", 1),
    }


def test_timings() -> None:
    registry = CollectorRegistry()
    timings = Timings("it", "What it is", "kind", (0.1, 1.0))
    registry.register(timings)
    for seconds in (0.0, 0.1, 0.11, 1.0, 1.1, 7.0):
        timings.add("x", seconds)
    for bound, number in (("0.1", 2), ("1.0", 4), ("+Inf", 6)):
        labels = {"kind": "x", "le": bound}
        assert registry.get_sample_value("it_bucket", labels) == number
    assert registry.get_sample_value("it_count", {"kind": "x"}) == 6
    total = registry.get_sample_value("it_sum", {"kind": "x"})
    assert total == pytest.approx(9.31)
    assert registry.get_sample_value("it_count", {"kind": "y"}) is None


def test_requests() -> None:
    metrics = Metrics()
    for status in (200, 200, 503):
        metrics.add_request("POST", "/internal/notify", status, 0.02)
    route = {"route": "/internal/notify"}
    wanted = {"method": "POST", "status": "200", **route}
    assert value(metrics, "moddy_http_requests_total", **wanted) == 2
    wanted["status"] = "503"
    assert value(metrics, "moddy_http_requests_total", **wanted) == 1
    bucket = "moddy_http_request_seconds_bucket"
    assert value(metrics, bucket, le="0.01", **route) == 0
    assert value(metrics, bucket, le="0.025", **route) == 3


def test_what_clients_make_up_makes_no_series() -> None:
    metrics = Metrics()
    for method in ("BREW", "PROPFIND", "GET"):
        metrics.add_request(method, "unmatched", 404, 0.001)
    assert metrics.requests.by("method") == {"other": 2, "GET": 1}


def test_attempts() -> None:
    metrics = Metrics()
    metrics.add_attempt("notify", "pending", again=False, waited=None)
    metrics.add_attempt("notify", "delivered", again=True, waited=1.5)
    metrics.add_attempt("roles", "delivered", again=False, waited=-0.1)  # a clock set back
    assert value(metrics, "moddy_delivery_attempts_total", kind="notify", state="pending") == 1
    assert value(metrics, "moddy_delivery_retries_total", kind="notify") == 1
    assert value(metrics, "moddy_delivery_seconds_sum", kind="notify") == 1.5
    assert value(metrics, "moddy_delivery_seconds_sum", kind="roles") == 0


def test_discord_calls() -> None:
    metrics = Metrics()
    for status in (200, 429, 429, None):
        metrics.add_discord_call(status)
    assert metrics.discord_calls.by("status") == {"200": 1, "429": 2, "none": 1}


def test_what_is_gone_is_told_no_more() -> None:
    metrics = Metrics()
    metrics.set_deliveries({("notify", "dead"): 2}, {"notify": 7.0})
    assert value(metrics, "moddy_deliveries", kind="notify", state="dead") == 2
    assert value(metrics, "moddy_oldest_pending_seconds", kind="notify") == 7
    metrics.set_deliveries({}, {})
    assert value(metrics, "moddy_deliveries", kind="notify", state="dead") is None
    assert value(metrics, "moddy_oldest_pending_seconds", kind="notify") is None


def test_latency_is_absent_until_it_is_known() -> None:
    metrics = Metrics()
    metrics.set_gateway(ready=False, guilds=0, latencies={0: math.inf, 1: math.nan, 2: 0.05})
    latency = "moddy_gateway_latency_seconds"
    assert [value(metrics, latency, shard=shard) for shard in "012"] == [None, None, 0.05]
    assert value(metrics, "moddy_gateway_ready") == 0


@pytest.mark.parametrize(("state", "number"), [("closed", 0), ("half_open", 1), ("open", 2)])
def test_breakers(state: str, number: int) -> None:
    metrics = Metrics()
    metrics.set_breaker("backend", state)
    assert value(metrics, "moddy_breaker_state", other_side="backend") == number


def test_events_and_reconciliation() -> None:
    metrics = Metrics()
    metrics.set_events(held=3, dropped={"memory": 1, "backlog": 0})
    metrics.set_reconciliation({"added": 4})
    assert value(metrics, "moddy_events_held") == 3
    assert value(metrics, "moddy_events_dropped_total", place="memory") == 1
    assert value(metrics, "moddy_events_dropped_total", place="backlog") == 0
    assert value(metrics, "moddy_reconciliation_total", what="added") == 4


async def test_a_held_up_loop_shows() -> None:
    metrics = Metrics()
    watching = asyncio.create_task(metrics.watch_loop())
    await asyncio.sleep(0)
    time.sleep(LAG_INTERVAL + 0.3)  # noqa: ASYNC251 (that is the fault)
    await asyncio.sleep(0.01)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    count = value(metrics, "moddy_loop_lag_seconds_count")
    assert count
    assert value(metrics, "moddy_loop_lag_seconds_bucket", le="0.25") == count - 1


def test_two_moddies_do_not_meet() -> None:
    one, other = Metrics(), Metrics()
    one.add_discord_call(200)
    assert other.discord_calls.by("status") == {}


def test_build_info_and_process() -> None:
    series = read(Metrics().render())
    ((labels, one),) = [
        (dict(labels), one) for (name, labels), one in series.items() if name == "moddy_build_info"
    ]
    assert (labels["version"], one) == (__version__, 1)
    assert series["process_resident_memory_bytes", frozenset()] > 10_000_000
    assert series["process_open_fds", frozenset()] > 2


def test_promtool_finds_nothing_to_complain_of() -> None:
    metrics = Metrics()
    metrics.add_request("POST", "/internal/notify", 200, 0.02)
    metrics.add_attempt("notify", "delivered", again=True, waited=1.0)
    metrics.add_discord_call(429)
    metrics.gateway_sessions.add("new")
    metrics.loop_lag.add("", 0.01)
    metrics.store_seconds.add("read", 0.01)
    metrics.set_deliveries({("notify", "dead"): 2}, {"notify": 7.0})
    metrics.set_events(held=0, dropped={"memory": 1})
    metrics.set_reconciliation({"added": 4})
    metrics.set_breaker("backend", "open")
    metrics.set_gateway(ready=True, guilds=1, latencies={0: 0.05})
    assert run_promtool("check", "metrics", text=metrics.render()) == ""
