"""Building what is done again and again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

from moddy.modules.restore_roles.keeper import OldRoles
from moddy.services.events import Events
from moddy.services.housekeeping import Housekeeping
from moddy.services.passes import SLICE_CLAIM, SLICE_INTERVAL
from moddy.services.premium import Premium
from moddy.services.refunds import Refunds
from moddy.services.sweeps import Sweep, Sweeps
from moddy.wiring.ground import Ground
from moddy.wiring.reconcilers import Reconcilers

# Premium has to be off within 60 s of its end, also when a process dies that has just claimed the
# sweep: then the next one comes an interval (and its jitter) after the claim's end at the latest.
PREMIUM_SWEEP_INTERVAL = 15.0
PREMIUM_SWEEP_CLAIM = timedelta(seconds=20)
REFUND_SWEEP_INTERVAL = 15.0
REFUND_SWEEP_CLAIM = timedelta(seconds=20)
# Who has been away for longer begins anew.
SAVED_ROLES_RETENTION = timedelta(days=180)
HOUSEKEEPING_INTERVAL = 3600.0
HOUSEKEEPING_CLAIM = timedelta(minutes=10)
EVENT_SWEEP_INTERVAL = 20.0
EVENT_SWEEP_CLAIM = timedelta(minutes=2)


def make_sweeps(
    ground: Ground,
    *,
    premium: Premium,
    events: Events,
    refunds: Refunds,
    reconcilers: Reconcilers,
) -> Sweeps:
    """Return all sweeps; each is run by one process at a time."""
    housekeeping = Housekeeping(
        database=ground.database,
        clock=ground.clock,
        retention=timedelta(days=ground.settings.delivery_retention_days),
    )
    old_roles = OldRoles(
        database=ground.database, clock=ground.clock, retention=SAVED_ROLES_RETENTION
    )
    table: list[tuple[str, Callable[[], Awaitable[int]], float, timedelta]] = [
        ("subscriptions", reconcilers.subscriptions.sweep, SLICE_INTERVAL, SLICE_CLAIM),
        ("premium", premium.end_due, PREMIUM_SWEEP_INTERVAL, PREMIUM_SWEEP_CLAIM),
        ("refunds", refunds.mark_lost, REFUND_SWEEP_INTERVAL, REFUND_SWEEP_CLAIM),
        ("housekeeping", housekeeping.remove_finished, HOUSEKEEPING_INTERVAL, HOUSEKEEPING_CLAIM),
        ("saved roles", old_roles.remove, HOUSEKEEPING_INTERVAL, HOUSEKEEPING_CLAIM),
        ("event backlog", events.trim, EVENT_SWEEP_INTERVAL, EVENT_SWEEP_CLAIM),
        ("event revival", events.revive, EVENT_SWEEP_INTERVAL, EVENT_SWEEP_CLAIM),
    ]
    if reconcilers.guild is not None:
        table.insert(0, ("guild roles", reconcilers.guild.sweep, SLICE_INTERVAL, SLICE_CLAIM))
    return Sweeps(
        database=ground.database,
        clock=ground.clock,
        sweeps=[
            Sweep(name=name, work=work, interval=interval, claim=claim)
            for name, work, interval, claim in table
        ],
    )
