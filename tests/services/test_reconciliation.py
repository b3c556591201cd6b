"""The guild's roles come to be as they are to be, and nothing else is touched."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from moddy.errors import DiscordRefused, DiscordUnavailable, MissingPermissions
from moddy.models import NotifyAction
from moddy.services import answers
from moddy.services.role_repairs import RolesPayload
from moddy.store.deliveries import DeliveryState
from tests.fakes import RoleChange
from tests.services.stage import ADA, BEN, GUILD, OTHER_ROLE, PREMIUM_ROLE
from tests.services.watch import Watch


async def test_premium_without_the_role_gets_it_and_it_is_moddys(watch: Watch) -> None:
    watch.stage.roles.add_member(ADA, OTHER_ROLE)
    await watch.make_premium(ADA)
    assert await watch.reconcile() == 1
    assert watch.stage.roles.members[ADA] == {PREMIUM_ROLE, OTHER_ROLE}
    assert await watch.granted(ADA) == {PREMIUM_ROLE}
    assert await watch.reconcile() == 0
    assert (watch.counters.added, watch.counters.removed, watch.counters.passes) == (1, 0, 2)


async def test_what_was_stripped_by_hand_comes_back(watch: Watch) -> None:
    await watch.give(ADA)
    await watch.stage.answer(await watch.stage.accept_roles(add=[OTHER_ROLE]))
    watch.stage.roles.members[ADA].clear()
    assert await watch.reconcile() == 2
    assert watch.stage.roles.members[ADA] == {PREMIUM_ROLE, OTHER_ROLE}


async def test_premium_turned_off_takes_the_role_that_moddy_gave(watch: Watch) -> None:
    await watch.give(ADA)
    watch.stage.roles.members[ADA].add(OTHER_ROLE)
    await watch.turn_off(ADA)
    assert await watch.reconcile() == 1
    assert watch.stage.roles.members[ADA] == {OTHER_ROLE}
    assert await watch.granted(ADA) == set()


async def test_a_role_given_by_hand_stays(watch: Watch) -> None:
    watch.stage.roles.add_member(ADA, PREMIUM_ROLE)
    await watch.give(BEN)
    await watch.make_premium(ADA)
    await watch.turn_off(ADA)
    assert await watch.reconcile() == 0
    assert watch.has_role(ADA)
    assert watch.stage.roles.changes == [RoleChange(user_id=BEN, add=(PREMIUM_ROLE,), remove=())]


async def test_what_is_gone_and_given_again_by_hand_is_not_moddys(watch: Watch) -> None:
    await watch.give(ADA)
    watch.stage.roles.members[ADA].clear()
    await watch.turn_off(ADA)
    assert await watch.reconcile() == 0
    assert await watch.granted(ADA) == set()
    watch.stage.roles.members[ADA].add(PREMIUM_ROLE)
    assert await watch.reconcile() == 0
    assert watch.has_role(ADA)


async def test_what_was_given_after_the_look_is_not_forgotten(watch: Watch) -> None:
    await watch.give(ADA)
    await watch.turn_off(ADA)
    before = watch.stage.clock.now() - timedelta(days=1)
    repair = await watch.desk.owe(ADA, (), seen_at=before, trim=lambda found: found)
    assert repair.forget
    assert await watch.granted(ADA) == {PREMIUM_ROLE}


async def test_what_the_backend_orders_outlasts_the_sweep(watch: Watch) -> None:
    """Until PREMIUM itself changes: then that is the newer word."""
    await watch.give(ADA)
    watch.stage.roles.add_member(BEN)
    await watch.stage.answer(await watch.stage.accept_roles(plan="moddy_mini"))
    await watch.stage.answer(await watch.stage.accept_roles(user_id=BEN))
    assert await watch.reconcile() == 0
    assert (watch.has_role(ADA), watch.has_role(BEN)) == (False, True)
    await watch.stage.accept_notice(NotifyAction.SUBSCRIPTION_CANCELLED)
    await watch.make_premium(ADA, BEN)
    assert await watch.reconcile() == 1
    assert (watch.has_role(ADA), watch.has_role(BEN)) == (True, True)
    await watch.turn_off(BEN)
    await watch.reconcile()
    assert not watch.has_role(BEN)


async def test_order_before_its_notice(watch: Watch) -> None:
    watch.stage.roles.add_member(ADA)
    await watch.stage.answer(await watch.stage.accept_roles())
    assert await watch.reconcile() == 0
    await watch.make_premium(ADA)
    await watch.stage.accept_notice(NotifyAction.SUBSCRIPTION_CANCELLED)
    assert await watch.reconcile() == 1
    assert not watch.has_role(ADA)


@pytest.mark.parametrize("resumed", [True, False])
async def test_order_to_take_it_stands_until_premium_is_for_good_again(
    watch: Watch, resumed: bool
) -> None:
    await watch.give(ADA)
    await watch.stage.answer(await watch.stage.accept_roles(plan="moddy_mini"))
    end = watch.stage.clock.now() + timedelta(days=10)
    metadata = {"cancel_at_period_end": True, "current_period_end": end.isoformat()}
    await watch.stage.accept_notice(NotifyAction.SUBSCRIPTION_CANCELLED, metadata=metadata)
    assert await watch.reconcile() == 0
    if resumed:
        await watch.stage.accept_notice(NotifyAction.SUBSCRIPTION_UPDATED)
        await watch.reconcile()
    assert watch.has_role(ADA) is resumed


async def test_a_role_that_the_backend_takes_is_not_given_again(watch: Watch) -> None:
    watch.stage.roles.add_member(ADA)
    await watch.stage.answer(await watch.stage.accept_roles(add=[OTHER_ROLE]))
    assert await watch.granted(ADA) == {OTHER_ROLE}
    watch.stage.roles.change_error = MissingPermissions("x")
    await watch.stage.answer(await watch.stage.accept_roles(remove=[OTHER_ROLE]))
    watch.stage.roles.change_error = None
    watch.stage.roles.members[ADA].clear()
    assert await watch.reconcile() == 0
    assert watch.stage.roles.members[ADA] == set()


async def test_an_order_that_was_refused_gives_nothing(watch: Watch) -> None:
    watch.stage.roles.add_member(ADA)
    watch.stage.roles.change_error = DiscordRefused("x")
    answer = await watch.stage.answer(await watch.stage.accept_roles(add=[OTHER_ROLE]))
    assert answer == answers.roles_refused(GUILD)
    assert await watch.granted(ADA) == set()


async def test_a_crash_hides_no_grant(watch: Watch) -> None:
    """The role was given, and then nobody was there to note it."""
    watch.stage.roles.add_member(ADA)
    await watch.make_premium(ADA)
    watch.stage.roles.change_error = DiscordUnavailable("x", maybe_done=True)
    await watch.stage.answer(await watch.stage.accept_roles())
    watch.stage.roles.change_error = None
    watch.stage.roles.members[ADA].add(PREMIUM_ROLE)
    watch.stage.clock.advance(timedelta(seconds=5))
    await watch.deliver()
    assert watch.stage.roles.changes == []
    await watch.turn_off(ADA)
    await watch.reconcile()
    assert not watch.has_role(ADA)


async def test_another_update_under_way_goes_first(watch: Watch) -> None:
    watch.stage.roles.add_member(ADA)
    await watch.make_premium(ADA)
    order = await watch.stage.accept_roles(add=[OTHER_ROLE])
    assert await watch.look() == 1
    assert await watch.repairs() == []
    await watch.deliver()
    assert await watch.stage.state(order) is DeliveryState.DELIVERED
    await watch.reconcile()
    assert watch.stage.roles.members[ADA] == {PREMIUM_ROLE, OTHER_ROLE}


async def test_an_order_that_waits_for_a_member_who_is_there_is_tried(watch: Watch) -> None:
    await watch.make_premium(ADA)
    order = await watch.stage.accept_roles()
    await watch.stage.answer(order)
    watch.stage.roles.add_member(ADA)
    await watch.reconcile()
    assert await watch.stage.state(order) is DeliveryState.DELIVERED
    assert watch.has_role(ADA)


async def test_a_repair_is_done_only_if_it_is_still_right(watch: Watch) -> None:
    watch.stage.roles.add_member(ADA)
    await watch.make_premium(ADA)
    await watch.look()
    await watch.turn_off(ADA)
    await watch.deliver()
    assert watch.stage.roles.changes == []
    assert [state for state, _ in await watch.repairs()] == ["delivered"]


async def test_join(watch: Watch) -> None:
    await watch.give(ADA)
    del watch.stage.roles.members[ADA]
    watch.stage.roles.add_member(ADA, OTHER_ROLE)
    watch.stage.roles.add_member(BEN)
    await watch.join(ADA, BEN)
    await watch.deliver()
    assert watch.stage.roles.members[ADA] == {PREMIUM_ROLE, OTHER_ROLE}
    assert watch.stage.roles.members[BEN] == set()


async def test_join_while_moddy_was_down(watch: Watch) -> None:
    await watch.give(ADA)
    del watch.stage.roles.members[ADA]
    assert await watch.reconcile() == 0
    watch.stage.roles.add_member(ADA)
    watch.start()
    assert await watch.guild.sweep() == 1
    await watch.deliver()
    assert watch.has_role(ADA)


async def test_joins_twice_and_twice_seen_is_one_repair(watch: Watch) -> None:
    await watch.make_premium(ADA)
    watch.stage.roles.add_member(ADA)
    await asyncio.gather(*(watch.join(ADA) for _ in range(3)))
    assert len(await watch.repairs()) == 1


@pytest.mark.parametrize("trouble", ["role deleted", "hierarchy", "permission", "managed"])
async def test_roles_that_moddy_cannot_manage_are_left_alone(watch: Watch, trouble: str) -> None:
    await watch.give(BEN)
    await watch.turn_off(BEN)
    watch.stage.roles.add_member(ADA)
    await watch.make_premium(ADA)
    roles = watch.stage.roles
    before = len(roles.changes)
    if trouble == "role deleted":
        del roles.roles[PREMIUM_ROLE]
    elif trouble == "hierarchy":
        roles.add_role(PREMIUM_ROLE, position=11)
    elif trouble == "managed":
        roles.add_role(PREMIUM_ROLE, managed=True)
    else:
        roles.may_manage = False
    assert await watch.reconcile() == 0
    assert (watch.counters.blocked, len(roles.changes)) == (2, before)
    roles.may_manage = True
    roles.add_role(PREMIUM_ROLE)
    assert await watch.reconcile() == 2
    assert (watch.has_role(ADA), watch.has_role(BEN)) == (True, False)


async def test_a_deleted_role_is_forgotten(watch: Watch) -> None:
    await watch.give(ADA)
    await watch.stage.answer(await watch.stage.accept_roles(add=[OTHER_ROLE]))
    del watch.stage.roles.roles[OTHER_ROLE]
    watch.stage.roles.members[ADA] = set()
    await watch.reconcile()
    assert watch.stage.roles.members[ADA] == {PREMIUM_ROLE}
    assert await watch.granted(ADA) == {PREMIUM_ROLE}
    assert watch.counters.blocked == 0


async def test_a_repair_says_that_it_is_one(watch: Watch) -> None:
    watch.stage.roles.add_member(ADA)
    await watch.make_premium(ADA)
    await watch.look()
    payload = RolesPayload(guild_id=GUILD, add=(PREMIUM_ROLE,), remove=(), repair=True)
    assert await watch.repairs() == [("pending", payload)]
