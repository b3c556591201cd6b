"""Building what keeps Moddy's view, Discord's and the backend's the same."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from msgspec import Struct

from moddy.ports import Roles
from moddy.services.newcomers import Newcomers
from moddy.services.passes import Counters
from moddy.services.premium import Premium
from moddy.services.reconciliation import Reconciliation
from moddy.services.removal_brake import RemovalBrake
from moddy.services.role_repairs import Repairs
from moddy.services.subscription_checks import SubscriptionChecks
from moddy.wiring.ground import Ground


class Reconcilers(Struct, frozen=True, kw_only=True):
    """What compares; `guild` and `newcomers` are there only with a main guild."""

    guild: Reconciliation | None
    newcomers: Newcomers | None
    subscriptions: SubscriptionChecks
    counters: Counters


def make_reconcilers(
    ground: Ground,
    *,
    roles: Roles,
    premium: Premium,
    brake: RemovalBrake,
    is_ready: Callable[[], bool],
    wake: Callable[[], None],
) -> Reconcilers:
    """Return them; `is_ready` tells whether Discord can be asked."""
    settings, database, clock = ground.settings, ground.database, ground.clock
    counters = Counters()
    repairs = guild = newcomers = None
    if settings.moddy_guild_id is not None:
        repairs = Repairs(
            database=database,
            clock=clock,
            guild_id=settings.moddy_guild_id,
            premium_role_id=settings.moddy_premium_role_id,
            counters=counters,
        )
        newcomers = Newcomers(database=database, clock=clock, repairs=repairs)
        guild = Reconciliation(
            database=database,
            clock=clock,
            roles=roles,
            repairs=repairs,
            brake=brake,
            interval=timedelta(minutes=settings.reconcile_minutes),
            counters=counters,
            is_ready=is_ready,
            wake=wake,
        )
    subscriptions = SubscriptionChecks(
        database=database,
        clock=clock,
        backend=ground.backend,
        premium=premium,
        repairs=repairs,
        brake=brake,
        grace=timedelta(days=settings.past_due_grace_days),
        counters=counters,
        wake=wake,
    )
    return Reconcilers(
        guild=guild, newcomers=newcomers, subscriptions=subscriptions, counters=counters
    )
