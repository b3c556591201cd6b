"""The answers of the wire contract's tables, each in one place."""

from __future__ import annotations

from moddy.models import InternalNotifyUserResponse, InternalUpdateRolesResponse, encode
from moddy.store.deliveries import Answer


def _notify(status: int, message: str, *, success: bool = False, sent: bool = False) -> Answer:
    body = InternalNotifyUserResponse(success=success, message=message, notification_sent=sent)
    return Answer(status, encode(body))


NOTIFY_DELIVERED = _notify(200, "User notified successfully", success=True, sent=True)
NOTIFY_FALLBACK = _notify(200, "User notified in the fallback channel", success=True, sent=True)
NOTIFY_CLOSED = _notify(200, "Cannot send DM to user (DMs disabled)")
NOTIFY_NO_USER = _notify(404, "User not found in Discord server")
NOTIFY_QUEUED = _notify(202, "Notification queued for delivery", success=True)
NOTIFY_STALE = _notify(200, "Stale event ignored", success=True)
NOTIFY_REFUSED = _notify(500, "Failed to send Discord message")
NOTIFY_NO_STORE = _notify(503, "Store unavailable")


def _roles(
    status: int,
    message: str,
    guild_id: str | None,
    *,
    success: bool = False,
    updated: bool = False,
) -> Answer:
    body = InternalUpdateRolesResponse(
        success=success,
        message=message,
        roles_updated=updated,
        # A plain str: the id may come straight from the settings.
        guild_id=None if guild_id is None else str(guild_id),
    )
    return Answer(status, encode(body))


def roles_updated(guild_id: str) -> Answer:
    """The roles are now as asked."""
    return _roles(200, "Roles updated successfully", guild_id, success=True, updated=True)


def roles_no_member(guild_id: str) -> Answer:
    """The user is not in the guild; the update waits for them."""
    return _roles(200, "User not found in Discord server", guild_id)


def roles_no_role(guild_id: str) -> Answer:
    """A role does not exist."""
    return _roles(200, "Role not found in server", guild_id)


def roles_unassignable(guild_id: str) -> Answer:
    """A role belongs to an integration, or is @everyone."""
    return _roles(500, "Failed to update roles: Role cannot be assigned", guild_id)


def roles_forbidden(guild_id: str) -> Answer:
    """Moddy may not manage the role."""
    return _roles(500, "Failed to update roles: Missing permissions", guild_id)


def roles_refused(guild_id: str) -> Answer:
    """Discord refused for good, for a reason that the contract does not name."""
    return _roles(500, "Failed to update roles: Discord refused the change", guild_id)


def roles_queued(guild_id: str) -> Answer:
    """Not done yet; Moddy goes on trying."""
    return _roles(202, "Role update queued", guild_id, success=True)


def roles_no_guild(guild_id: str) -> Answer:
    """Moddy is not in the guild."""
    return _roles(404, "Guild not found", guild_id)


def roles_no_store(guild_id: str | None) -> Answer:
    """Nothing could be stored."""
    return _roles(503, "Store unavailable", guild_id)


ROLES_NO_GUILD_ID = _roles(503, "MODDY_GUILD_ID not configured", None)


def roles_no_premium_role(guild_id: str) -> Answer:
    """The plan alone was given, and there is no role for it."""
    return _roles(503, "MODDY_PREMIUM_ROLE_ID not configured", guild_id)
