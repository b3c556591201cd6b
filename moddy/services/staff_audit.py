"""The staff's trail, and the channel where staff see it."""

from __future__ import annotations

from moddy.errors import DiscordError, DiscordUnavailable
from moddy.models import Snowflake, decoder, encode
from moddy.ports import Clock, StaffLog
from moddy.services.intake import new_delivery_id
from moddy.services.schedule import is_fate_unknown
from moddy.staff import AuditEntry, AuditOutcome, StaffAction
from moddy.store import deliveries, staff_audit
from moddy.store.database import Database
from moddy.store.deliveries import (
    Answer,
    Delivery,
    DeliveryKind,
    DeliveryState,
    Outcome,
    RequestContext,
)
from moddy.store.staff_audit import Page
from moddy.store.transactions import Connection

PAGE_SIZE = 10


class StaffAudit:
    """Writes the trail and, with `channel_id`, has each entry posted there, durably."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        log: StaffLog,
        channel_id: Snowflake | None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._log = log
        self._channel_id = channel_id
        self._decoder = decoder(AuditEntry)

    async def note(
        self,
        connection: Connection,
        actor_id: Snowflake,
        action: StaffAction,
        outcome: AuditOutcome,
        *,
        subject_id: Snowflake | None = None,
        detail: str | None = None,
        refund_id: str | None = None,
    ) -> None:
        """Append an entry in a transaction of the caller's, and owe the channel its post."""
        now = self._clock.now()
        entry = AuditEntry(
            actor_id=actor_id,
            action=action,
            outcome=outcome,
            at=now,
            subject_id=subject_id,
            detail=detail,
            refund_id=refund_id,
        )
        await staff_audit.add(connection, entry)
        if self._channel_id is not None:
            delivery = Delivery(
                id=new_delivery_id(),
                kind=DeliveryKind.STAFF_LOG,
                user_id=actor_id,
                state=DeliveryState.PENDING,
                payload=encode(entry),
                created_at=now,
            )
            context = RequestContext(request_id=delivery.id, body_hash=b"")
            await deliveries.insert(connection, delivery, context)

    async def record(
        self,
        actor_id: Snowflake,
        action: StaffAction,
        outcome: AuditOutcome,
        *,
        subject_id: Snowflake | None = None,
        detail: str | None = None,
    ) -> None:
        """Append an entry in a transaction of its own. Raises StoreUnavailable."""
        await self._database.transaction(
            lambda c: self.note(c, actor_id, action, outcome, subject_id=subject_id, detail=detail),
            about=actor_id,
        )

    async def attempt(self, delivery: Delivery) -> Outcome:
        """Try once to post an entry. Raises DiscordUnavailable to be tried again."""
        if is_fate_unknown(delivery, self._clock.now()):
            # It may be there already; whoever cares looks into the trail itself.
            return Outcome(state=DeliveryState.UNCERTAIN, maybe_done=True)
        if self._channel_id is None:  # the setting was taken away meanwhile
            return Outcome(state=DeliveryState.REFUSED, error="no_staff_log_channel")
        entry = self._decoder.decode(delivery.payload)
        try:
            message_id = await self._log.post(self._channel_id, entry, nonce=delivery.id)
        except DiscordUnavailable:
            raise
        except DiscordError as error:
            return Outcome(state=DeliveryState.REFUSED, error=error.code)
        return Outcome(
            state=DeliveryState.DELIVERED, answer=Answer(200, b""), message_id=message_id
        )

    async def read_page(self, number: int, *, person_id: Snowflake | None = None) -> Page:
        """Return a page of the trail, newest first. Raises StoreUnavailable."""
        return await self._database.read(
            lambda c: staff_audit.read_page(c, number, person_id=person_id, size=PAGE_SIZE)
        )
