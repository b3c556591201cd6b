"""The PREMIUM attribute: reading it, and what each action makes of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tests.fakes import START
from tests.web.api import Api

LAST_ID = "18446744073709551615"
SOON = START + timedelta(days=10)
NEVER = {"premium": False, "premium_until": None}
ON = {"premium": True, "premium_until": None}
UNTIL_SOON = {"premium": True, "premium_until": "2025-01-11T12:00:00Z"}
AT_PERIOD_END = {"cancel_at_period_end": True, "current_period_end": SOON.isoformat()}


async def test_a_user_never_heard_of_is_not_premium(api: Api) -> None:
    for discord_id in ("1", "123456789012345678", LAST_ID):
        assert await api.read_premium(discord_id) == {"discord_id": discord_id} | NEVER


BAD_IDS = [
    "0", "x", "-1", "1.0", "18446744073709551616", "123456789012345678901", "%20", "%D9%A1", "+1",
    "1%2F2", "%7Bdiscord_id%7D", "null", "1%00", "%FF",
]  # fmt: skip


async def test_a_bad_id_is_refused(lite: Api) -> None:
    for discord_id in BAD_IDS:
        response = await lite.client.get(f"/internal/users/{discord_id}/premium")
        assert response.status_code == 422, discord_id
        assert response.json()["field"] == "$.discord_id"
        assert set(response.json()) == {"error", "field"}


async def test_an_id_has_one_spelling(api: Api) -> None:
    body = {"discord_id": "007", "action": "subscription_created", "plan": "moddy_max"}
    assert (await api.notify(body)).status_code == 200
    assert await api.read_premium("7") == {"discord_id": "7"} | ON
    assert await api.read_premium("0007") == {"discord_id": "7"} | ON


# action, plan, metadata, then PREMIUM afterwards for somebody who was not and for one who was
EFFECTS: list[tuple[str, str | None, dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ("subscription_created", "moddy_max", {}, ON, ON),
    ("subscription_created", "moddy_basic", {}, NEVER, ON),
    ("subscription_created", None, {}, NEVER, ON),
    ("subscription_updated", "moddy_max", {}, ON, ON),
    ("subscription_updated", None, {}, NEVER, ON),
    ("subscription_updated", "no_such_plan", {}, NEVER, ON),
    ("subscription_cancelled", "moddy_max", {}, NEVER, NEVER),
    ("subscription_cancelled", None, {}, NEVER, NEVER),
    ("subscription_cancelled", None, AT_PERIOD_END, NEVER, UNTIL_SOON),
    ("subscription_cancelled", None, {"current_period_end": SOON.isoformat()}, NEVER, NEVER),
    ("subscription_cancelled", None, {"cancel_at_period_end": True}, NEVER, NEVER),
    (
        "subscription_cancelled",
        None,
        {"cancel_at_period_end": True, "current_period_end": int(SOON.timestamp())},
        NEVER,
        UNTIL_SOON,
    ),
    (
        "subscription_cancelled",
        None,
        {"cancel_at_period_end": True, "current_period_end": "2024-12-31T00:00:00Z"},
        NEVER,
        NEVER,
    ),
    # Only the JSON value true asks for the end of the period; another type counts as absent.
    (
        "subscription_cancelled",
        None,
        AT_PERIOD_END | {"cancel_at_period_end": "true"},
        NEVER,
        NEVER,
    ),
    ("subscription_cancelled", None, AT_PERIOD_END | {"current_period_end": []}, NEVER, NEVER),
    ("plan_upgraded", "moddy_max", {}, ON, ON),
    ("plan_upgraded", "moddy_basic", {}, NEVER, ON),
    ("plan_upgraded", None, {"new_plan": "moddy_max"}, ON, ON),
    ("plan_downgraded", "moddy_max", {}, ON, ON),
    ("plan_downgraded", "moddy_basic", {}, NEVER, NEVER),
    ("plan_downgraded", "moddy_max", {"new_plan": "moddy_basic"}, NEVER, NEVER),
    ("plan_downgraded", None, {}, NEVER, NEVER),
]


async def test_each_action_has_its_effect(api: Api) -> None:
    created = {"action": "subscription_created", "plan": "moddy_max"}
    for number, (action, plan, metadata, of_other, of_premium) in enumerate(EFFECTS):
        other, premium = str(1000 + number), str(2000 + number)
        assert (await api.notify({"discord_id": premium} | created)).status_code == 200
        for discord_id, expected in ((other, of_other), (premium, of_premium)):
            body = {"discord_id": discord_id, "action": action, "plan": plan, "metadata": metadata}
            assert (await api.notify(body)).status_code == 200
            assert await api.read_premium(discord_id) == {"discord_id": discord_id} | expected, body


async def test_premium_ends_by_itself_at_the_periods_end(api: Api) -> None:
    body = {"discord_id": "1", "action": "subscription_created", "plan": "moddy_max"}
    await api.notify(body)
    await api.notify(body | {"action": "subscription_cancelled", "metadata": AT_PERIOD_END})
    api.clock.advance(timedelta(days=10, seconds=-1))
    assert await api.premium.end_due() == 0
    assert await api.read_premium("1") == {"discord_id": "1"} | UNTIL_SOON
    api.clock.advance(timedelta(seconds=1))
    assert await api.read_premium("1") == {"discord_id": "1"} | NEVER
    assert await api.premium.end_due() == 1
    assert await api.premium.end_due() == 0
    assert await api.read_premium("1") == {"discord_id": "1"} | NEVER


async def test_a_customer_who_stays_after_all_keeps_premium(api: Api) -> None:
    body = {"discord_id": "1", "action": "subscription_created", "plan": "moddy_max"}
    await api.notify(body)
    await api.notify(body | {"action": "subscription_cancelled", "metadata": AT_PERIOD_END})
    await api.notify(body | {"action": "subscription_updated"})
    assert await api.read_premium("1") == {"discord_id": "1"} | ON
    api.clock.advance(timedelta(days=11))
    assert await api.premium.end_due() == 0
    assert await api.read_premium("1") == {"discord_id": "1"} | ON
