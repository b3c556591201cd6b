"""Refunds by several people through two processes, with all that can go wrong: the money holds."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Coroutine
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from moddy.errors import BackendError, StaffRefused
from moddy.models import Snowflake
from moddy.services.refund_rules import Limits
from moddy.services.refunds import Refunds
from moddy.staff import AuditOutcome, StaffAction
from moddy.store import staff as staff_store
from moddy.store.database import open_database
from moddy.store.refunds import RefundState
from tests.fakes import START, FixedClock
from tests.services.refund_stage import (
    ANNA,
    BERT,
    CUSTOMER,
    OTHER_CUSTOMER,
    Fault,
    Killed,
    PayingBackend,
    RefundStage,
)

LIMITS = Limits(approval_above=5_000, daily_cap=12_000)
PEOPLE = (ANNA, BERT, CUSTOMER)  # a customer may be staff
CUSTOMERS = (CUSTOMER, OTHER_CUSTOMER)
DAY = timedelta(hours=24)
# Where a refund must not stand whose money has gone.
NOT_PAID = frozenset(set(RefundState) - {*map(RefundState, ("sending", "unknown", "refunded"))})
STEPS = ("confirm", "cancel", "approve", "reject", "ask_again", "settle", "look")


class Machine(RuleBasedStateMachine):
    """Each rule is something that people, the network or the machine do."""

    def __init__(self, store: Path, folder: Path) -> None:
        super().__init__()
        self.path = folder / f"{id(self)}.db"
        shutil.copy(store, self.path)
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.clock = FixedClock()
        self.backend = PayingBackend()
        self.stages: list[RefundStage] = []
        self.ids: list[str] = []
        self.bills = 0

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    @initialize()
    def open(self) -> None:
        async def work() -> None:
            for _process in range(2):
                database = await self.stack.enter_async_context(
                    open_database(f"sqlite:///{self.path}")
                )
                self.stages.append(
                    RefundStage(
                        database,
                        backend=self.backend,
                        clock=self.clock,
                        limits=LIMITS,
                        channel_id=None,
                    )
                )
            for person in PEOPLE:
                await self.stages[0].employ(person)

        self.run(work())
        for customer in CUSTOMERS:
            self.bill(customer)

    def teardown(self) -> None:
        self.run(self.stack.aclose())
        self.runner.close()
        for file in self.path.parent.glob(f"{self.path.name}*"):
            file.unlink()

    async def tried(self, call: Awaitable[Any]) -> Any:
        try:
            return await call
        except (StaffRefused, BackendError, Killed):
            return None

    @rule(
        agent=st.sampled_from(PEOPLE),
        customer=st.sampled_from(CUSTOMERS),
        amount=st.sampled_from(["1", "20", "50.00", "50.01", "60", "99", "full", "full "]),
    )
    def propose(self, agent: Snowflake, customer: Snowflake, amount: str) -> None:
        proposal = self.run(self.tried(self.stages[0].refunds.propose(agent, customer, amount)))
        if proposal is not None and proposal.is_new:
            assert not proposal.refund.is_full or amount == "full"
            self.ids.append(proposal.refund.id)

    def step(self, process: int, name: str, person: Snowflake, refund_id: str) -> Awaitable[Any]:
        refunds: Refunds = self.stages[process].refunds
        if name != "settle":
            return getattr(refunds, name)(person, refund_id)  # type: ignore[no-any-return]
        # A person who looks at Stripe tells what stands there.
        refunded = f"refund-{refund_id}" in self.backend.paid
        return refunds.settle(person, refund_id, refunded=refunded)

    @rule(data=st.data(), name=st.sampled_from(STEPS), person=st.sampled_from(PEOPLE))
    def press(self, data: st.DataObject, name: str, person: Snowflake) -> None:
        if self.ids:
            refund_id = data.draw(st.sampled_from(self.ids))
            self.run(self.tried(self.step(0, name, person, refund_id)))

    @rule(
        back=st.integers(0, 2),
        names=st.lists(st.sampled_from(STEPS[:5]), min_size=2, max_size=4),
        people=st.lists(st.sampled_from(PEOPLE), min_size=4, max_size=4),
    )
    def press_at_once(self, back: int, names: list[str], people: list[Snowflake]) -> None:
        if len(self.ids) <= back:
            return
        refund_id = self.ids[-1 - back]

        async def work() -> None:
            await asyncio.gather(
                *(
                    self.tried(self.step(number % 2, name, people[number], refund_id))
                    for number, name in enumerate(names)
                )
            )

        self.run(work())

    @rule(faults=st.lists(st.sampled_from(Fault), min_size=1, max_size=3))
    def go_wrong(self, faults: list[Fault]) -> None:
        self.backend.faults = list(faults)

    @rule(
        by=st.sampled_from(
            [timedelta(seconds=31), timedelta(minutes=5), timedelta(hours=12), timedelta(hours=24)]
        )
    )
    def wait(self, by: timedelta) -> None:
        self.clock.advance(by)

    @rule()
    def sweep(self) -> None:
        self.run(self.stages[1].refunds.mark_lost())

    @rule(customer=st.sampled_from(CUSTOMERS))
    def bill(self, customer: Snowflake) -> None:
        self.bills += 1
        age = START - self.clock.now() - timedelta(seconds=self.bills)
        self.backend.bill(customer, invoice_id=f"in_{self.bills}", days_ago=age / timedelta(days=1))

    @rule(person=st.sampled_from(PEOPLE[:2]), stays=st.booleans())
    def hire_and_fire(self, person: Snowflake, *, stays: bool) -> None:
        stage = self.stages[0]
        if stays:
            self.run(stage.employ(person))
        else:
            self.run(stage.database.transaction(lambda c: staff_store.remove(c, person)))

    @invariant()
    def the_money_holds(self) -> None:
        if self.stages:
            self.run(self.check())

    async def check(self) -> None:
        stage = self.stages[0]
        rows = {f"refund-{row.id}": row for row in await stage.all_refunds()}
        allowed = [one for one in await stage.trail() if one.outcome is AuditOutcome.ALLOWED]

        def who(action: StaffAction, refund_id: str) -> list[Snowflake]:
            return [
                one.actor_id
                for one in allowed
                if (one.action, one.refund_id) == (action, refund_id)
            ]

        for key, payment in self.backend.paid.items():
            row = rows[key]
            assert payment.customer_id == row.customer_id
            assert payment.amount_minor == row.amount_minor
            # Asked again much later, the customer may have paid again: no more than was confirmed.
            assert payment.invoice_id == row.invoice_id or row.was_asked_again
            assert row.state not in NOT_PAID, row
            assert who(StaffAction.CONFIRM_REFUND, row.id) == [row.agent_id]
            approvers = who(StaffAction.APPROVE_REFUND, row.id)
            assert approvers == ([row.approver_id] if row.approver_id else [])
            assert row.customer_id not in (row.agent_id, row.approver_id)
            assert row.agent_id != row.approver_id
            assert approvers or row.amount_minor <= LIMITS.approval_above
        for key, row in rows.items():
            asks = [one for one, _ in self.backend.asked if one == key]
            assert (
                len(asks)
                <= row.asks
                == bool(row.sent_at) + len(who(StaffAction.ASK_REFUND_AGAIN, row.id))
            )
        told = sorted(await stage.messages())
        done = sorted(key for key, row in rows.items() if row.state is RefundState.REFUNDED)
        assert told == done
        assert set(done) <= set(self.backend.paid)
        now = self.clock.now()
        for customer in CUSTOMERS:
            still_open = [r for r in rows.values() if r.customer_id == customer and r.is_open(now)]
            assert len(still_open) <= 1
        self.check_cap({key: row.agent_id for key, row in rows.items()})

    def check_cap(self, agents: dict[str, Snowflake]) -> None:
        for agent in PEOPLE:
            paid = [one for key, one in self.backend.paid.items() if agents[key] == agent]
            for last in paid:
                window = [one for one in paid if last.at - DAY < one.at <= last.at]
                assert sum(one.amount_minor for one in window) <= LIMITS.daily_cap


@pytest.mark.slow
def test_the_money_holds_whatever_happens(migrated_sqlite_file: Path, tmp_path: Path) -> None:
    make: Any = lambda: Machine(migrated_sqlite_file, tmp_path)  # noqa: E731
    run_state_machine_as_test(
        make,
        settings=settings(
            max_examples=40,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
