"""Which roles are given back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moddy.models import Snowflake
from moddy.modules.restore_roles.rules import Decision, RoleFacts, decide
from moddy.modules.restore_roles.settings import Mode, RestoreRolesSettings
from moddy.ports import RoleInfo

READER, WRITER, ADMIN, HIGH, BOT, GONE, PREMIUM = (Snowflake(number) for number in range(1, 8))
TOP = (5, 0)


def facts(
    role_id: Snowflake, position: int = 1, *, managed: bool = False, dangerous: bool = False
) -> RoleFacts:
    info = RoleInfo(id=role_id, position=position, managed=managed)
    return RoleFacts(info=info, is_dangerous=dangerous)


ROLES = {
    READER: facts(READER),
    WRITER: facts(WRITER, 4),
    ADMIN: facts(ADMIN, dangerous=True),
    HIGH: facts(HIGH, 6),
    BOT: facts(BOT, managed=True),
    PREMIUM: facts(PREMIUM),
}
ALL = (*ROLES, GONE)


def decided(settings: RestoreRolesSettings, has: tuple[Snowflake, ...] = ()) -> Decision:
    return decide(ALL, settings=settings, roles=ROLES, has=has, reserved={PREMIUM}, top_rank=TOP)


@pytest.mark.parametrize(
    ("settings", "give", "withheld"),
    [
        (RestoreRolesSettings(), (READER, WRITER), (ADMIN, HIGH, BOT)),
        (
            RestoreRolesSettings(mode=Mode.EXCEPT, role_ids=(READER, HIGH)),
            (WRITER,),
            (ADMIN, BOT),
        ),
        (RestoreRolesSettings(mode=Mode.ONLY, role_ids=(READER,)), (READER,), ()),
        (RestoreRolesSettings(mode=Mode.ONLY, role_ids=(ADMIN, HIGH)), (ADMIN,), (HIGH,)),
        (RestoreRolesSettings(mode=Mode.ONLY), (), ()),
        (
            RestoreRolesSettings(dangerous_role_ids=(ADMIN,)),
            (READER, WRITER, ADMIN),
            (HIGH, BOT),
        ),
        (
            RestoreRolesSettings(mode=Mode.EXCEPT, role_ids=(ADMIN,), dangerous_role_ids=(ADMIN,)),
            (READER, WRITER),
            (HIGH, BOT),
        ),
        # What was chosen for another mode does not count as chosen.
        (
            RestoreRolesSettings(mode=Mode.ALL, role_ids=(ADMIN,)),
            (READER, WRITER),
            (ADMIN, HIGH, BOT),
        ),
    ],
)
def test_modes(
    settings: RestoreRolesSettings,
    give: tuple[Snowflake, ...],
    withheld: tuple[Snowflake, ...],
) -> None:
    assert decided(settings) == Decision(give=give, withheld=withheld)


def test_what_a_member_has_is_not_given() -> None:
    assert decided(RestoreRolesSettings(), has=(READER,)).give == (WRITER,)


def test_of_two_at_one_position_the_smaller_id_stands_higher() -> None:
    roles = {READER: facts(READER, 5), HIGH: facts(HIGH, 5)}
    decision = decide(
        [READER, HIGH],
        settings=RestoreRolesSettings(),
        roles=roles,
        has=(),
        reserved=(),
        top_rank=(5, -2),
    )
    assert decision == Decision(give=(HIGH,), withheld=(READER,))


_ids = st.integers(1, 12).map(Snowflake)


@given(
    saved=st.lists(_ids),
    settings=st.builds(
        RestoreRolesSettings,
        mode=st.sampled_from(Mode),
        role_ids=st.lists(_ids).map(tuple),
        dangerous_role_ids=st.lists(_ids).map(tuple),
    ),
    roles=st.dictionaries(
        _ids,
        st.tuples(st.integers(1, 9), st.booleans(), st.booleans()),
    ),
    has=st.frozensets(_ids),
    reserved=st.frozensets(_ids),
)
def test_nothing_is_given_that_must_not_be(
    saved: list[Snowflake],
    settings: RestoreRolesSettings,
    roles: dict[Snowflake, tuple[int, bool, bool]],
    has: frozenset[Snowflake],
    reserved: frozenset[Snowflake],
) -> None:
    known = {
        one: facts(one, position, managed=managed, dangerous=dangerous)
        for one, (position, managed, dangerous) in roles.items()
    }
    decision = decide(
        saved, settings=settings, roles=known, has=has, reserved=reserved, top_rank=TOP
    )
    assert len(set(decision.give)) == len(decision.give)
    assert not set(decision.give) & (has | reserved | set(decision.withheld))
    chosen = set(settings.dangerous_role_ids)
    chosen |= set(settings.role_ids) if settings.mode is Mode.ONLY else set()
    for role_id in decision.give:
        role = known[role_id]
        assert role_id in saved
        assert not role.info.managed
        assert role.info.rank < TOP
        assert role_id in chosen or not role.is_dangerous
        assert settings.mode is not Mode.ONLY or role_id in settings.role_ids
        assert settings.mode is not Mode.EXCEPT or role_id not in settings.role_ids
