"""The settings of the module that restores roles."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

from msgspec import Meta, Struct

from moddy.models import Snowflake
from moddy.views.modules.fields import MAX_CHOSEN

Chosen = Annotated[tuple[Snowflake, ...], Meta(max_length=MAX_CHOSEN)]


class Mode(Enum):
    """Which roles are given back; `EXCEPT` and `ONLY` are about the listed ones."""

    ALL = "all"
    EXCEPT = "except"
    ONLY = "only"


class RestoreRolesSettings(Struct, frozen=True, kw_only=True):
    """What is given back, and where it is told.

    `dangerous_role_ids` are the roles with dangerous permissions that somebody chose to have
    given back all the same; those listed with `Mode.ONLY` are chosen as well.
    """

    mode: Mode = Mode.ALL
    role_ids: Chosen = ()
    dangerous_role_ids: Chosen = ()
    log_channel_id: Snowflake | None = None
