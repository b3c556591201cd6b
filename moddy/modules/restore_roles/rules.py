"""Which of the roles that a member had are given back; no I/O."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from msgspec import Struct

from moddy.models import Snowflake
from moddy.modules.restore_roles.settings import Mode, RestoreRolesSettings
from moddy.ports import RoleInfo


class RoleFacts(Struct, frozen=True, kw_only=True):
    """A role of the guild as it is now."""

    info: RoleInfo
    is_dangerous: bool


class Decision(Struct, frozen=True, kw_only=True):
    """What to give, and what is wanted but stands too high, is managed, or is dangerous."""

    give: tuple[Snowflake, ...]
    withheld: tuple[Snowflake, ...]


def is_wanted(role_id: Snowflake, settings: RestoreRolesSettings) -> bool:
    """Tell whether the mode takes a role in."""
    if settings.mode is Mode.ALL:
        return True
    return (role_id in settings.role_ids) is (settings.mode is Mode.ONLY)


def chosen_dangerous(settings: RestoreRolesSettings) -> frozenset[Snowflake]:
    """Return the roles that are given back whatever permissions they have."""
    listed = settings.role_ids if settings.mode is Mode.ONLY else ()
    return frozenset({*listed, *settings.dangerous_role_ids})


def decide(
    saved: Iterable[Snowflake],
    *,
    settings: RestoreRolesSettings,
    roles: Mapping[Snowflake, RoleFacts],
    has: Collection[Snowflake],
    reserved: Collection[Snowflake],
    top_rank: tuple[int, int],
) -> Decision:
    """Return what becomes of the roles that a member left with.

    `roles` are the guild's without @everyone, `has` those of the member now, `reserved` those
    that come with a subscription; `top_rank` is the rank of Moddy's highest role.
    """
    give: list[Snowflake] = []
    withheld: list[Snowflake] = []
    allowed = chosen_dangerous(settings)
    for role_id in dict.fromkeys(saved):
        role = roles.get(role_id)
        if role is None or role_id in has or role_id in reserved:
            continue
        if not is_wanted(role_id, settings):
            continue
        too_high = role.info.rank >= top_rank
        too_dangerous = role.is_dangerous and role_id not in allowed
        is_withheld = role.info.managed or too_high or too_dangerous
        (withheld if is_withheld else give).append(role_id)
    return Decision(give=tuple(give), withheld=tuple(withheld))
