"""What Moddy counts and measures, for Prometheus. Nothing here names a person or holds a text.

Names follow https://prometheus.io/docs/practices/naming/. The instruments are Moddy's own, as
prometheus_client's lock on every use, and cost a request several times as much; all is counted on
the one loop.
"""

from __future__ import annotations

import asyncio
import math
import platform
from bisect import bisect_left
from collections import Counter as Tally
from collections.abc import Iterable, Mapping, Sequence

from prometheus_client import CollectorRegistry, Gauge, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from moddy import __version__

# Seconds between two looks at the loop's lag.
LAG_INTERVAL = 0.1
_LAG_BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
_SECONDS_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 9.0)
_DELIVERY_BUCKETS = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 120.0, 600.0, 3600.0, 86_400.0)
_STATES = {"closed": 0, "half_open": 1, "open": 2}
# Each is a series for as long as the process lives; what a client makes up is not.
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Counts(Collector):
    """A counter with labels."""

    def __init__(self, name: str, text: str, *labels: str) -> None:
        self._name, self._text, self._labels = name, text, labels
        self.values: dict[tuple[str | int, ...], int] = {}

    def add(self, *labels: str | int) -> None:
        """Count one more."""
        self.values[labels] = self.values.get(labels, 0) + 1

    def by(self, label: str) -> dict[str, int]:
        """Return the sums by one of the labels."""
        place = self._labels.index(label)
        sums = Tally[str]()
        for labels, count in self.values.items():
            sums[str(labels[place])] += count
        return dict(sums)

    def collect(self) -> Iterable[CounterMetricFamily]:
        """Return what was counted; prometheus_client calls this."""
        family = CounterMetricFamily(self._name, self._text, labels=self._labels)
        for labels, count in self.values.items():
            family.add_metric([str(label) for label in labels], count)
        return [family]


class Timings(Collector):
    """A histogram of seconds by one label; without a `label` it is the empty one's."""

    def __init__(self, name: str, text: str, label: str, bounds: Sequence[float]) -> None:
        self._name, self._text, self._label = name, text, label
        self._bounds = bounds
        # The sum, then the numbers between the bounds.
        self._values: dict[str, list[float]] = {}

    def add(self, label: str, seconds: float) -> None:
        """Take one more duration."""
        values = self._values.get(label)
        if values is None:
            values = self._values[label] = [0.0] * (len(self._bounds) + 2)
        values[0] += seconds
        values[bisect_left(self._bounds, seconds) + 1] += 1

    def collect(self) -> Iterable[HistogramMetricFamily]:
        """Return what was measured; prometheus_client calls this."""
        names = [self._label] if self._label else []
        family = HistogramMetricFamily(self._name, self._text, labels=names)
        for label, (total, *numbers) in self._values.items():
            buckets, so_far = [], 0.0
            for bound, number in zip((*self._bounds, math.inf), numbers, strict=True):
                so_far += number
                buckets.append(("+Inf" if bound == math.inf else str(bound), so_far))
            family.add_metric([label] if names else [], buckets, total)
        return [family]


class Metrics:
    """The instruments of one Moddy; several of them in one process do not meet.

    The public instruments are added to as things happen; `set_*` is called before each reading.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = self._counts(
            "moddy_http_requests",
            "Answered requests of the internal API",
            "method",
            "route",
            "status",
        )
        self.request_seconds = self._timings(
            "moddy_http_request_seconds", "Seconds from a request's headers to its answer", "route"
        )
        self.attempts = self._counts(
            "moddy_delivery_attempts",
            "Attempts at deliveries, by what they ended with",
            "kind",
            "state",
        )
        self.retries = self._counts(
            "moddy_delivery_retries", "Attempts at what had been attempted before", "kind"
        )
        self.delivery_seconds = self._timings(
            "moddy_delivery_seconds",
            "Seconds from acceptance to delivery",
            "kind",
            _DELIVERY_BUCKETS,
        )
        self.discord_calls = self._counts(
            "moddy_discord_calls",
            "REST calls to Discord, by HTTP status; none: no answer",
            "status",
        )
        self.gateway_sessions = self._counts(
            "moddy_gateway_sessions", "Sessions with Discord's gateway: new, resumed, lost", "kind"
        )
        self.loop_lag = self._timings(
            "moddy_loop_lag_seconds",
            "How late the event loop was, looked at ten times a second",
            "",
            _LAG_BUCKETS,
        )
        self.loop_freezes = self._counts(
            "moddy_loop_freezes", "Times that the event loop stood still for five seconds or more"
        )
        # So that the first one is an increase.
        self.loop_freezes.values[()] = 0
        self.store_seconds = self._timings(
            "moddy_store_seconds",
            "Seconds of transactions and reads, waiting included, of the commits that they share, "
            "and of connecting at the start",
            "kind",
        )
        self._dropped = self._counts(
            "moddy_events_dropped",
            "Events for the backend that were given up: memory, the store was away too long; "
            "backlog, too many waited",
            "place",
        )
        self._reconciled = self._counts(
            "moddy_reconciliation", "What the comparisons with Discord and the backend did", "what"
        )
        self._make_gauges()
        ProcessCollector(registry=self.registry)

    def _make_gauges(self) -> None:
        self._deliveries = self._gauge(
            "moddy_deliveries", "Unfinished deliveries, and those given up", ["kind", "state"]
        )
        self._oldest = self._gauge(
            "moddy_oldest_pending_seconds", "Age of the oldest pending delivery", ["kind"]
        )
        self._held = self._gauge("moddy_events_held", "Events that are not in the store yet")
        self._breakers = self._gauge(
            "moddy_breaker_state", "0 closed, 1 half open, 2 open", ["other_side"]
        )
        self._latency = self._gauge(
            "moddy_gateway_latency_seconds", "Heartbeat latency; absent until known", ["shard"]
        )
        self._guilds = self._gauge("moddy_guilds", "Guilds that this process sees")
        self._up = self._gauge("moddy_gateway_ready", "1 while every shard is connected")
        self._store_up = self._gauge("moddy_store_up", "1 while the store answers")
        build = self._gauge("moddy_build_info", "Always 1", ["version", "python"])
        build.labels(__version__, platform.python_version()).set(1)

    def _counts(self, name: str, text: str, *labels: str) -> Counts:
        counts = Counts(name, text, *labels)
        self.registry.register(counts)
        return counts

    def _timings(
        self, name: str, text: str, label: str, bounds: Sequence[float] = _SECONDS_BUCKETS
    ) -> Timings:
        timings = Timings(name, text, label, bounds)
        self.registry.register(timings)
        return timings

    def _gauge(self, name: str, text: str, labels: Sequence[str] = ()) -> Gauge:
        return Gauge(name, text, labels, registry=self.registry)

    def add_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Take an answered request; `route` is the pattern."""
        self.requests.add(method if method in _METHODS else "other", route, status)
        self.request_seconds.add(route, seconds)

    def add_attempt(self, kind: str, state: str, *, again: bool, waited: float | None) -> None:
        """Take an attempt at a delivery; `waited`: seconds since acceptance, when delivered."""
        self.attempts.add(kind, state)
        if again:
            self.retries.add(kind)
        if waited is not None:
            self.delivery_seconds.add(kind, max(waited, 0.0))

    def add_discord_call(self, status: int | None) -> None:
        """Take a REST call to Discord by its status, None when it got no answer."""
        self.discord_calls.add("none" if status is None else status)

    def set_deliveries(
        self, counts: Mapping[tuple[str, str], int], oldest: Mapping[str, float]
    ) -> None:
        """Take the deliveries' numbers by kind and state, and the oldest pending ones' ages.

        Both are empty while the store does not tell.
        """
        self._deliveries.clear()
        for (kind, state), count in counts.items():
            self._deliveries.labels(kind, state).set(count)
        self._oldest.clear()
        for kind, seconds in oldest.items():
            self._oldest.labels(kind).set(seconds)

    def set_events(self, *, held: int, dropped: Mapping[str, int]) -> None:
        """Take how many events are held in memory, and how many were given up, by place."""
        self._held.set(held)
        self._dropped.values = {(place,): count for place, count in dropped.items()}

    def set_reconciliation(self, counts: Mapping[str, int]) -> None:
        """Take what reconciliation has done since the start."""
        self._reconciled.values = {(what,): count for what, count in counts.items()}

    def set_breaker(self, other_side: str, state: str) -> None:
        """Take a breaker's state."""
        self._breakers.labels(other_side).set(_STATES[state])

    def set_gateway(self, *, ready: bool, guilds: int, latencies: Mapping[int, float]) -> None:
        """Take how the gateway stands; `latencies` in seconds, infinite where not known."""
        self._up.set(ready)
        self._guilds.set(guilds)
        self._latency.clear()
        for shard, latency in latencies.items():
            if math.isfinite(latency):
                self._latency.labels(str(shard)).set(latency)

    def set_store_up(self, up: bool) -> None:
        """Take whether the store answers."""
        self._store_up.set(up)

    def render(self) -> bytes:
        """Return everything in Prometheus's text format."""
        return generate_latest(self.registry)

    async def watch_loop(self) -> None:
        """Measure how late the loop is, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            before = loop.time()
            await asyncio.sleep(LAG_INTERVAL)
            self.loop_lag.add("", max(loop.time() - before - LAG_INTERVAL, 0.0))
