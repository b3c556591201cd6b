"""Who of the staff may do what, and who says so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from moddy.errors import StaffRefused
from moddy.models import Snowflake
from moddy.services.staff import Authority, Description
from moddy.staff import AuditOutcome, Refusal, StaffAction, StaffMember, StaffRole
from moddy.store.database import Database
from moddy.store.transactions import Connection
from tests.fakes import START
from tests.services.refund_stage import ANNA, BERT, CUSTOMER, DEVELOPER, STRANGER, RefundStage

MANAGER = Snowflake("500000000000000004")
SUPERVISOR = Snowflake("500000000000000005")
VIEWING = {
    StaffAction.VIEW_SUBSCRIPTION,
    StaffAction.VIEW_INVOICES,
    StaffAction.VIEW_ACCOUNT,
    StaffAction.REVEAL_EMAIL,
    StaffAction.VIEW_DELIVERIES,
}
MANAGING = {
    StaffAction.RETRY_DELIVERY,
    StaffAction.PROPOSE_REFUND,
    StaffAction.CONFIRM_REFUND,
    StaffAction.CANCEL_REFUND,
    StaffAction.APPROVE_REFUND,
    StaffAction.REJECT_REFUND,
    StaffAction.ASK_REFUND_AGAIN,
    StaffAction.SETTLE_REFUND,
    StaffAction.VIEW_REFUND,
}
SUPERVISING = {StaffAction.LIST_STAFF, StaffAction.READ_AUDIT, StaffAction.ALLOW_REMOVALS}
APPOINTING = {StaffAction.ADD_STAFF, StaffAction.REMOVE_STAFF}


@pytest.fixture
def stage(database: Database) -> RefundStage:
    return RefundStage(database)


@contextmanager
def refused(refusal: Refusal) -> Iterator[None]:
    with pytest.raises(StaffRefused) as caught:
        yield
    assert caught.value.refusal is refusal


def member(role: StaffRole, *, view: bool = False, manage: bool = False) -> Authority:
    found = StaffMember(
        discord_id=ANNA,
        role=role,
        may_view=view,
        may_manage=manage,
        added_by=DEVELOPER,
        added_at=START,
    )
    return Authority(person_id=ANNA, is_developer=False, member=found)


@pytest.mark.parametrize("action", list(StaffAction), ids=lambda action: action.value)
def test_each_action_needs_what_it_needs_and_nothing_else(action: StaffAction) -> None:
    for role in StaffRole:
        for view in (False, True):
            for manage in (False, True):
                authority = member(role, view=view, manage=manage)
                needs = (
                    action in VIEWING and not view,
                    action in MANAGING and not manage,
                    action in SUPERVISING and role is StaffRole.SUPPORT,
                    action in APPOINTING and role is not StaffRole.MANAGER,
                )
                assert (authority.refusal(action) is not None) is any(needs)


@pytest.mark.parametrize("action", list(StaffAction), ids=lambda action: action.value)
def test_developers_may_everything_and_strangers_nothing(action: StaffAction) -> None:
    developer = Authority(person_id=DEVELOPER, is_developer=True, member=None)
    stranger = Authority(person_id=STRANGER, is_developer=False, member=None)
    assert developer.refusal(action) is None
    assert stranger.refusal(action) is Refusal.NOT_STAFF


async def add(
    stage: RefundStage,
    actor: Snowflake,
    person: Snowflake,
    role: StaffRole = StaffRole.SUPPORT,
    *,
    view: bool = True,
    manage: bool = False,
) -> StaffMember:
    return await stage.staff.add(actor, person, role, may_view=view, may_manage=manage)


async def test_a_developer_makes_the_first_manager_who_makes_the_rest(stage: RefundStage) -> None:
    await add(stage, DEVELOPER, MANAGER, StaffRole.MANAGER, manage=True)
    await add(stage, MANAGER, SUPERVISOR, StaffRole.SUPERVISOR)
    added = await add(stage, MANAGER, ANNA, manage=True)
    assert (added.added_by, added.added_at) == (MANAGER, stage.clock.now())
    assert [one.discord_id for one in await stage.staff.find_all()] == [ANNA, MANAGER, SUPERVISOR]
    assert (await stage.trail())[-1].detail == "Support subscription_view subscription_manage"


async def test_nobody_raises_themselves_or_their_peers(stage: RefundStage) -> None:
    await stage.employ(MANAGER, role=StaffRole.MANAGER, may_manage=False)
    await stage.employ(BERT, role=StaffRole.MANAGER)
    await stage.employ(SUPERVISOR, role=StaffRole.SUPERVISOR)
    with refused(Refusal.ONESELF):
        await add(stage, MANAGER, MANAGER, StaffRole.MANAGER, manage=True)
    with refused(Refusal.RANK_TOO_HIGH):
        await add(stage, MANAGER, ANNA, StaffRole.MANAGER)
    with refused(Refusal.RANK_TOO_HIGH):
        await add(stage, MANAGER, BERT, StaffRole.SUPPORT)
    with refused(Refusal.PERMISSION_NOT_HELD):
        await add(stage, MANAGER, ANNA, manage=True)
    with refused(Refusal.NEEDS_MANAGER):
        await add(stage, SUPERVISOR, ANNA)
    with refused(Refusal.NOT_STAFF):
        await add(stage, STRANGER, STRANGER)
    with refused(Refusal.ONESELF):
        await add(stage, DEVELOPER, DEVELOPER)
    assert len(await stage.staff.find_all()) == 3
    assert {one.outcome for one in await stage.trail()} == {AuditOutcome.REFUSED}


async def test_changing_and_removing(stage: RefundStage) -> None:
    await stage.employ(MANAGER, role=StaffRole.MANAGER)
    await stage.employ(BERT, role=StaffRole.MANAGER)
    await stage.employ(ANNA)
    changed = await add(stage, MANAGER, ANNA, StaffRole.SUPERVISOR, view=False)
    assert await stage.database.read(lambda c: stage.staff.authority(c, ANNA)) == Authority(
        person_id=ANNA, is_developer=False, member=changed
    )
    with refused(Refusal.RANK_TOO_HIGH):
        await stage.staff.remove(MANAGER, BERT)
    with refused(Refusal.ONESELF):
        await stage.staff.remove(MANAGER, MANAGER)
    with refused(Refusal.NO_SUCH_MEMBER):
        await stage.staff.remove(MANAGER, STRANGER)
    await stage.staff.remove(MANAGER, ANNA)
    await stage.staff.remove(DEVELOPER, BERT)
    assert [one.discord_id for one in await stage.staff.find_all()] == [MANAGER]


async def test_an_act_and_its_note_are_one(stage: RefundStage) -> None:
    await stage.employ(ANNA)

    async def work(connection: Connection, authority: Authority) -> str:
        assert authority.person_id == ANNA
        return "done"

    async def fail(*_: object) -> str:
        raise RuntimeError

    result = await stage.staff.act(
        ANNA,
        StaffAction.RETRY_DELIVERY,
        work,
        subject_id=CUSTOMER,
        detail="wanted",
        describe=lambda one: Description(detail=f"it is {one}", refund_id="0" * 24),
    )
    assert result == "done"
    with pytest.raises(RuntimeError):
        await stage.staff.act(ANNA, StaffAction.RETRY_DELIVERY, fail)
    with refused(Refusal.NOT_STAFF):
        await stage.staff.act(STRANGER, StaffAction.RETRY_DELIVERY, work, detail="wanted")
    told = [(one.actor_id, one.outcome, one.detail, one.refund_id) for one in await stage.trail()]
    assert told == [
        (ANNA, AuditOutcome.ALLOWED, "it is done", "0" * 24),
        (STRANGER, AuditOutcome.REFUSED, "wanted: not_staff", None),
    ]


async def test_require_is_noted_too(stage: RefundStage) -> None:
    await stage.employ(ANNA)
    authority = await stage.staff.require(ANNA, StaffAction.VIEW_ACCOUNT, subject_id=CUSTOMER)
    assert authority.member is not None
    [entry] = await stage.trail()
    assert (entry.action, entry.subject_id) == (StaffAction.VIEW_ACCOUNT, CUSTOMER)
