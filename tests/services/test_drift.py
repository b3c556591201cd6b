"""Drift: hands on roles and rows, and an hour that nobody heard; mended within one sweep."""

from __future__ import annotations

from random import Random

import pytest

from moddy.models import Snowflake
from moddy.store import users
from moddy.store.database import Database
from moddy.store.transactions import Connection
from tests.services.stage import OTHER_ROLE, PREMIUM_ROLE
from tests.services.watch import Watch

MEMBERS = [Snowflake(10**17 + number * 7) for number in range(300)]


@pytest.mark.slow
async def test_drift(database: Database) -> None:
    watch, random = Watch(database), Random(5)  # noqa: S311 (not a secret)
    members = watch.stage.roles.members
    premium = set(MEMBERS[::2])
    for user_id in MEMBERS:
        watch.stage.roles.add_member(user_id)
    await watch.make_premium(*premium)
    await watch.reconcile()
    assert {user_id for user_id in MEMBERS if watch.has_role(user_id)} == premium

    stripped = random.sample(sorted(premium), 60)
    gifted = random.sample(sorted(set(MEMBERS) - premium), 20)
    returned = random.sample(sorted(premium - set(stripped)), 30)
    gone = random.sample(sorted(premium - set(stripped) - set(returned)), 10)
    ended = random.sample(sorted(premium - set(stripped) - set(returned) - set(gone)), 5)
    begun = random.sample(sorted(set(MEMBERS) - premium - set(gifted)), 25)
    for user_id in stripped:
        members[user_id].clear()
    for user_id in gifted:
        members[user_id] = {PREMIUM_ROLE}
    for user_id in returned:  # left and came back, and no event of it was heard
        members[user_id] = {OTHER_ROLE}
    for user_id in gone:
        del members[user_id]

    async def edit(connection: Connection) -> None:
        for user_id in ended:
            await users.save_premium(connection, user_id, premium=False, until=None)
        for user_id in begun:
            await users.lock(connection, user_id)
            await users.save_premium(connection, user_id, premium=True, until=None)

    await database.transaction(edit)
    changes = len(watch.stage.roles.changes)

    assert await watch.reconcile() == 60 + 30 + 5 + 25
    now_premium = (premium - set(ended) - set(gone)) | set(begun)
    assert {user_id for user_id in members if watch.has_role(user_id)} == now_premium | {*gifted}
    assert all(members[user_id] == {PREMIUM_ROLE, OTHER_ROLE} for user_id in returned)
    touched = {change.user_id for change in watch.stage.roles.changes[changes:]}
    assert touched == {*stripped, *returned, *ended, *begun}
    assert await watch.reconcile() == 0
