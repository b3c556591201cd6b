"""Staff and their trail in the store."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa
from msgspec import structs
from sqlalchemy.exc import DBAPIError

from moddy.errors import StoreUnavailable
from moddy.models import Snowflake
from moddy.staff import AuditEntry, AuditOutcome, StaffAction, StaffMember, StaffRole
from moddy.store import staff, staff_audit
from moddy.store.database import Database
from moddy.store.transactions import Connection
from tests.fakes import START

ANNA = Snowflake("18446744073709551615")
BERT = Snowflake("2")
MEMBER = StaffMember(
    discord_id=ANNA,
    role=StaffRole.SUPERVISOR,
    may_view=True,
    may_manage=False,
    added_by=BERT,
    added_at=START,
)
ENTRY = AuditEntry(
    actor_id=ANNA,
    action=StaffAction.CONFIRM_REFUND,
    outcome=AuditOutcome.ALLOWED,
    at=START,
    subject_id=BERT,
    detail="20.00 EUR",
    refund_id="0" * 24,
)


async def test_a_member_is_kept_changed_and_removed(database: Database) -> None:
    assert await database.read(lambda c: staff.find(c, ANNA)) is None
    await database.transaction(lambda c: staff.save(c, MEMBER))
    assert await database.read(lambda c: staff.find(c, ANNA)) == MEMBER
    changed = structs.replace(MEMBER, role=StaffRole.MANAGER, may_manage=True)
    await database.transaction(lambda c: staff.save(c, changed))
    later = structs.replace(MEMBER, discord_id=BERT, added_at=START + timedelta(days=1))
    await database.transaction(lambda c: staff.save(c, later))
    assert await database.read(staff.find_all) == [changed, later]
    assert await database.transaction(lambda c: staff.remove(c, ANNA))
    assert not await database.transaction(lambda c: staff.remove(c, ANNA))
    assert await database.read(staff.find_all) == [later]


async def test_an_entry_comes_back_as_it_was(database: Database) -> None:
    bare = structs.replace(ENTRY, subject_id=None, detail=None, refund_id=None)
    long = structs.replace(ENTRY, detail="x" * 600)
    for entry in (ENTRY, bare, long):
        await database.transaction(lambda c, one=entry: staff_audit.add(c, one))  # type: ignore[misc]
    page = await database.read(lambda c: staff_audit.read_page(c, 1, person_id=None, size=9))
    assert page.entries == (structs.replace(long, detail="x" * 500), bare, ENTRY)
    assert (page.number, page.count) == (1, 1)
    about = await database.read(lambda c: staff_audit.read_page(c, 0, person_id=BERT, size=1))
    assert (about.number, about.count, about.entries[0].subject_id) == (1, 2, BERT)


@pytest.mark.parametrize(
    "statement", ["UPDATE staff_audit SET detail = 'x'", "DELETE FROM staff_audit"]
)
async def test_the_trail_only_grows(database: Database, statement: str) -> None:
    await database.transaction(lambda c: staff_audit.add(c, ENTRY))

    async def tamper(connection: Connection) -> None:
        await connection.execute(sa.text(statement))

    with pytest.raises((DBAPIError, StoreUnavailable)):
        await database.transaction(tamper)
    page = await database.read(lambda c: staff_audit.read_page(c, 1, person_id=None, size=9))
    assert page.entries == (ENTRY,)
