"""The rows of the notify and roles tables, as a test compares them."""

from __future__ import annotations

from typing import Any

import httpx

# Status, success, message, notification_sent.
DELIVERED = (200, True, "User notified successfully", True)
FALLBACK = (200, True, "User notified in the fallback channel", True)
CLOSED = (200, False, "Cannot send DM to user (DMs disabled)", False)
NO_USER = (404, False, "User not found in Discord server", False)
QUEUED = (202, True, "Notification queued for delivery", False)
STALE = (200, True, "Stale event ignored", False)
REFUSED = (500, False, "Failed to send Discord message", False)
NO_STORE = (503, False, "Store unavailable", False)
REUSED_KEY = {
    "error": "Idempotency-Key reused with a different body",
    "field": "Idempotency-Key",
}


def notify_answer(response: httpx.Response) -> tuple[Any, ...]:
    """Return the answer in the form of the rows above."""
    body = response.json()
    assert list(body) == ["success", "message", "notification_sent"]
    return response.status_code, *body.values()


def roles_answer(response: httpx.Response, guild_id: int | None) -> tuple[Any, ...]:
    """Return status, success, message and roles_updated."""
    body = response.json()
    assert list(body) == ["success", "message", "roles_updated", "guild_id"]
    assert body.pop("guild_id") == (None if guild_id is None else str(guild_id))
    return response.status_code, *body.values()
