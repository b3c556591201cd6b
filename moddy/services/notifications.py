"""Notifications: accepting them, changing PREMIUM with them, and telling the customer."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

import msgspec
from msgspec import Struct

from moddy.errors import (
    DirectMessagesClosed,
    DiscordError,
    DiscordUnavailable,
    UserNotFound,
)
from moddy.models import InternalNotifyUserRequest, NotifyAction, Snowflake
from moddy.notices import AnyNotice, Notice, NotifyMetadata, RefundNotice
from moddy.ports import Clock, Messenger
from moddy.request_ids import current_request_id
from moddy.services import answers, intake
from moddy.services.intake import Accepted, new_delivery_id
from moddy.services.premium import Premium
from moddy.services.premium_terms import effective_plan, period_end_ahead
from moddy.services.schedule import is_fate_unknown
from moddy.store import deliveries as store
from moddy.store import users
from moddy.store.database import Database
from moddy.store.deliveries import (
    Answer,
    Delivery,
    DeliveryKind,
    DeliveryState,
    Outcome,
    RequestContext,
)
from moddy.store.transactions import Connection
from moddy.store.users import User

KEPT_AT_ONCE = 5
DEFAULT_LOCALE = "en-US"
# How far our clock and Discord's may be apart.
CLOCK_TOLERANCE = timedelta(seconds=60)


class NotifyPayload(Struct, frozen=True, kw_only=True):
    """What is stored of a notification: no e-mail, phone or Stripe id."""

    action: NotifyAction
    plan: str | None
    ends_at: datetime | None
    metadata: NotifyMetadata


class RefundPayload(Struct, frozen=True, kw_only=True):
    """What is stored of the message after a refund."""

    amount_minor: int
    currency: str


async def owe_refund_message(
    connection: Connection,
    user_id: Snowflake,
    payload: RefundPayload,
    *,
    key: str,
    now: datetime,
) -> None:
    """Store that a customer is to be told of a refund; `key` tells it from the user's others."""
    delivery = Delivery(
        id=new_delivery_id(),
        kind=DeliveryKind.REFUND,
        user_id=user_id,
        state=DeliveryState.PENDING,
        payload=msgspec.json.encode(payload),
        created_at=now,
    )
    context = RequestContext(
        request_id=current_request_id.get() or delivery.id,
        body_hash=hashlib.sha256(delivery.payload).digest(),
        idempotency_key=key,
    )
    await store.insert(connection, delivery, context)


class Notifications:
    """``POST /internal/notify`` and what follows from it; also the message after a refund."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        messenger: Messenger,
        premium: Premium,
        fallback_channel_id: Snowflake | None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._messenger = messenger
        self._premium = premium
        self._fallback_channel_id = fallback_channel_id
        self._decoder = msgspec.json.Decoder(NotifyPayload)
        self._refund_decoder = msgspec.json.Decoder(RefundPayload)

    async def accept(self, request: InternalNotifyUserRequest, context: RequestContext) -> Accepted:
        """Store a request, and with it the change of PREMIUM that it means.

        Raises:
            IdempotencyConflict: the key came before with another body.
            StoreUnavailable: nothing was accepted.
        """

        async def store_new(connection: Connection) -> Accepted:
            return await self._store(connection, request, context)

        return await intake.accept(
            self._database,
            DeliveryKind.NOTIFY,
            context,
            user_id=request.discord_id,
            queued=answers.NOTIFY_QUEUED,
            store_new=store_new,
        )

    async def _store(
        self,
        connection: Connection,
        request: InternalNotifyUserRequest,
        context: RequestContext,
    ) -> Accepted:
        now = self._clock.now()
        metadata = NotifyMetadata.read(request.metadata)
        user = await users.lock(connection, request.discord_id)
        stale = _is_stale(user, metadata)
        plan = effective_plan(request.action, request.plan, metadata)
        if not stale:
            await users.save_event(connection, user, created=metadata.event_created, plan=plan)
            await self._premium.apply(
                connection,
                user,
                request.action,
                plan=plan,
                metadata=metadata,
                request_id=context.request_id,
            )
        cancelled = request.action is NotifyAction.SUBSCRIPTION_CANCELLED
        payload = NotifyPayload(
            action=request.action,
            plan=plan,
            ends_at=period_end_ahead(metadata, now) if cancelled else None,
            metadata=metadata,
        )
        delivery = Delivery(
            id=new_delivery_id(),
            kind=DeliveryKind.NOTIFY,
            user_id=request.discord_id,
            state=DeliveryState.STALE if stale else DeliveryState.PENDING,
            payload=msgspec.json.encode(payload),
            created_at=now,
            request_id=context.request_id,
        )
        answer = answers.NOTIFY_STALE if stale else None
        await store.insert(connection, delivery, context, answer=answer)
        return Accepted(queued=answers.NOTIFY_QUEUED, delivery=delivery, answer=answer)

    async def attempt(self, delivery: Delivery) -> Outcome:
        """Try once to tell the customer. Raises DiscordUnavailable to be tried again."""
        locale = await self._locale(delivery.user_id)
        notice = self._notice(delivery, locale)
        user_id = delivery.user_id
        try:
            message_id = await self._find_sent(delivery, notice)
            if message_id is None:
                message_id = await self._messenger.send_notice(user_id, notice, nonce=delivery.id)
        except DirectMessagesClosed as error:
            return await self._fall_back(delivery, locale, error)
        except UserNotFound as error:
            return _refused(error, answers.NOTIFY_NO_USER)
        except DiscordUnavailable:
            raise
        except DiscordError as error:
            if is_fate_unknown(delivery, self._clock.now()):
                # It may have been sent, and Discord does not let us look: for a person.
                return Outcome(state=DeliveryState.UNCERTAIN, error=error.code, maybe_done=True)
            return _refused(error, answers.NOTIFY_REFUSED)
        return Outcome(
            state=DeliveryState.DELIVERED,
            answer=answers.NOTIFY_DELIVERED,
            message_id=message_id,
        )

    async def _find_sent(self, delivery: Delivery, notice: AnyNotice) -> str | None:
        """Return the message that an earlier attempt may have sent without our noticing.

        While Discord remembers the nonce there is no need to look: sending again is harmless.
        """
        since = delivery.sending_since
        if since is None or not is_fate_unknown(delivery, self._clock.now()):
            return None
        since -= CLOCK_TOLERANCE
        known = await self._database.read(
            lambda c: store.find_message_ids(c, delivery.user_id, since=since)
        )
        return await self._messenger.find_notice(
            delivery.user_id, notice, since=since, besides=known
        )

    async def _fall_back(
        self, delivery: Delivery, locale: str, error: DirectMessagesClosed
    ) -> Outcome:
        channel_id = self._fallback_channel_id
        # Nobody is mentioned a second time: whether they were is not known after a crash.
        if channel_id is not None and not is_fate_unknown(delivery, self._clock.now()):
            # A nonce of its own, still at most 25 characters.
            nonce = f"{delivery.id}f"
            if await self._messenger.send_fallback(
                delivery.user_id, channel_id=channel_id, locale=locale, nonce=nonce
            ):
                # The channel only says that there is news; the next command tells it.
                return Outcome(
                    state=DeliveryState.KEPT, answer=answers.NOTIFY_FALLBACK, error=error.code
                )
        return Outcome(state=DeliveryState.KEPT, answer=answers.NOTIFY_CLOSED, error=error.code)

    async def claim_kept(self, user_id: Snowflake, locale: str) -> list[tuple[str, AnyNotice]]:
        """Return the messages kept for a user, oldest first, with their delivery ids.

        They are to be shown and then marked so; until then nobody else gets them.
        """
        now = self._clock.now()
        kept = await self._database.transaction(
            lambda c: store.claim_kept(c, user_id, now=now, limit=KEPT_AT_ONCE), about=user_id
        )
        return [(delivery.id, self._notice(delivery, locale)) for delivery in kept]

    async def mark_shown(self, delivery_ids: list[str]) -> None:
        """Note that kept messages were shown, so that they are shown once."""
        now = self._clock.now()
        await self._database.transaction(lambda c: store.mark_shown(c, delivery_ids, now))

    async def remember_locale(self, user_id: Snowflake, locale: str) -> None:
        """Remember the Discord locale that a user was last seen with."""
        user = await self._database.read(lambda c: users.find(c, user_id))
        if user.locale != locale:
            await self._database.transaction(
                lambda c: users.save_locale(c, user_id, locale), about=user_id
            )

    async def _locale(self, user_id: Snowflake) -> str:
        user = await self._database.read(lambda c: users.find(c, user_id))
        return user.locale or await self._messenger.guild_locale() or DEFAULT_LOCALE

    def _notice(self, delivery: Delivery, locale: str) -> AnyNotice:
        if delivery.kind is DeliveryKind.REFUND:
            refund = self._refund_decoder.decode(delivery.payload)
            return RefundNotice(
                locale=locale, amount_minor=refund.amount_minor, currency=refund.currency
            )
        payload = self._decoder.decode(delivery.payload)
        return Notice(
            action=payload.action,
            locale=locale,
            plan=payload.plan,
            ends_at=payload.ends_at,
            metadata=payload.metadata,
        )


def _is_stale(user: User, metadata: NotifyMetadata) -> bool:
    """Tell whether the event is older than the last one accepted for the user."""
    created, last = metadata.event_created, user.last_event_created
    return created is not None and last is not None and created < last


def _refused(error: DiscordError, answer: Answer) -> Outcome:
    return Outcome(state=DeliveryState.REFUSED, answer=answer, error=error.code)
