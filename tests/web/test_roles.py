"""``POST /internal/roles/update``: every row of its answer table."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from moddy.errors import (
    DiscordRefused,
    DiscordUnavailable,
    GuildNotFound,
    MemberNotFound,
    MissingPermissions,
    RoleNotFound,
)
from moddy.store.database import Database
from tests.web.api import GUILD, PREMIUM_ROLE, Api, Setup, open_api
from tests.web.conftest import Log

BODY: dict[str, Any] = {"discord_id": "42", "plan": "moddy_max"}
QUEUED = "Role update queued"
NOT_MEMBER = "User not found in Discord server"
NO_ROLE = "Role not found in server"
UNASSIGNABLE = "Failed to update roles: Role cannot be assigned"
FORBIDDEN = "Failed to update roles: Missing permissions"


def answer(message: str, *, success: bool = False, guild_id: str | None = GUILD) -> dict[str, Any]:
    """Return the body of an answer other than the roles being as asked."""
    return {
        "success": success,
        "message": message,
        "roles_updated": False,
        "guild_id": None if guild_id is None else str(guild_id),
    }


UPDATED = answer("Roles updated successfully", success=True) | {"roles_updated": True}


async def test_the_plan_alone_gives_and_takes_the_premium_role(api: Api) -> None:
    api.roles.add_member("42", "5")
    cases: list[dict[str, Any]] = [
        {},
        {"add_roles": None, "remove_roles": None},
        {"add_roles": [], "remove_roles": []},
    ]
    for lists in cases:
        for plan, roles in (
            ("moddy_max", {"5", PREMIUM_ROLE}),
            ("moddy_basic", {"5"}),
            ("", {"5"}),
        ):
            response = await api.update_roles(BODY | lists | {"plan": plan})
            assert (response.status_code, response.json()) == (200, UPDATED)
            assert api.roles.members[api.roles.changes[0].user_id] == roles


async def test_the_lists_say_which_roles(api: Api) -> None:
    for role_id in ("11", "12", "13"):
        api.roles.add_role(role_id)
    api.roles.add_member("42", "13", "99")
    body = BODY | {"add_roles": ["11", "12", "11", "0011"], "remove_roles": ["13"]}
    response = await api.update_roles(body)
    assert (response.status_code, response.json()) == (200, UPDATED)
    (change,) = api.roles.changes
    assert (change.user_id, change.add, change.remove) == ("42", ("11", "12"), ("13",))
    assert api.roles.members[change.user_id] == {"11", "12", "99"}
    response = await api.update_roles(body)
    assert (response.status_code, response.json()) == (200, UPDATED)
    assert len(api.roles.changes) == 1  # they were as asked already


async def test_a_user_who_is_not_in_the_guild_gets_the_roles_on_joining(api: Api) -> None:
    response = await api.update_roles(BODY)
    assert (response.status_code, response.json()) == (200, answer(NOT_MEMBER))
    api.roles.add_member("42")
    api.deliveries.release_waiting()
    await _until_changed(api, 1)
    assert api.roles.changes[0].add == (PREMIUM_ROLE,)


async def test_a_role_that_cannot_be_changed_stops_the_whole_update(api: Api) -> None:
    api.roles.add_member("42", "13")
    for role_id in ("11", "13"):
        api.roles.add_role(role_id)
    managed = api.roles.add_role("14", managed=True)
    top = api.roles.add_role("15", position=10)
    cases = [
        ("404404", 200, NO_ROLE),
        (managed, 500, UNASSIGNABLE),
        (GUILD, 500, UNASSIGNABLE),
        (top, 200, None),
    ]
    for role_id, status, message in cases:
        api.roles.top_position = 10 if message else 9
        for lists in (
            {"add_roles": ["11", role_id]},
            {"add_roles": ["11"], "remove_roles": ["13", role_id]},
        ):
            response = await api.update_roles(BODY | lists)
            expected = (status, message) if message else (500, FORBIDDEN)
            assert (response.status_code, response.json()) == (expected[0], answer(expected[1]))
    assert not api.roles.changes


async def test_missing_permissions(api: Api) -> None:
    api.roles.add_member("42")
    api.roles.may_manage = False
    response = await api.update_roles(BODY)
    assert (response.status_code, response.json()) == (500, answer(FORBIDDEN))
    assert not api.roles.changes


ERRORS: list[tuple[Exception, int, str]] = [
    (MemberNotFound("left meanwhile", discord_code=10007), 200, NOT_MEMBER),
    (RoleNotFound("deleted meanwhile", discord_code=10011), 200, NO_ROLE),
    (MissingPermissions("refused", discord_code=50013), 500, FORBIDDEN),
    (DiscordRefused("refused"), 500, "Failed to update roles: Discord refused the change"),
]


async def test_what_discord_says_of_a_change(api: Api) -> None:
    for number, (error, status, message) in enumerate(ERRORS):
        discord_id = str(100 + number)
        api.roles.add_member(discord_id)
        api.roles.change_error = error
        response = await api.update_roles(BODY | {"discord_id": discord_id})
        assert (response.status_code, response.json()) == (status, answer(message))


@pytest.mark.parametrize("error", [DiscordUnavailable("down"), ValueError("a fault of ours")])
async def test_a_failing_discord_is_tried_again(api: Api, log: Log, error: Exception) -> None:
    log.errors_expected = isinstance(error, ValueError)
    api.roles.add_member("42")
    api.roles.read_error = error
    response = await api.update_roles(BODY)
    assert (response.status_code, response.json()) == (202, answer(QUEUED, success=True))
    api.roles.read_error = None
    api.clock.advance(timedelta(seconds=5))
    await _until_changed(api, 1)


async def test_a_hanging_discord_is_not_waited_for(database: Database) -> None:
    async with open_api(database, Setup(answer_within=0.2)) as api:
        api.roles.add_member("42")
        api.roles.gate.close()
        response = await api.update_roles(BODY)
        assert (response.status_code, response.json()) == (202, answer(QUEUED, success=True))
        api.roles.gate.open()
        await _until_changed(api, 1)


async def test_what_is_not_configured(sqlite_database: Database) -> None:
    lists = {"add_roles": ["11"]}
    async with open_api(sqlite_database, Setup(guild_id=None)) as api:
        for body in (BODY, BODY | lists):
            response = await api.update_roles(body, {"Idempotency-Key": "k"})
            expected = answer("MODDY_GUILD_ID not configured", guild_id=None)
            assert (response.status_code, response.json()) == (503, expected)
        assert not await api.rows()
    async with open_api(sqlite_database, Setup(premium_role_id=None)) as api:
        response = await api.update_roles(BODY, {"Idempotency-Key": "k"})
        expected = answer("MODDY_PREMIUM_ROLE_ID not configured")
        assert (response.status_code, response.json()) == (503, expected)
        api.roles.add_role("11")
        api.roles.add_member("42")
        response = await api.update_roles(BODY | lists, {"Idempotency-Key": "k"})
        assert (response.status_code, response.json()) == (200, UPDATED)


async def test_an_unknown_guild(api: Api) -> None:
    api.roles.known = False
    response = await api.update_roles(BODY)
    assert (response.status_code, response.json()) == (404, answer("Guild not found"))
    api.roles.known = True
    api.roles.read_error = GuildNotFound("unknown", discord_code=10004)
    response = await api.update_roles(BODY)
    assert (response.status_code, response.json()) == (404, answer("Guild not found"))


async def test_before_the_gateway_is_ready_a_guild_is_never_unknown(api: Api) -> None:
    api.roles.known = None
    api.roles.add_member("42")
    assert (await api.update_roles(BODY)).json() == UPDATED  # over REST
    api.roles.read_error = GuildNotFound("unknown", discord_code=10004)
    response = await api.update_roles(BODY)
    assert (response.status_code, response.json()) == (202, answer(QUEUED, success=True))


async def test_a_plan_is_required(lite: Api) -> None:
    for body, expected in (
        ({"discord_id": "42"}, "$.plan"),
        ({"discord_id": "42", "plan": None}, "$.plan"),
        ({"plan": "x"}, "$.discord_id"),
        (BODY | {"add_roles": ["11"], "remove_roles": ["12", "11"]}, "$.remove_roles"),
        (BODY | {"add_roles": ["11"], "remove_roles": ["0011"]}, "$.remove_roles"),
        (BODY | {"add_roles": "11"}, "$.add_roles"),
        (BODY | {"add_roles": [11]}, "$.add_roles[0]"),
        (BODY | {"remove_roles": ["11", "x"]}, "$.remove_roles[1]"),
        (BODY | {"remove_roles": {"11": 1}}, "$.remove_roles"),
    ):
        response = await lite.update_roles(body)
        assert response.status_code == 422, body
        assert response.json()["field"] == expected
    assert not await lite.rows()


async def _until_changed(api: Api, number: int) -> None:
    async with asyncio.timeout(20):
        while len(api.roles.changes) < number:
            api.deliveries.wake()
            await asyncio.sleep(0.01)
