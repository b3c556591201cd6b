"""Building how deliveries of each kind are carried out."""

from __future__ import annotations

from collections.abc import Callable

from aiolimiter import AsyncLimiter

from moddy.breaker import BreakerState
from moddy.messenger import DiscordMessenger
from moddy.models import Snowflake
from moddy.services import answers
from moddy.services.deliveries import Carrier
from moddy.services.discord_gate import DiscordGate
from moddy.services.events import Events
from moddy.services.notifications import Notifications
from moddy.services.roles import RoleUpdates
from moddy.services.staff_audit import StaffAudit
from moddy.store.deliveries import DeliveryKind
from moddy.wiring.ground import Ground


def make_carriers(
    ground: Ground,
    *,
    gate: DiscordGate,
    is_logged_in: Callable[[], bool],
    messenger: DiscordMessenger,
    notifications: Notifications,
    role_updates: RoleUpdates,
    audit: StaffAudit,
    events: Events,
) -> dict[DeliveryKind, Carrier]:
    """Return a carrier for each kind."""
    guild_id = ground.settings.moddy_guild_id
    new_dms = AsyncLimiter(ground.settings.dm_opens_per_minute, 60)

    async def pace_dm(user_id: Snowflake) -> None:
        if not messenger.has_open_dm(user_id):
            await new_dms.acquire()

    def ready(kind: DeliveryKind) -> Callable[[], bool]:
        return lambda: is_logged_in() and gate.allows(kind)

    return {
        DeliveryKind.NOTIFY: Carrier(
            attempt=notifications.attempt,
            is_ready=ready(DeliveryKind.NOTIFY),
            until_hanging=gate.until_hanging,
            pace=pace_dm,
            guard=gate.attempt,
            given_up=answers.NOTIFY_REFUSED,
        ),
        DeliveryKind.REFUND: Carrier(
            attempt=notifications.attempt,
            is_ready=ready(DeliveryKind.REFUND),
            pace=pace_dm,
            guard=gate.attempt,
        ),
        DeliveryKind.STAFF_LOG: Carrier(
            attempt=audit.attempt,
            is_ready=ready(DeliveryKind.STAFF_LOG),
            guard=gate.attempt,
        ),
        DeliveryKind.ROLES: Carrier(
            attempt=role_updates.attempt,
            is_ready=ready(DeliveryKind.ROLES),
            until_hanging=gate.until_hanging,
            guard=gate.attempt,
            given_up=answers.roles_refused(guild_id) if guild_id else None,
        ),
        DeliveryKind.EVENT: Carrier(
            attempt=events.attempt,
            is_ready=lambda: ground.backend.breaker_state is not BreakerState.OPEN,
            pace=events.pace,
        ),
    }
