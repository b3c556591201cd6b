"""When a delivery is tried again: the schedule as data, and the decision as a pure function."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from moddy.store.deliveries import Answer, Delivery, DeliveryState, Outcome

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


def after_failure(
    delivery: Delivery,
    *,
    now: datetime,
    error: str,
    maybe_done: bool,
    retry_after: float | None,
    uniform: Callable[[float, float], float],
    given_up: Answer | None = None,
) -> Outcome:
    """Return what becomes of a delivery whose attempt failed in a way that may pass.

    `maybe_done` tells that it may have had its effect all the same; that also holds when an
    earlier attempt left it open. `given_up` is the answer once there is no more trying.
    """
    if now - (delivery.retried_at or delivery.created_at) >= GIVE_UP_AFTER:
        maybe_done = maybe_done or delivery.is_left_open
        return Outcome(
            state=DeliveryState.DEAD, answer=given_up, error=error, maybe_done=maybe_done
        )
    delay = RETRY_DELAYS[min(delivery.tries, len(RETRY_DELAYS) - 1)] * uniform(*JITTER)
    asked = min(retry_after or 0.0, LONGEST_RETRY_AFTER)
    return Outcome(
        state=DeliveryState.PENDING,
        due_at=now + timedelta(seconds=max(delay, asked)),
        error=error,
        maybe_done=maybe_done or delivery.is_left_open,
    )


def is_fate_unknown(delivery: Delivery, now: datetime) -> bool:
    """Tell whether a message may have been sent before, too long ago for its nonce to help.

    Its process ended before it could record anything, or Discord failed in the middle.
    """
    since = delivery.sending_since
    return since is not None and now - since > NONCE_WINDOW
