"""Every command and every button x every role x permission, through real interactions.

What a permission is worth is written down here once more, and not taken from the code.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from discord import app_commands
from msgspec import Struct

from moddy.cogs.admin import Admin
from moddy.sandbox.world import AGENT, CUSTOMER, SUPERVISOR, Person, World
from moddy.staff import AuditOutcome, Refusal, StaffAction, StaffRole
from moddy.store.database import Database
from tests.cogs.staff_deeds import (
    MENTIONS,
    PRESSES,
    SLASH,
    SLIPS,
    Actor,
    Deed,
    outcomes,
    tidy,
)
from tests.cogs.staff_office import (
    ACCOUNT,
    DEVELOPER,
    SUBSCRIPTION,
    StaffOffice,
    invoices,
    refused,
)

pytestmark = pytest.mark.slow

# Of each action: who may. "any": all staff; a role: that one and those above.
NEEDS = {
    StaffAction.VIEW_SUBSCRIPTION: "view",
    StaffAction.VIEW_INVOICES: "view",
    StaffAction.VIEW_ACCOUNT: "view",
    StaffAction.REVEAL_EMAIL: "view",
    StaffAction.VIEW_DELIVERIES: "view",
    StaffAction.RETRY_DELIVERY: "manage",
    StaffAction.PROPOSE_REFUND: "manage",
    StaffAction.CONFIRM_REFUND: "manage",
    StaffAction.CANCEL_REFUND: "manage",
    StaffAction.APPROVE_REFUND: "manage",
    StaffAction.REJECT_REFUND: "manage",
    StaffAction.ASK_REFUND_AGAIN: "manage",
    StaffAction.SETTLE_REFUND: "manage",
    StaffAction.VIEW_REFUND: "manage",
    StaffAction.LIST_STAFF: "supervisor",
    StaffAction.READ_AUDIT: "supervisor",
    StaffAction.ALLOW_REMOVALS: "supervisor",
    StaffAction.ADD_STAFF: "manager",
    StaffAction.REMOVE_STAFF: "manager",
    StaffAction.READ_HELP: "any",
}
REFUSALS = {
    "view": Refusal.NEEDS_VIEW,
    "manage": Refusal.NEEDS_MANAGE,
    "supervisor": Refusal.NEEDS_SUPERVISOR,
    "manager": Refusal.NEEDS_MANAGER,
}


class Cell(Struct, frozen=True, kw_only=True):
    """A place on the staff. Permissions belong to a role: who has none has no permissions."""

    role: StaffRole | None
    may_view: bool = False
    may_manage: bool = False
    is_developer: bool = False

    @property
    def person(self) -> Person:
        return SUPERVISOR if self.is_developer else AGENT

    def refusal(self, action: StaffAction) -> Refusal | None:
        """Return why whoever has this place may not do this, None when they may."""
        needs = NEEDS[action]
        if self.is_developer:
            return None
        if self.role is None:
            return Refusal.NOT_STAFF
        has = {
            "any": True,
            "view": self.may_view,
            "manage": self.may_manage,
            "supervisor": self.role in {StaffRole.SUPERVISOR, StaffRole.MANAGER},
            "manager": self.role is StaffRole.MANAGER,
        }
        return None if has[needs] else REFUSALS[needs]


PERMISSIONS = [(False, False), (True, False), (False, True), (True, True)]
CELLS = [
    Cell(role=None),
    Cell(role=None, is_developer=True),
    *(
        Cell(role=role, may_view=view, may_manage=manage)
        for role in StaffRole
        for view, manage in PERMISSIONS
    ),
    # What the store says of a developer takes nothing from them.
    *(
        Cell(role=StaffRole.SUPPORT, may_view=view, may_manage=manage, is_developer=True)
        for view, manage in PERMISSIONS
    ),
]
DEEDS = {**SLASH, **MENTIONS, **SLIPS, **PRESSES}


@pytest.fixture
async def staff_office(database: Database) -> AsyncIterator[StaffOffice]:
    world = World()
    office = StaffOffice(database, world, developers=(DEVELOPER, world.user_id(SUPERVISOR)))
    office.backend.subscription = SUBSCRIPTION
    office.backend.user = ACCOUNT
    office.backend.invoices = invoices(9)
    async with world.connect(office.bot):
        yield office
    await office.bot.close()


@pytest.mark.parametrize("name", DEEDS)
async def test_who_may_and_what_is_noted(staff_office: StaffOffice, name: str) -> None:
    deed: Deed = DEEDS[name]
    for cell in CELLS:
        await tidy(staff_office)
        if deed.action is StaffAction.REMOVE_STAFF:
            await staff_office.appoint_person(CUSTOMER, may_view=False, may_manage=False)
        else:
            await staff_office.appoint_person(CUSTOMER, None)
        await staff_office.appoint_person(
            cell.person, cell.role, may_view=cell.may_view, may_manage=cell.may_manage
        )
        before = len(await staff_office.trail())
        shown = await deed.do(Actor(office=staff_office, person=cell.person))
        refusal = cell.refusal(deed.action)
        assert await outcomes(staff_office, before) == [
            (deed.action, AuditOutcome.REFUSED if refusal else AuditOutcome.ALLOWED)
        ], (cell, shown)
        entry = (await staff_office.trail())[before]
        assert entry.actor_id == staff_office.user_id(cell.person)
        if refusal is None:
            assert "## Not done" not in shown, cell
            continue
        assert shown == refused(refusal), cell
        assert entry.detail is not None
        assert entry.detail.endswith(refusal.value)


async def test_no_command_and_no_button_is_left_out(staff_office: StaffOffice) -> None:
    bot = staff_office.bot
    slash = {
        command.qualified_name.removeprefix("admin ")
        for command in bot.tree.walk_commands()
        if isinstance(command, app_commands.Command) and command.qualified_name[:6] == "admin "
    }
    assert slash == set(SLASH)
    assert {command.name for command in bot.commands} == set(MENTIONS)
    admin = bot.get_cog("Admin")
    assert isinstance(admin, Admin)
    assert set(admin.presses()) == set(PRESSES)
    assert {deed.action for deed in DEEDS.values()} == set(NEEDS)
    # What only Moddy itself writes, or another part of it asks.
    assert set(StaffAction) - set(NEEDS) == {
        StaffAction.REFUND_RESULT,
        StaffAction.HOLD_REMOVALS,
    }
