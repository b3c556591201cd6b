"""What staff did, as a message in the staff's channel."""

from __future__ import annotations

from moddy.messenger import Connection, DiscordStaffLog
from moddy.models import Snowflake
from moddy.sandbox.world import AGENT, CUSTOMER
from moddy.staff import AuditEntry, AuditOutcome, StaffAction
from moddy.views.staff.audit import audit_entry_view
from tests.cogs.conftest import Office
from tests.cogs.staff_office import read
from tests.fakes import START


async def test_entry_is_posted_and_pings_nobody(office: Office) -> None:
    async def guild_locale() -> str:
        return "fr"

    log = DiscordStaffLog(
        Connection(office.bot, office.bot.logged_in.is_set),
        render=lambda entry, locale: audit_entry_view(entry, locale=locale),
        guild_locale=guild_locale,
    )
    entry = AuditEntry(
        actor_id=office.user_id(AGENT),
        action=StaffAction.VIEW_ACCOUNT,
        outcome=AuditOutcome.REFUSED,
        at=START,
        subject_id=office.user_id(CUSTOMER),
        detail="needs_subscription_view",
    )
    channel_id = Snowflake(office.world.staff_log.id)
    message_id = await log.post(channel_id, entry, nonce="0" * 24)
    channel = office.bot.get_partial_messageable(office.world.staff_log.id)
    shown = read(await channel.fetch_message(int(message_id)))
    for words in ("A consulté un compte", f"<@{entry.actor_id}>", f"<@{entry.subject_id}>"):
        assert words in shown
    bodies = [one[2] for one in office.world.env.backend.transcript if one[0] == "HTTP"]
    [sent] = [body for body in bodies if body and "components" in body]
    assert sent["allowed_mentions"] == {"parse": []}
