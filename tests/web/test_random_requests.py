"""Random requests: never a 500, never an unhandled exception, never a hang."""

from __future__ import annotations

import asyncio
import math
import string
from collections import Counter
from collections.abc import Iterator
from typing import Any

import aiohttp
import httpx
import hypothesis
import msgspec
import pytest
from hypothesis import strategies as st

from moddy.models import NotifyAction
from tests.web.api import SECRET, Api
from tests.web.fuzzing import RandomRequest, make_requests

# On each kind of database; 10,000 in all.
NUMBER = 5_000
CONNECTIONS = 16
# Without `event_id`: it is a key, and the dice would use one twice.
METADATA_KEYS = ["amount", "currency", "message", "changes", "event_created", "new_plan", "x"]
ALLOWED = {200, 202, 400, 413, 415, 422}


@pytest.mark.slow
async def test_five_thousand_random_requests(api: Api) -> None:
    for role_id in ("11", "12"):
        api.roles.add_role(role_id)
    seen: Counter[int] = Counter()
    requests = make_requests(20_250_101, NUMBER)
    async with _open_session(api) as session, asyncio.TaskGroup() as group:
        for _ in range(CONNECTIONS):
            group.create_task(_send_all(session, requests, seen))
    assert set(seen) <= ALLOWED, seen
    assert sum(seen.values()) == NUMBER
    # The dice reach all that matters: accepted, not JSON, of another type, wrong.
    assert min(seen[status] for status in (200, 400, 415, 422)) > NUMBER / 200, seen
    await _check_alive(api)


async def _send_all(
    session: aiohttp.ClientSession, requests: Iterator[RandomRequest], seen: Counter[int]
) -> None:
    for one in requests:
        async with session.post(one.path, data=one.body, headers=one.headers) as response:
            body = await response.read()
            seen[response.status] += 1
            assert response.status in ALLOWED, (response.status, one)
            assert response.headers["X-Request-ID"]
            answer = msgspec.json.decode(body, type=dict[str, object])
            assert "error" in answer or "success" in answer


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=5,
)
IDS = st.integers(1, 2**64 - 1).map(str) | st.sampled_from(["11", "12", "0", "x", "", "9" * 20])
ID_LISTS = st.none() | st.lists(IDS, max_size=3) | JSON
NOTIFY = st.fixed_dictionaries(
    {},
    optional={
        "discord_id": IDS | JSON,
        "action": st.sampled_from([one.value for one in NotifyAction]) | JSON,
        "plan": st.none() | st.text() | JSON,
        "metadata": st.dictionaries(st.sampled_from(METADATA_KEYS), JSON) | JSON,
    },
)
ROLES = st.fixed_dictionaries(
    {},
    optional={
        "discord_id": IDS | JSON,
        "plan": st.text() | JSON,
        "add_roles": ID_LISTS,
        "remove_roles": ID_LISTS,
    },
)


REQUESTS = st.one_of(
    st.tuples(st.just("notify"), NOTIFY | JSON),
    st.tuples(st.just("roles/update"), ROLES | JSON),
)
# JSON has no infinity: it is sent as null, and no plan is a valid one.
INFINITE = {"discord_id": "11", "action": "plan_upgraded", "plan": math.inf}


async def test_what_is_accepted_and_what_is_not(api: Api) -> None:
    """Compare with the contract's rules, written a second time below."""
    loop = asyncio.get_running_loop()

    async def post(path: str, content: bytes) -> httpx.Response:
        headers = {"Content-Type": "application/json"}
        return await api.client.post(path, content=content, headers=headers)

    @hypothesis.settings(max_examples=150, deadline=None, database=None)
    @hypothesis.given(REQUESTS)
    @hypothesis.example(("notify", INFINITE))
    def check(request: tuple[str, Any]) -> None:
        name, drawn = request
        content = msgspec.json.encode(drawn)
        hypothesis.note(f"sent to {name}: {content!r}")
        asking = asyncio.run_coroutine_threadsafe(post(f"/internal/{name}", content), loop)
        response = asking.result(timeout=10)
        body = msgspec.json.decode(content)  # what was said, which may not be what was drawn
        acceptable = _is_notify(body) if name == "notify" else _is_roles(body)
        assert response.status_code in ((200, 202) if acceptable else (422,)), (
            f"{name} {content!r} was answered {response.status_code} {response.text}"
        )

    await asyncio.to_thread(check)
    await _check_alive(api)


def _is_id(value: object) -> bool:
    return (
        isinstance(value, str)
        and 1 <= len(value) <= 20
        and set(value) <= set(string.digits)
        and 1 <= int(value) < 2**64
    )


def _is_notify(body: object) -> bool:
    return (
        isinstance(body, dict)
        and _is_id(body.get("discord_id"))
        and body.get("action") in [one.value for one in NotifyAction]
        and isinstance(body.get("plan"), str | None)
        and isinstance(body.get("metadata"), dict | None)
    )


def _is_roles(body: object) -> bool:
    if not isinstance(body, dict):
        return False
    lists = [body.get("add_roles"), body.get("remove_roles")]
    if not all(
        one is None or (isinstance(one, list) and all(_is_id(item) for item in one))
        for one in lists
    ):
        return False
    add, remove = ({int(item) for item in one or ()} for one in lists)
    return _is_id(body.get("discord_id")) and isinstance(body.get("plan"), str) and not add & remove


async def _check_alive(api: Api) -> None:
    """Check that the API answers as ever, and that nothing is left to try again without reason."""
    body = {"discord_id": "42", "action": "plan_upgraded"}
    assert (await api.notify(body)).status_code == 200
    health = await api.client.get("/internal/health")
    assert health.json()["status"] == "healthy"
    assert not [row for row in await api.rows() if row["last_error"] == "internal_error"]


def _open_session(api: Api) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        f"http://127.0.0.1:{api.port}",
        headers={"Authorization": f"Bearer {SECRET}"},
        timeout=aiohttp.ClientTimeout(total=10),
        connector=aiohttp.TCPConnector(limit=CONNECTIONS),
    )
