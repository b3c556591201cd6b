"""``GET /internal/metrics`` over a real socket: what happened is what it says, to the digit."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from moddy.errors import DiscordUnavailable
from moddy.services.status import EventCounts
from moddy.store.database import Database
from tests.promtool import run_promtool
from tests.test_metrics import Series, read
from tests.web.api import Api, Setup, open_api
from tests.web.conftest import Log
from tests.web.raw import exchange, request

NOTICE = {"discord_id": "42", "action": "subscription_created", "plan": "moddy_max"}


async def scrape(api: Api) -> Series:
    """Return what Prometheus reads."""
    response = await api.client.get("/internal/metrics")
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/plain; version=")
    return read(response.content)


def get(series: Series, name: str, **labels: str) -> float | None:
    """Return one value."""
    return series.get((name, frozenset(labels.items())))


def requests(series: Series) -> dict[tuple[str, str, str], float]:
    """Return the numbers of requests by method, route and status."""
    found = {}
    for (name, labels), number in series.items():
        if name == "moddy_http_requests_total":
            by = dict(labels)
            found[by["method"], by["route"], by["status"]] = number
    return found


async def test_requests_are_counted_exactly(lite: Api) -> None:
    for _ in range(3):
        assert (await lite.notify(NOTICE)).status_code == 200
    assert (await lite.notify({**NOTICE, "discord_id": "x"})).status_code == 422
    assert (await lite.client.get("/internal/notify")).status_code == 405
    assert (await lite.client.get("/internal/nothing/42")).status_code == 404
    for _ in range(2):
        await lite.read_premium("42")
        await lite.client.head("/internal/health")
    refused = await lite.client.get("/internal/health", headers={"Authorization": "Bearer x"})
    assert refused.status_code == 403
    series = await scrape(lite)
    assert requests(series) == {
        ("POST", "/internal/notify", "200"): 3,
        ("POST", "/internal/notify", "422"): 1,
        ("GET", "unmatched", "405"): 1,
        ("GET", "unmatched", "404"): 1,
        ("GET", "/internal/users/{discord_id}/premium", "200"): 2,
        ("HEAD", "/internal/health", "200"): 2,
        ("GET", "/internal/health", "403"): 1,
    }
    seconds = "moddy_http_request_seconds_count"
    assert get(series, seconds, route="/internal/notify") == 4
    again = requests(await scrape(lite))
    assert again["GET", "/internal/metrics", "200"] == 1


async def test_deliveries_are_counted_exactly(sqlite_database: Database) -> None:
    async with open_api(sqlite_database, Setup(works=False)) as api:
        assert (await api.notify(NOTICE)).status_code == 200
        for user_id in ("43", "44"):
            api.messenger.errors[user_id] = DiscordUnavailable("down")
            assert (await api.notify({**NOTICE, "discord_id": user_id})).status_code == 202
        api.clock.advance(timedelta(seconds=90))
        first = await scrape(api)
        del api.messenger.errors["43"]
        api.start_worker()
        while len(api.messenger.sent) < 2:  # noqa: ASYNC110 (nothing tells of it)
            await asyncio.sleep(0.01)
        await api.stop_worker()
        second = await scrape(api)
    attempts, waiting = "moddy_delivery_attempts_total", "moddy_deliveries"
    assert get(first, attempts, kind="notify", state="delivered") == 1
    assert get(first, attempts, kind="notify", state="pending") == 2
    assert get(first, waiting, kind="notify", state="pending") == 2
    assert get(first, waiting, kind="notify", state="delivered") is None
    assert get(first, "moddy_oldest_pending_seconds", kind="notify") == 90
    assert get(first, "moddy_delivery_seconds_sum", kind="notify") == 0
    assert get(first, "moddy_delivery_retries_total", kind="notify") is None
    assert get(first, "moddy_store_up") == 1
    assert get(second, attempts, kind="notify", state="delivered") == 2
    assert get(second, attempts, kind="notify", state="pending") == 3
    assert get(second, "moddy_delivery_seconds_sum", kind="notify") == 90
    assert get(second, "moddy_delivery_retries_total", kind="notify") == 2


async def test_how_things_stand(lite: Api) -> None:
    lite.gateway.ready = False
    lite.breakers["backend"] = "open"
    lite.events = EventCounts(held=5, dropped={"memory": 2, "backlog": 0})
    lite.counters.added = 3
    series = await scrape(lite)
    assert get(series, "moddy_gateway_ready") == 0
    assert get(series, "moddy_guilds") == 1
    assert get(series, "moddy_gateway_latency_seconds", shard="0") == 0.042
    assert get(series, "moddy_breaker_state", other_side="backend") == 2
    assert get(series, "moddy_events_held") == 5
    assert get(series, "moddy_events_dropped_total", place="memory") == 2
    assert get(series, "moddy_reconciliation_total", what="added") == 3


async def test_it_is_for_who_has_the_secret(lite: Api) -> None:
    for path in ("/internal/metrics", "/internal/status"):
        response = await lite.client.get(path, headers={"Authorization": ""})
        assert response.status_code == 401
        assert "moddy_" not in response.text


async def test_what_clients_make_up_makes_few_series(lite: Api) -> None:
    for number in range(50):
        target = f"/internal/{number}/x?y={number}"
        await exchange(lite.port, request("GET", target, secret="s3cret-of-the-test"))
        await exchange(lite.port, request("PROPFIND", "/", secret=None))
    assert set(requests(await scrape(lite))) == {
        ("GET", "unmatched", "404"),
        ("other", "unmatched", "405"),
    }


async def test_two_apis_do_not_meet(lite: Api, log: Log) -> None:
    async with open_api(lite.database, Setup(works=False)) as other:
        await other.read_premium("42")
        assert requests(await scrape(lite)) == {}


async def test_promtool_finds_nothing_to_complain_of(lite: Api) -> None:
    await lite.notify(NOTICE)
    text = (await lite.client.get("/internal/metrics")).content
    assert run_promtool("check", "metrics", text=text) == ""
