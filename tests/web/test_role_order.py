"""Several role updates of one user: the newest wins, whatever is under way."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from moddy.errors import DiscordUnavailable, MemberNotFound
from moddy.models import Snowflake, encode
from moddy.services.intake import new_delivery_id
from moddy.services.roles import RolesPayload
from moddy.store import deliveries as store
from moddy.store import users
from moddy.store.database import Database, open_database
from moddy.store.deliveries import Delivery, DeliveryKind, DeliveryState, RequestContext
from moddy.store.migrate import migrate
from moddy.store.transactions import Connection
from tests.fakes import START
from tests.store.holding import Holding
from tests.web.api import GUILD, PREMIUM_ROLE, Api, Setup, open_api

USER = Snowflake.parse("42")
GIVE: dict[str, Any] = {"discord_id": "42", "plan": "moddy_max"}
TAKE: dict[str, Any] = {"discord_id": "42", "plan": "moddy_basic"}
PATIENT = Setup(answer_within=0.1)


async def test_a_newer_update_replaces_one_that_waits_for_its_next_try(api: Api) -> None:
    api.roles.add_member("42", PREMIUM_ROLE)
    api.roles.read_error = DiscordUnavailable("down")
    assert (await api.update_roles(TAKE)).status_code == 202
    api.roles.read_error = None
    api.roles.members[USER] = set()
    assert (await api.update_roles(GIVE)).status_code == 200
    api.clock.advance(timedelta(hours=1))
    await _settle(api)
    assert api.roles.members[USER] == {PREMIUM_ROLE}
    assert await _states(api) == ["replaced", "delivered"]


async def test_a_newer_update_replaces_one_that_waits_for_the_member(api: Api) -> None:
    await api.update_roles(GIVE)
    await api.update_roles(TAKE)
    assert await _states(api) == ["replaced", "waiting"]
    api.roles.add_member("42", PREMIUM_ROLE)
    api.deliveries.release_waiting(USER)
    async with asyncio.timeout(20):
        while "delivered" not in await _states(api):  # noqa: ASYNC110 (rows tell nobody)
            await asyncio.sleep(0.02)
    assert api.roles.members[USER] == set()


async def test_one_in_flight_never_lands_after_a_newer_one(database: Database) -> None:
    async with open_api(database, PATIENT) as api:
        api.roles.add_member("42")
        api.roles.gate.close()
        assert (await api.update_roles(GIVE)).status_code == 202
        await api.roles.gate.reached.wait()
        assert (await api.update_roles(TAKE)).status_code == 202
        api.roles.gate.open()
        await _settle(api)
        assert [(one.add, one.remove) for one in api.roles.changes] == [
            ((PREMIUM_ROLE,), ()),
            ((), (PREMIUM_ROLE,)),
        ]
        assert api.roles.members[USER] == set()
        assert await _states(api) == ["delivered", "delivered"]


async def test_one_in_flight_that_fails_makes_room_for_a_newer_one(database: Database) -> None:
    async with open_api(database, PATIENT) as api:
        api.roles.add_member("42")
        api.roles.gate.close()
        assert (await api.update_roles(GIVE)).status_code == 202
        await api.roles.gate.reached.wait()
        assert (await api.update_roles(TAKE)).status_code == 202
        api.roles.change_error = DiscordUnavailable("down")
        api.roles.gate.open()
        await _settle(api)
        assert await _states(api) == ["replaced", "delivered"]
        api.roles.change_error = None
        api.clock.advance(timedelta(hours=1))
        await _settle(api)
        assert api.roles.members[USER] == set()


async def test_of_many_at_once_the_last_one_accepted_wins(api: Api) -> None:
    api.roles.add_member("42")
    answers = await asyncio.gather(
        *(api.update_roles(TAKE if number % 3 else GIVE) for number in range(24))
    )
    assert {one.status_code for one in answers} <= {200, 202}
    await _settle(api)
    rows = await api.rows()
    assert len(rows) == 24
    assert rows[-1]["state"] == "delivered"
    newest_gives = b'"add":["' in rows[-1]["payload"]
    assert api.roles.members[USER] == ({PREMIUM_ROLE} if newest_gives else set())


async def test_updates_of_different_users_do_not_wait_for_each_other(api: Api) -> None:
    api.roles.add_member("42")
    api.roles.add_member("43", PREMIUM_ROLE)
    api.roles.gate.close()
    hanging = asyncio.create_task(api.update_roles(GIVE))
    await api.roles.gate.reached.wait()
    # Nothing to change: it does not meet the gate.
    assert (await api.update_roles(GIVE | {"discord_id": "43"})).status_code == 200
    assert not hanging.done()
    api.roles.gate.open()
    assert (await hanging).status_code == 200


async def test_one_that_fails_while_a_newer_one_is_being_accepted(postgresql_url: str) -> None:
    """On PostgreSQL another process may be accepting the newer update at this very moment."""
    async with open_database(postgresql_url) as database, open_database(postgresql_url) as other:
        await migrate(database)
        async with open_api(database, PATIENT) as api:
            api.roles.add_member("42", PREMIUM_ROLE)
            api.roles.gate.close()
            assert (await api.update_roles(TAKE)).status_code == 202
            await api.roles.gate.reached.wait()

            holding = Holding(other)
            accepting = asyncio.create_task(
                other.transaction(lambda c: _accept_elsewhere(c, holding))
            )
            await holding.inside.wait()
            api.roles.change_error = MemberNotFound("left meanwhile")
            api.roles.gate.open()
            await asyncio.sleep(0.3)  # for a recording that does not wait for the other commit
            api.roles.change_error = None
            holding.release()
            await accepting
            await _settle(api)
            assert await _states(api) == ["replaced", "delivered"]


async def _accept_elsewhere(connection: Connection, holding: Holding) -> None:
    """Do as `RoleUpdates` does to accept an update, with a pause before the commit."""
    await users.lock(connection, USER)
    await store.replace_older(connection, DeliveryKind.ROLES, USER, now=START)
    delivery = Delivery(
        id=new_delivery_id(),
        kind=DeliveryKind.ROLES,
        user_id=USER,
        state=DeliveryState.PENDING,
        payload=encode(RolesPayload(guild_id=str(GUILD), add=(str(PREMIUM_ROLE),), remove=())),
        created_at=START,
    )
    context = RequestContext(request_id="elsewhere", body_hash=bytes(32))
    await store.insert(connection, delivery, context)
    await holding.hold(connection)


async def _states(api: Api) -> list[str]:
    return [row["state"] for row in await api.rows()]


async def _settle(api: Api) -> None:
    """Return once nothing is due any more."""
    async with asyncio.timeout(20):
        while True:
            api.deliveries.wake()
            await asyncio.sleep(0.02)
            now = api.clock.now()
            rows = await api.rows()
            if not any(row["state"] == "pending" and row["due_at"] <= now for row in rows):
                return
