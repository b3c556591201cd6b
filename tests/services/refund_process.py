"""A process of its own that takes steps of a refund; run by `test_refund_kill`.

Usage: python -m tests.services.refund_process DATABASE_URL BACKEND_URL SECONDS STEP [REFUND_ID]

Its clock is SECONDS ahead. It prints the refund's id and state after the step.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime, timedelta

from yarl import URL

from moddy.backend import open_backend_client
from moddy.services.refunds import Refunds
from moddy.services.staff import Staff
from moddy.services.staff_audit import StaffAudit
from moddy.store.database import open_database
from tests.services.refund_stage import BERT, CUSTOMER, DEVELOPER, LIMITS, SilentLog


class ClockAhead:
    """The machine's clock, some seconds ahead."""

    def __init__(self, seconds: float) -> None:
        self._ahead = timedelta(seconds=seconds)

    def now(self) -> datetime:
        return datetime.now(UTC) + self._ahead


async def main(database_url: str, backend_url: str, seconds: str, step: str, *ids: str) -> None:
    """Take one step as the developer, or as a colleague for what needs another one."""
    clock = ClockAhead(float(seconds))
    async with (
        open_database(database_url) as database,
        open_backend_client(base_url=URL(backend_url), secret="secret") as backend,
    ):
        audit = StaffAudit(database=database, clock=clock, log=SilentLog(), channel_id=None)
        staff = Staff(database=database, clock=clock, audit=audit, developer_ids=[DEVELOPER, BERT])
        refunds = Refunds(
            database=database,
            clock=clock,
            backend=backend,
            staff=staff,
            audit=audit,
            limits=LIMITS,
        )
        if step == "propose":
            refund = (await refunds.propose(DEVELOPER, CUSTOMER, "20")).refund
        elif step == "confirm":
            refund = await refunds.confirm(DEVELOPER, ids[0])
        elif step == "sweep":
            await refunds.mark_lost()
            refund = await refunds.look(BERT, ids[0])
        else:
            refund = await refunds.ask_again(BERT, ids[0])
    print(refund.id, refund.state.value)  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
