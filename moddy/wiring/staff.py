"""Building what support staff use."""

from __future__ import annotations

from collections.abc import Callable

from discord.ext import commands
from msgspec import Struct

from moddy.cogs.admin import PER_SECONDS, USES, Admin
from moddy.cogs.cooldown import Cooldown
from moddy.cogs.mentions import Mentions
from moddy.cogs.refund_desk import RefundDesk
from moddy.cogs.staff_answers import StaffAnswers
from moddy.models import Snowflake
from moddy.ports import StaffLog
from moddy.services.refund_rules import Limits
from moddy.services.refunds import Refunds
from moddy.services.removal_brake import RemovalBrake
from moddy.services.staff import Staff
from moddy.services.staff_audit import StaffAudit
from moddy.services.support import Support
from moddy.staff import AuditOutcome, StaffAction
from moddy.store.transactions import Connection
from moddy.wiring.ground import Ground


class StaffParts(Struct, frozen=True, kw_only=True):
    """Who may do what, and what it is."""

    audit: StaffAudit
    staff: Staff
    refunds: Refunds
    brake: RemovalBrake
    support: Support


def make_staff(ground: Ground, log: StaffLog, moddy_id: Callable[[], Snowflake]) -> StaffParts:
    """Return the services; `moddy_id` is whom the trail names for Moddy's own doing."""
    settings, database, clock = ground.settings, ground.database, ground.clock
    audit = StaffAudit(
        database=database,
        clock=clock,
        log=log,
        channel_id=settings.moddy_staff_log_channel_id,
    )
    staff = Staff(database=database, clock=clock, audit=audit, developer_ids=settings.developer_ids)

    async def hold(connection: Connection, count: int) -> None:
        await audit.note(
            connection,
            moddy_id(),
            StaffAction.HOLD_REMOVALS,
            AuditOutcome.UNKNOWN,
            detail=str(count),
        )

    brake = RemovalBrake(database=database, clock=clock, limit=settings.reconcile_brake, hold=hold)
    return StaffParts(
        audit=audit,
        staff=staff,
        refunds=Refunds(
            database=database,
            clock=clock,
            backend=ground.backend,
            staff=staff,
            audit=audit,
            limits=Limits(
                approval_above=settings.refund_approval_above, daily_cap=settings.refund_daily_cap
            ),
        ),
        brake=brake,
        support=Support(
            database=database, clock=clock, backend=ground.backend, staff=staff, brake=brake
        ),
    )


def make_staff_cogs(ground: Ground, parts: StaffParts) -> list[commands.Cog]:
    """Return both doors."""
    desk = RefundDesk(refunds=parts.refunds)
    answers = StaffAnswers(
        support=parts.support,
        staff=parts.staff,
        audit=parts.audit,
        desk=desk,
        clock=ground.clock,
    )
    cooldown = Cooldown(uses=USES, seconds=PER_SECONDS)
    return [
        Admin(answers=answers, desk=desk, cooldown=cooldown),
        Mentions(answers=answers, cooldown=cooldown),
    ]
