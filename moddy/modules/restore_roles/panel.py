"""How the settings of the module that restores roles are shown and checked."""

from __future__ import annotations

from collections.abc import Sequence

import discord

from moddy.modules.checks import is_dangerous, own_rank_problem, role_problem
from moddy.modules.restore_roles.rules import chosen_dangerous
from moddy.modules.restore_roles.settings import Mode, RestoreRolesSettings
from moddy.views.language import Language
from moddy.views.modules.fields import ChannelField, ChoiceField, Field, Option, RolesField


def panel_fields(settings: RestoreRolesSettings, language: Language) -> Sequence[Field]:
    """Return the settings as the panel shows them."""
    labels = {
        Mode.ALL: language.gettext("All roles"),
        Mode.EXCEPT: language.gettext("All roles except some"),
        Mode.ONLY: language.gettext("Only some roles"),
    }
    fields: list[Field] = [
        ChoiceField(
            name="mode",
            label=language.gettext("What is given back"),
            value=settings.mode.value,
            options=tuple(Option(mode.value, label) for mode, label in labels.items()),
        )
    ]
    if settings.mode is not Mode.ALL:
        is_only = settings.mode is Mode.ONLY
        label = (
            language.gettext("These roles only")
            if is_only
            else language.gettext("Never these roles")
        )
        fields.append(RolesField(name="role_ids", label=label, values=settings.role_ids))
    if settings.mode is not Mode.ONLY:
        fields.append(
            RolesField(
                name="dangerous_role_ids",
                label=language.gettext("Roles with powerful permissions: only these"),
                values=settings.dangerous_role_ids,
            )
        )
    fields.append(
        ChannelField(
            name="log_channel_id",
            label=language.gettext("Channel where Moddy tells what it gave back"),
            value=settings.log_channel_id,
        )
    )
    return fields


def role_problems(
    settings: RestoreRolesSettings,
    guild: discord.Guild,
    language: Language,
    *,
    actor: discord.Member | None,
) -> list[str | None]:
    """Return what is wrong with the chosen roles; `actor` is who chose them, if just now."""
    chosen = chosen_dangerous(settings)
    problems = [role_problem(guild, role_id, language) for role_id in chosen]
    if actor is None:
        return problems
    roles = [guild.get_role(int(role_id)) for role_id in chosen]
    return problems + [
        own_rank_problem(actor, role, language)
        for role in roles
        if role is not None and is_dangerous(role)
    ]
