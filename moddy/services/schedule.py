"""When a delivery is tried again: the schedule as data, and the decision as a pure function."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from moddy.store.deliveries import Delivery, DeliveryKind, DeliveryState, Outcome

# Seconds until the next try, by how many were made; after the last one it stays hourly.
RETRY_DELAYS = (1, 5, 30, 120, 600, 1800, 3600)
JITTER = (0.8, 1.2)
GIVE_UP_AFTER = timedelta(hours=72)
# What a Retry-After may ask for at most, in seconds: more is a mistake, or a day's ban.
LONGEST_RETRY_AFTER = 86_400.0
# Discord drops a message whose nonce it has seen "in the past few minutes": within this time of
# the first try the same nonce is safe to send again, later it might make a second message.
# Source: https://discord.com/developers/docs/resources/message#create-message
NONCE_WINDOW = timedelta(seconds=120)
# A try at the end of the window must still arrive inside it.
NONCE_MARGIN = timedelta(seconds=20)


def after_failure(
    delivery: Delivery,
    *,
    now: datetime,
    error: str,
    maybe_done: bool,
    retry_after: float | None,
    uniform: Callable[[float, float], float],
) -> Outcome:
    """Return what becomes of a delivery whose attempt failed in a way that may pass.

    `maybe_done` tells that the message may have been sent all the same; that also holds when an
    earlier attempt left it open. Such a delivery is only tried again while its nonce keeps
    Discord from showing it twice.
    """
    maybe_done = maybe_done or delivery.is_left_open
    if now - delivery.created_at >= GIVE_UP_AFTER:
        return Outcome(state=DeliveryState.DEAD, error=error)
    delay = RETRY_DELAYS[min(delivery.tries, len(RETRY_DELAYS) - 1)] * uniform(*JITTER)
    asked = min(retry_after or 0.0, LONGEST_RETRY_AFTER)
    due_at = now + timedelta(seconds=max(delay, asked))
    if maybe_done and delivery.kind is DeliveryKind.NOTIFY:
        last = (delivery.sending_since or now) + NONCE_WINDOW - NONCE_MARGIN
        if due_at > last:
            if last <= now:
                return Outcome(state=DeliveryState.UNCERTAIN, error=error, maybe_done=True)
            due_at = last
    return Outcome(state=DeliveryState.PENDING, due_at=due_at, error=error, maybe_done=maybe_done)


def is_fate_unknown(delivery: Delivery, now: datetime) -> bool:
    """Tell whether a message may have been sent by an earlier attempt, too long ago to repeat it.

    That attempt's process ended, or lost its lease, before it could record anything.
    """
    since = delivery.sending_since
    late = since is not None and now - since > NONCE_WINDOW
    return late and delivery.kind is DeliveryKind.NOTIFY
