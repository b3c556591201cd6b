"""Whatever happens in whatever order: no role goes that Moddy did not give, and all settles."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from moddy.errors import DiscordUnavailable
from moddy.models import NotifyAction, Snowflake
from moddy.store.database import open_database
from tests.services.stage import ADA, BEN, OTHER_ROLE, PREMIUM_ROLE
from tests.services.watch import Watch

PEOPLE = [ADA, BEN]
EVA = Snowflake("100000000000000000")  # to whom nothing happens
ROLES = [PREMIUM_ROLE, OTHER_ROLE]
ACTIONS = [
    *("join", "leave", "strip", "give by hand", "premium on", "premium off", "rows off"),
    *("order premium", "order end", "order other", "order other away", "outage", "sweep"),
]
Step = tuple[str, Snowflake]


class World:
    """A watch, and who gave each role that a member has: by the rules, not by the store."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.by_hand: set[tuple[Snowflake, Snowflake]] = set()
        # What the backend itself had taken: an order is an order.
        self.ordered_away: set[tuple[Snowflake, Snowflake]] = set()

    async def do(self, action: str, user_id: Snowflake) -> None:
        """Have something happen."""
        stage = self.watch.stage
        if action in ("join", "leave", "strip", "give by hand"):
            await self._by_hand(action, user_id)
        elif action == "premium on":
            await stage.accept_notice(user_id=user_id)
        elif action == "premium off":
            await stage.accept_notice(NotifyAction.SUBSCRIPTION_CANCELLED, user_id=user_id)
        elif action == "rows off":
            await self.watch.turn_off(user_id)
        elif action == "outage":
            stage.roles.change_error = DiscordUnavailable("x")
            await self.watch.reconcile()
            stage.roles.change_error = None
            stage.tick(5)
        elif action == "sweep":
            await self.settle()
        else:
            await self._order(action, user_id)

    async def _by_hand(self, action: str, user_id: Snowflake) -> None:
        members = self.watch.stage.roles.members
        if action == "join" and user_id not in members:
            members[user_id] = set()
            await self.watch.join(user_id)
        elif action == "give by hand" and user_id in members:
            self.by_hand |= {(user_id, role_id) for role_id in {*ROLES} - members[user_id]}
            members[user_id] |= {*ROLES}
        elif action in ("leave", "strip") and user_id in members:
            self.by_hand -= {(user_id, role_id) for role_id in ROLES}
            members[user_id].clear()
            if action == "leave":
                del members[user_id]
            else:
                # Somebody's hand is seen before the next one: nobody can tell two apart.
                await self.settle()

    async def _order(self, action: str, user_id: Snowflake) -> None:
        stage = self.watch.stage
        if action == "order premium":
            await stage.accept_roles(user_id=user_id)
        elif action == "order end":
            await stage.accept_roles(user_id=user_id, plan="moddy_mini")
            self.ordered_away.add((user_id, PREMIUM_ROLE))
        elif action == "order other":
            await stage.accept_roles(user_id=user_id, add=[OTHER_ROLE])
        else:
            await stage.accept_roles(user_id=user_id, remove=[OTHER_ROLE])
            self.ordered_away.add((user_id, OTHER_ROLE))

    async def settle(self) -> None:
        """Deliver and sweep; what was given by hand is still there, unless ordered away."""
        await self.watch.deliver()
        await self.watch.reconcile()
        members = self.watch.stage.roles.members
        for user_id, role_id in self.by_hand - self.ordered_away:
            assert role_id in members[user_id], (user_id, role_id)
        self.by_hand = {
            (user_id, role_id) for user_id, role_id in self.by_hand if role_id in members[user_id]
        }
        self.ordered_away.clear()


async def run(steps: list[Step], url: str) -> None:
    async with open_database(url) as database:
        world = World(Watch(database))
        await world.watch.give(EVA)
        for user_id in PEOPLE:
            await world.do("join", user_id)
            await world.do("premium off", user_id)
        for action, user_id in steps:
            await world.do(action, user_id)
        await world.settle()
        await world.settle()
        assert world.watch.stage.roles.members[EVA] == {PREMIUM_ROLE}
        # It has converged: there is nothing left to do.
        changes = len(world.watch.stage.roles.changes)
        assert await world.watch.reconcile() == 0
        assert len(world.watch.stage.roles.changes) == changes


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.tuples(st.sampled_from(ACTIONS), st.sampled_from(PEOPLE)), min_size=4, max_size=16)
)
def test_states(migrated_sqlite_file: Path, steps: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "moddy.db"
        shutil.copy(migrated_sqlite_file, path)
        asyncio.run(run(steps, f"sqlite:///{path}"))
