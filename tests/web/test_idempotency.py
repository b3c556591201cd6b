"""Idempotency: a request counts once, whatever way and however often it comes."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest

from moddy.errors import DirectMessagesClosed, DiscordRefused, DiscordUnavailable, UserNotFound
from moddy.store.database import Database
from tests.web.api import FALLBACK_CHANNEL, PREMIUM_ROLE, SECRET, Api, Setup, open_api
from tests.web.raw import exchange, request

BODY = {"discord_id": "42", "action": "subscription_created", "plan": "moddy_max"}
ROLES_BODY = {"discord_id": "42", "plan": "moddy_max"}
KEY = {"Idempotency-Key": "evt_1"}
REUSED = {
    "error": "Idempotency-Key reused with a different body",
    "field": "Idempotency-Key",
}


def is_replay(response: httpx.Response, first: httpx.Response) -> bool:
    """Tell whether an answer is the first one over again; replays say so, others do not."""
    assert (response.status_code, response.content) == (first.status_code, first.content)
    return bool(response.headers.get("Idempotent-Replayed") == "true")


async def test_every_final_answer_is_replayed_byte_for_byte(database: Database) -> None:
    async with open_api(database, Setup(fallback_channel_id=FALLBACK_CHANNEL)) as api:
        closed = DirectMessagesClosed("closed", discord_code=50007)
        api.messenger.errors = {
            "2": closed,
            "3": UserNotFound("unknown", discord_code=10013),
            "4": DiscordRefused("refused", discord_code=50035),
        }
        statuses = {"1": 200, "2": 200, "3": 404, "4": 500}
        for discord_id, status in statuses.items():
            body = BODY | {"discord_id": discord_id}
            headers = {"Idempotency-Key": f"key-{discord_id}"}
            first = await api.notify(body, headers)
            assert first.status_code == status
            assert not is_replay(first, first)
            api.messenger.errors.clear()  # what would be answered now does not matter
            assert is_replay(await api.notify(body, headers), first)
            assert is_replay(await api.notify(body, headers), first)
            api.messenger.errors = {
                "3": UserNotFound("unknown", discord_code=10013),
                "4": DiscordRefused("refused", discord_code=50035),
            }
        assert len(api.messenger.asked) == len(statuses)
        assert len(await api.rows()) == len(statuses)


async def test_a_stale_event_is_replayed_as_one(api: Api) -> None:
    await api.notify(BODY | {"metadata": {"event_created": 2}})
    body = BODY | {"metadata": {"event_created": 1}}
    first = await api.notify(body, KEY)
    assert first.json()["message"] == "Stale event ignored"
    assert not is_replay(first, first)
    assert is_replay(await api.notify(body, KEY), first)


async def test_before_the_final_answer_a_repeat_is_told_that_it_waits(database: Database) -> None:
    async with open_api(database, Setup(answer_within=0.1)) as api:
        api.messenger.gate.close()
        first = await api.notify(BODY, KEY)
        assert first.status_code == 202
        assert not is_replay(await api.notify(BODY, KEY), first)
        api.messenger.gate.open()
        final = await _replayed(api, BODY)
        assert (final.status_code, final.json()["notification_sent"]) == (200, True)
        assert len(api.messenger.asked) == 1


async def test_the_answer_of_a_later_try_is_the_final_one(api: Api) -> None:
    api.messenger.errors["42"] = DiscordUnavailable("down")
    first = await api.notify(BODY, KEY)
    assert first.status_code == 202
    assert not is_replay(await api.notify(BODY, KEY), first)
    api.messenger.errors["42"] = UserNotFound("unknown", discord_code=10013)
    api.clock.advance(timedelta(seconds=5))
    final = await _replayed(api, BODY)
    assert final.status_code == 404


@pytest.mark.parametrize("path", ["/internal/notify", "/internal/roles/update"])
async def test_twenty_at_once_are_one(api: Api, path: str) -> None:
    api.roles.add_member("42")
    body = BODY if path == "/internal/notify" else ROLES_BODY
    answers = await asyncio.gather(
        *(api.client.post(path, json=body, headers=KEY) for _ in range(20))
    )
    statuses = {one.status_code for one in answers}
    assert statuses <= {200, 202}
    assert [one.status_code for one in answers].count(200) >= 1
    assert len(await api.rows()) == 1
    final = await api.client.post(path, json=body, headers=KEY)
    assert final.headers["Idempotent-Replayed"] == "true"
    assert len(api.messenger.asked) + len(api.roles.changes) == 1


async def test_at_once_with_different_bodies_one_is_accepted(api: Api) -> None:
    bodies = [BODY | {"discord_id": str(number)} for number in range(1, 9)]
    answers = await asyncio.gather(*(api.notify(body, KEY) for body in bodies))
    assert sorted(one.status_code for one in answers) == [200] + [422] * 7
    (row,) = await api.rows()
    premium = [body["discord_id"] for body in bodies if await _is_premium(api, body["discord_id"])]
    assert premium == [row["discord_id"]]


@pytest.mark.parametrize(
    "other",
    [
        {"plan": "moddy_basic"},
        {"plan": None},
        {"discord_id": "43"},
        {"action": "plan_upgraded"},
        {"metadata": {}},
        {"unknown": 1},
        {"discord_id": "042"},
    ],
)
async def test_the_same_key_with_another_body_is_refused(lite: Api, other: dict[str, Any]) -> None:
    assert (await lite.notify(BODY, KEY)).status_code == 200
    response = await lite.notify(BODY | other, KEY)
    assert (response.status_code, response.json()) == (422, REUSED)
    assert len(await lite.rows()) == 1


SPELLINGS = [
    b'{"discord_id":"42","action":"plan_upgraded","plan":null,"metadata":{"amount":100,"x":"\xc3\xa9"}}',
    b'{"metadata":{"x":"\\u00e9","amount":100.0},"plan":null,"action":"plan_upgraded","discord_id":"42"}',
    b' {\n"discord_id" : "\\u0034\\u0032", "action":"plan_upgraded","metadata":{"amount":1e2,'
    b'"x":"\\u00E9"},\t"plan":null}\r\n',
]
OTHERS = [
    SPELLINGS[0].replace(b"100", b"101"),
    SPELLINGS[0].replace(b"100", b'"100"'),
    SPELLINGS[0].replace(b"100", b"true"),
    SPELLINGS[0].replace(b'"plan":null,', b""),
    SPELLINGS[0].replace(b"\xc3\xa9", b"e\xcc\x81"),
]


async def test_bodies_are_compared_as_json_values(api: Api) -> None:
    first = await _post(api, SPELLINGS[0])
    assert first.status_code == 200
    for body in SPELLINGS:
        assert is_replay(await _post(api, body), first)
    for body in OTHERS:
        assert (await _post(api, body)).json() == REUSED


async def test_large_numbers_are_compared_exactly(api: Api) -> None:
    template = b'{"discord_id":"42","action":"plan_upgraded","metadata":{"amount":%d}}'
    first = await _post(api, template % (2**64 + 1))
    assert first.status_code == 200
    assert is_replay(await _post(api, template % (2**64 + 1)), first)
    assert (await _post(api, template % 2**64)).json() == REUSED


async def test_the_event_id_is_a_key_too(api: Api) -> None:
    body = BODY | {"metadata": {"event_id": "evt_1"}}
    first = await api.notify(body)
    assert is_replay(await api.notify(body), first)
    assert is_replay(await api.notify(body, KEY), first)
    assert (await api.notify(BODY, KEY)).json() == REUSED


async def test_the_header_wins_over_the_event_id(api: Api) -> None:
    body = BODY | {"metadata": {"event_id": "evt_1"}}
    first = await api.notify(body, {"Idempotency-Key": "other"})
    assert is_replay(await api.notify(body, {"Idempotency-Key": "other"}), first)
    assert not is_replay(await api.notify(body), first)
    bad = BODY | {"metadata": {"event_id": "with space"}}
    assert (await api.notify(bad, {"Idempotency-Key": "third"})).status_code == 200


@pytest.mark.parametrize("event_id", ["", "  ", None, 7, ["x"], {}])
async def test_an_empty_event_id_is_none(lite: Api, event_id: object) -> None:
    body = BODY | {"metadata": {"event_id": event_id}}
    first = await lite.notify(body)
    assert not is_replay(await lite.notify(body), first)
    assert len(lite.messenger.sent) == 2


GOOD_KEYS = [b"!", b"~", b"x" * 255, b'"quoted"', b"a,b;c=d"]
BAD_KEYS = [b"", b"x" * 256, b"with space", b"tab\there", b"\xc3\xa9", b"\xff", b"\x7f"]


async def test_keys_are_visible_ascii_up_to_255(lite: Api) -> None:
    payload = b'{"discord_id":"42","action":"plan_upgraded"}'
    for good in GOOD_KEYS:
        data = request(
            "POST", "/internal/notify", b"Idempotency-Key: " + good, secret=SECRET, body=payload
        )
        assert (await exchange(lite.port, data)).status == 200
        response = await exchange(lite.port, data)
        assert response.headers["idempotent-replayed"] == "true"
    for path in ("/internal/notify", "/internal/roles/update"):
        body = payload if path == "/internal/notify" else b'{"discord_id":"42","plan":"x"}'
        for bad in BAD_KEYS:
            data = request("POST", path, b"Idempotency-Key: " + bad, secret=SECRET, body=body)
            response = await exchange(lite.port, data)
            # The parser itself refuses a control character.
            assert response.status == (400 if bad == b"\x7f" and response.status == 400 else 422)
            if response.status == 422:
                assert b'"field":"Idempotency-Key"' in response.body
    assert len(await lite.rows()) == len(GOOD_KEYS)


@pytest.mark.parametrize("event_id", ["x" * 256, "with space", "é", "a\u0000b", "a\nb"])
async def test_a_bad_event_id_is_refused(api: Api, event_id: str) -> None:
    response = await api.notify(BODY | {"metadata": {"event_id": event_id}})
    assert (response.status_code, response.json()["field"]) == (422, "$.metadata.event_id")
    assert not await api.rows()


async def test_a_key_is_for_one_endpoint(api: Api) -> None:
    api.roles.add_member("42")
    assert (await api.notify(BODY, KEY)).status_code == 200
    first = await api.update_roles(ROLES_BODY, KEY)
    assert (first.status_code, first.json()["roles_updated"]) == (200, True)
    assert not is_replay(first, first)
    assert is_replay(await api.update_roles(ROLES_BODY, KEY), first)
    other = ROLES_BODY | {"add_roles": [PREMIUM_ROLE]}
    assert (await api.update_roles(other, KEY)).json() == REUSED
    assert len(api.roles.changes) == 1


async def test_a_refused_body_uses_up_no_key(api: Api) -> None:
    assert (await api.notify({"discord_id": "42"}, KEY)).status_code == 422
    assert (await api.notify(BODY, KEY)).status_code == 200


async def test_premium_changes_once_for_one_key(api: Api) -> None:
    cancelled = BODY | {"action": "subscription_cancelled"}
    await api.notify(BODY, KEY)
    await api.notify(cancelled, {"Idempotency-Key": "evt_2"})
    assert is_replay(await api.notify(BODY, KEY), await api.notify(BODY, KEY))
    assert not await _is_premium(api, "42")


async def _post(api: Api, body: bytes) -> httpx.Response:
    headers = KEY | {"Content-Type": "application/json"}
    return await api.client.post("/internal/notify", content=body, headers=headers)


async def _is_premium(api: Api, discord_id: str) -> bool:
    return bool((await api.read_premium(discord_id))["premium"])


async def _replayed(api: Api, body: dict[str, Any]) -> httpx.Response:
    """Ask until there is a final answer."""
    async with asyncio.timeout(20):
        while True:
            api.deliveries.wake()
            response = await api.notify(body, KEY)
            if "Idempotent-Replayed" in response.headers:
                return response
            assert response.status_code == 202
            await asyncio.sleep(0.01)
