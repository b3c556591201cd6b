"""Building what is done again and again."""

from __future__ import annotations

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
    guild = reconcilers.guild
    guild_sweeps = [] if guild is None else [("guild roles", guild.sweep)]
    slices = [*guild_sweeps, ("subscriptions", reconcilers.subscriptions.sweep)]
    old_roles = OldRoles(
        database=ground.database, clock=ground.clock, retention=SAVED_ROLES_RETENTION
    )
    return Sweeps(
        database=ground.database,
        clock=ground.clock,
        sweeps=[
            *(
                Sweep(name=name, work=work, interval=SLICE_INTERVAL, claim=SLICE_CLAIM)
                for name, work in slices
            ),
            Sweep(
                name="premium",
                work=premium.end_due,
                interval=PREMIUM_SWEEP_INTERVAL,
                claim=PREMIUM_SWEEP_CLAIM,
            ),
            Sweep(
                name="refunds",
                work=refunds.mark_lost,
                interval=REFUND_SWEEP_INTERVAL,
                claim=REFUND_SWEEP_CLAIM,
            ),
            Sweep(
                name="housekeeping",
                work=housekeeping.remove_finished,
                interval=HOUSEKEEPING_INTERVAL,
                claim=HOUSEKEEPING_CLAIM,
            ),
            Sweep(
                name="saved roles",
                work=old_roles.remove,
                interval=HOUSEKEEPING_INTERVAL,
                claim=HOUSEKEEPING_CLAIM,
            ),
            Sweep(
                name="event backlog",
                work=events.trim,
                interval=EVENT_SWEEP_INTERVAL,
                claim=EVENT_SWEEP_CLAIM,
            ),
            Sweep(
                name="event revival",
                work=events.revive,
                interval=EVENT_SWEEP_INTERVAL,
                claim=EVENT_SWEEP_CLAIM,
            ),
        ],
    )
