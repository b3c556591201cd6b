"""What the API is asked and what it answers, by example, for its OpenAPI document.

The answers are the very ones that the services give; each refusal is one that a test provokes.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from moddy import __version__
from moddy.models import (
    ErrorResponse,
    HealthStatus,
    InternalHealthResponse,
    NotifyAction,
    PremiumResponse,
    encode,
)
from moddy.services import answers
from moddy.services.status import DeliveryCount, EventCounts, Gateway, Shard, StatusResponse
from moddy.store.deliveries import Answer
from moddy.web import root
from moddy.web.bodies import MAX_BODY

_GUILD = "200000000000000001"
_USER = "100000000000000001"


class Example(Struct, frozen=True, kw_only=True):
    """One answer, as it is sent."""

    name: str
    status: int
    body: bytes


Examples = tuple[Example, ...]


def _answers(**named: Answer) -> Examples:
    return tuple(
        Example(name=name, status=answer.status, body=answer.body) for name, answer in named.items()
    )


def _ok(**named: Struct) -> Examples:
    return tuple(Example(name=name, status=200, body=encode(body)) for name, body in named.items())


def _refusals(status: int, **named: str | tuple[str, str]) -> Examples:
    """Return refusals by their text, or by their text and the field at fault."""
    found = []
    for name, text in named.items():
        error, field = (text, None) if isinstance(text, str) else text
        body = encode(ErrorResponse(error=error, field=field))
        found.append(Example(name=name, status=status, body=body))
    return tuple(found)


NOTIFY_REQUESTS: Mapping[str, Mapping[str, Any]] = {
    "created": {
        "discord_id": _USER,
        "action": "subscription_created",
        "plan": "moddy_max",
        "metadata": {
            "subscription_type": "monthly",
            "amount": 999,
            "currency": "eur",
            "event_id": "evt_1",
            "event_created": 1735732800,
        },
    },
    "cancelled_at_period_end": {
        "discord_id": _USER,
        "action": "subscription_cancelled",
        "plan": "moddy_max",
        "metadata": {
            "cancel_at_period_end": True,
            "current_period_end": "2025-02-01T00:00:00Z",
        },
    },
}
ROLES_REQUESTS: Mapping[str, Mapping[str, Any]] = {
    "by_plan": {"discord_id": _USER, "plan": "moddy_max"},
    "by_list": {
        "discord_id": _USER,
        "plan": "moddy_max",
        "add_roles": ["300000000000000001"],
        "remove_roles": ["300000000000000002"],
    },
}

HEALTH = _ok(
    **{
        status.value: InternalHealthResponse(
            status=status, service="discord-bot", version=__version__
        )
        for status in HealthStatus
    }
)
NOTIFY = _answers(
    delivered=answers.NOTIFY_DELIVERED,
    fallback_channel=answers.NOTIFY_FALLBACK,
    direct_messages_closed=answers.NOTIFY_CLOSED,
    no_such_user=answers.NOTIFY_NO_USER,
    queued=answers.NOTIFY_QUEUED,
    stale=answers.NOTIFY_STALE,
    refused_for_good=answers.NOTIFY_REFUSED,
    store_unavailable=answers.NOTIFY_NO_STORE,
)
ROLES = _answers(
    updated=answers.roles_updated(_GUILD),
    not_a_member=answers.roles_no_member(_GUILD),
    no_such_role=answers.roles_no_role(_GUILD),
    role_cannot_be_assigned=answers.roles_unassignable(_GUILD),
    missing_permissions=answers.roles_forbidden(_GUILD),
    refused_for_good=answers.roles_refused(_GUILD),
    queued=answers.roles_queued(_GUILD),
    no_guild_configured=answers.ROLES_NO_GUILD_ID,
    no_premium_role_configured=answers.roles_no_premium_role(_GUILD),
    guild_unknown=answers.roles_no_guild(_GUILD),
    store_unavailable=answers.roles_no_store(_GUILD),
)
PREMIUM = _ok(
    premium=PremiumResponse(discord_id=_USER, premium=True, premium_until=None),
    premium_that_ends=PremiumResponse(
        discord_id=_USER, premium=True, premium_until=datetime(2025, 1, 1, tzinfo=UTC)
    ),
    never_heard_of=PremiumResponse(discord_id=_USER, premium=False, premium_until=None),
)
STATUS = _ok(
    just_started=StatusResponse(
        version=__version__,
        started_at=datetime(2025, 1, 1, tzinfo=UTC),
        uptime_seconds=7,
        memory_bytes=83_886_080,
        gateway=Gateway(
            ready=False,
            guilds=0,
            shards=(Shard(id=0, latency_ms=None),),
            sessions={"lost": 1},
        ),
        store_answers=True,
        deliveries=(DeliveryCount(kind="notify", state="pending", count=3, oldest_seconds=42),),
        breakers={"backend": "closed", "discord": "open", "discord_dms": "closed"},
        requests={"202": 3},
        attempts={"pending": 3},
        discord_calls={"200": 5, "none": 3},
        events=EventCounts(held=0, dropped={"memory": 0, "backlog": 0}),
        reconciliation={"passes": 0, "added": 0, "removed": 0},
    ),
)
METRICS = (
    Example(
        name="an_excerpt",
        status=200,
        body=b"# HELP moddy_store_up 1 while the store answers\n"
        b"# TYPE moddy_store_up gauge\n"
        b"moddy_store_up 1.0\n",
    ),
)
ROOT = (Example(name="running", status=200, body=root.DESCRIPTION),)

# Whatever is under /internal may answer so, before it looks at the request.
REFUSED_AT_THE_DOOR = (
    *_refusals(
        401,
        no_authorization="Missing Authorization header",
        no_bearer="Invalid Authorization format",
    ),
    *_refusals(403, wrong_bearer="Invalid internal API secret"),
    Example(
        name="unforeseen",
        status=500,
        body=encode(ErrorResponse(error="Internal server error", request_id="5f0c")),
    ),
    *_refusals(
        503,
        not_configured="Internal API secret not configured",
        too_busy="Too many requests in hand",
    ),
)
REFUSED_UNSIGNED = _refusals(401, not_signed="Invalid webhook signature")
_BAD_ID = ("Expected a Discord id: 1 to 20 digits, from 1 to 2^64-1", "$.discord_id")
REFUSED_BODIES = (
    *_refusals(
        400,
        not_json="The body is not JSON: JSON is malformed: invalid character (byte 4)",
        truncated="The body is not JSON: Input data was truncated",
        wrong_encoding="The body is not UTF-8",
    ),
    *_refusals(408, too_slow="The body did not arrive in time"),
    *_refusals(413, too_large=f"The body is larger than {MAX_BODY} bytes"),
    *_refusals(
        415,
        no_json_type="Content-Type: expected application/json",
        compressed="Content-Encoding: expected none",
    ),
    *_refusals(
        422,
        wrong_type=("Expected a Discord id as a string of digits", "$.discord_id"),
        missing_field=("Object missing required field `discord_id`", "$.discord_id"),
        bad_id=_BAD_ID,
        bad_key=("Expected a key of 1 to 255 visible ASCII characters", "Idempotency-Key"),
        reused_key=("Idempotency-Key reused with a different body", "Idempotency-Key"),
    ),
)
REFUSED_NOTIFY = _refusals(
    422,
    unknown_action=(
        f"Expected one of: {', '.join(action.value for action in NotifyAction)}",
        "$.action",
    ),
)
REFUSED_ROLES = _refusals(
    422,
    no_plan=("Expected `str`, got `null`", "$.plan"),
    role_in_both_lists=(
        "Expected no role in both add_roles and remove_roles",
        "$.remove_roles",
    ),
)
REFUSED_PREMIUM = (
    *_refusals(422, bad_id=_BAD_ID),
    *_refusals(503, store_unavailable="Store unavailable"),
)
# Of no endpoint: there is none at the path, or none for the method.
NOT_FOUND = _refusals(404, unknown_path="Not Found")
METHOD_NOT_ALLOWED = _refusals(405, unknown_method="Method Not Allowed")
