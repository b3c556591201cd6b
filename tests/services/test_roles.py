"""Role updates: what is asked for, what is checked first, and what becomes of it."""

from __future__ import annotations

import msgspec
import pytest

from moddy.errors import (
    DiscordRefused,
    DiscordUnavailable,
    GuildNotFound,
    MemberNotFound,
    MissingPermissions,
    RoleNotFound,
)
from moddy.models import Snowflake
from moddy.ports import GuildRoles, RoleInfo
from moddy.services import answers
from moddy.services.roles import check
from moddy.store.deliveries import Answer, DeliveryState
from tests.services.stage import ADA, GUILD, OTHER_ROLE, PREMIUM_ROLE, Stage

LOW, HIGH, MINE = Snowflake("10"), Snowflake("20"), Snowflake("15")


def guild(*roles: RoleInfo, top: tuple[int, int] = (5, -15)) -> GuildRoles:
    return GuildRoles(
        guild_id=GUILD,
        roles={role.id: role for role in roles},
        member_role_ids=frozenset(),
        top_rank=top,
        may_manage=True,
    )


def role(role_id: Snowflake, position: int, *, managed: bool = False) -> RoleInfo:
    return RoleInfo(id=role_id, position=position, managed=managed)


NO_ROLE = answers.roles_no_role(GUILD)
UNASSIGNABLE = answers.roles_unassignable(GUILD)
FORBIDDEN = answers.roles_forbidden(GUILD)


@pytest.mark.parametrize(
    ("roles", "asked", "refusal"),
    [
        ([role(LOW, 4)], [LOW], None),
        ([], [], None),
        ([role(LOW, 4)], [LOW, HIGH], NO_ROLE),
        ([], [LOW], NO_ROLE),
        ([role(LOW, 4, managed=True)], [LOW], UNASSIGNABLE),
        ([role(GUILD, 0)], [GUILD], UNASSIGNABLE),
        ([role(LOW, 6)], [LOW], FORBIDDEN),
        ([role(HIGH, 4), role(LOW, 6)], [HIGH, LOW], FORBIDDEN),
        # Equal positions: the smaller id stands higher (Moddy's own has id 15 here).
        ([role(LOW, 5)], [LOW], FORBIDDEN),
        ([role(HIGH, 5)], [HIGH], None),
        ([role(MINE, 5)], [MINE], FORBIDDEN),
        # What is wrong first is told first.
        ([role(LOW, 6, managed=True)], [LOW], UNASSIGNABLE),
        ([role(LOW, 6, managed=True)], [LOW, HIGH], NO_ROLE),
    ],
)
def test_check(roles: list[RoleInfo], asked: list[Snowflake], refusal: Answer | None) -> None:
    assert check(guild(*roles), asked) == refusal


@pytest.mark.parametrize("empty", [None, []])
@pytest.mark.parametrize(
    ("plan", "had", "has"),
    [
        ("moddy_max", (), {PREMIUM_ROLE}),
        ("moddy_mini", (PREMIUM_ROLE,), set()),
        ("", (PREMIUM_ROLE, OTHER_ROLE), {OTHER_ROLE}),
    ],
)
async def test_roles_by_plan(
    stage: Stage,
    plan: str,
    had: tuple[Snowflake, ...],
    has: set[Snowflake],
    empty: list[Snowflake] | None,
) -> None:
    stage.roles.add_member(ADA, *had)
    accepted = await stage.accept_roles(plan=plan, add=empty, remove=empty)
    assert await stage.answer(accepted) == answers.roles_updated(GUILD)
    assert stage.roles.members[ADA] == has


async def test_given_roles_outweigh_the_plan(stage: Stage) -> None:
    stage.roles.add_member(ADA, PREMIUM_ROLE)
    accepted = await stage.accept_roles(plan="moddy_max", add=[OTHER_ROLE], remove=[PREMIUM_ROLE])
    assert await stage.answer(accepted) == answers.roles_updated(GUILD)
    assert stage.roles.members[ADA] == {OTHER_ROLE}


async def test_nothing_to_change_asks_nothing_of_discord_even_without_permission(
    stage: Stage,
) -> None:
    stage.roles.add_member(ADA, PREMIUM_ROLE)
    stage.roles.may_manage = False
    assert await stage.answer(await stage.accept_roles()) == answers.roles_updated(GUILD)
    assert stage.roles.changes == []


async def test_only_what_is_missing_is_changed_and_each_role_once(stage: Stage) -> None:
    stage.roles.add_member(ADA, PREMIUM_ROLE)
    accepted = await stage.accept_roles(add=[OTHER_ROLE, PREMIUM_ROLE, OTHER_ROLE])
    await stage.answer(accepted)
    [change] = stage.roles.changes
    assert (change.add, change.remove) == ((OTHER_ROLE,), ())


async def test_one_bad_role_and_none_is_changed(stage: Stage) -> None:
    stage.roles.add_member(ADA)
    stage.roles.add_role("77", managed=True)
    accepted = await stage.accept_roles(add=[PREMIUM_ROLE, Snowflake("77")])
    assert await stage.answer(accepted) == UNASSIGNABLE
    assert stage.roles.changes == []
    assert await stage.state(accepted) is DeliveryState.REFUSED


async def test_without_manage_roles(stage: Stage) -> None:
    stage.roles.add_member(ADA)
    stage.roles.may_manage = False
    accepted = await stage.accept_roles()
    assert await stage.answer(accepted) == FORBIDDEN
    assert await stage.state(accepted) is DeliveryState.REFUSED


async def test_not_in_the_guild_waits_and_is_done_on_joining(stage: Stage) -> None:
    accepted = await stage.accept_roles(key="key")
    assert await stage.answer(accepted) == answers.roles_no_member(GUILD)
    assert await stage.state(accepted) is DeliveryState.WAITING
    async with stage.working():
        stage.roles.add_member(ADA)
        stage.deliveries.release_waiting(ADA)
        await stage.wait_for_state(accepted, DeliveryState.DELIVERED)
    assert stage.roles.members[ADA] == {PREMIUM_ROLE}
    assert (await stage.accept_roles(key="key")).answer == answers.roles_no_member(GUILD)


@pytest.mark.parametrize(
    ("where", "error", "answer", "state"),
    [
        ("read", GuildNotFound("x"), answers.roles_no_guild(GUILD), DeliveryState.REFUSED),
        ("read", MissingPermissions("x"), FORBIDDEN, DeliveryState.REFUSED),
        ("read", DiscordRefused("x"), answers.roles_refused(GUILD), DeliveryState.REFUSED),
        ("read", DiscordUnavailable("x"), answers.roles_queued(GUILD), DeliveryState.PENDING),
        ("change", MissingPermissions("x"), FORBIDDEN, DeliveryState.REFUSED),
        ("change", RoleNotFound("x"), NO_ROLE, DeliveryState.REFUSED),
        ("change", MemberNotFound("x"), answers.roles_no_member(GUILD), DeliveryState.WAITING),
        ("change", DiscordUnavailable("x"), answers.roles_queued(GUILD), DeliveryState.PENDING),
        ("change", ValueError("x"), answers.roles_queued(GUILD), DeliveryState.PENDING),
    ],
    ids=repr,
)
async def test_errors(
    stage: Stage, where: str, error: Exception, answer: Answer, state: DeliveryState
) -> None:
    stage.roles.add_member(ADA)
    if where == "read":
        stage.roles.read_error = error
    else:
        stage.roles.change_error = error
    accepted = await stage.accept_roles()
    assert await stage.answer(accepted) == answer
    assert await stage.state(accepted) is state


@pytest.mark.parametrize(
    ("known", "answer"),
    [(False, answers.roles_no_guild(GUILD)), (None, answers.roles_queued(GUILD))],
)
async def test_guild_is_unknown_only_once_the_gateway_is_ready(
    stage: Stage, known: bool | None, answer: Answer
) -> None:
    stage.roles.add_member(ADA)
    stage.roles.known = known
    stage.roles.read_error = GuildNotFound("x")
    assert await stage.answer(await stage.accept_roles()) == answer


async def test_over_rest_before_the_gateway_is_ready(stage: Stage) -> None:
    stage.roles.add_member(ADA)
    stage.roles.known = None
    assert await stage.answer(await stage.accept_roles()) == answers.roles_updated(GUILD)


async def test_nothing_configured(stage: Stage) -> None:
    stage.role_updates = stage.make_role_updates(guild_id=None)
    accepted = await stage.accept_roles()
    assert (accepted.answer, accepted.delivery) == (answers.ROLES_NO_GUILD_ID, None)
    stage.role_updates = stage.make_role_updates(premium_role_id=None)
    accepted = await stage.accept_roles()
    assert (accepted.answer, accepted.delivery) == (answers.roles_no_premium_role(GUILD), None)
    stage.roles.add_member(ADA)
    accepted = await stage.accept_roles(add=[OTHER_ROLE])  # names its roles: needs no setting
    assert await stage.answer(accepted) == answers.roles_updated(GUILD)


def test_answers_are_the_contracts() -> None:
    table = {
        answers.roles_updated("1"): (200, True, "Roles updated successfully", True, "1"),
        answers.roles_no_member("1"): (200, False, "User not found in Discord server", False, "1"),
        answers.roles_no_role("1"): (200, False, "Role not found in server", False, "1"),
        answers.roles_unassignable("1"): (
            *(500, False, "Failed to update roles: Role cannot be assigned", False, "1"),
        ),
        answers.roles_forbidden("1"): (
            *(500, False, "Failed to update roles: Missing permissions", False, "1"),
        ),
        answers.roles_queued("1"): (202, True, "Role update queued", False, "1"),
        answers.ROLES_NO_GUILD_ID: (503, False, "MODDY_GUILD_ID not configured", False, None),
        answers.roles_no_premium_role("1"): (
            *(503, False, "MODDY_PREMIUM_ROLE_ID not configured", False, "1"),
        ),
        answers.roles_no_guild("1"): (404, False, "Guild not found", False, "1"),
        answers.roles_no_store("1"): (503, False, "Store unavailable", False, "1"),
    }
    for answer, (status, success, message, updated, guild_id) in table.items():
        assert answer.status == status
        assert msgspec.json.decode(answer.body) == {
            "success": success,
            "message": message,
            "roles_updated": updated,
            "guild_id": guild_id,
        }
