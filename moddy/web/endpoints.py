"""Every endpoint of the internal API: where it is, what it takes, and what it answers.

The application's routes and its OpenAPI document are both made of this list, and the examples
are the very answers that the services give.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from aiohttp.typedefs import Handler
from msgspec import Struct

from moddy import __version__
from moddy.models import (
    ErrorResponse,
    HealthStatus,
    InternalHealthResponse,
    InternalNotifyUserRequest,
    InternalNotifyUserResponse,
    InternalUpdateRolesRequest,
    InternalUpdateRolesResponse,
    PremiumResponse,
    ServiceResponse,
    encode,
)
from moddy.services import answers
from moddy.services.status import (
    DeliveryCount,
    EventCounts,
    Gateway,
    Shard,
    StatusResponse,
)
from moddy.store.deliveries import Answer
from moddy.web import health, notify, premium, roles, root, status

_GUILD = "200000000000000001"
_USER = "100000000000000001"


class Example(Struct, frozen=True, kw_only=True):
    """One answer, as it is sent."""

    name: str
    status: int
    body: bytes
    headers: Mapping[str, str] = {}


class Endpoint(Struct, frozen=True, kw_only=True):
    """One endpoint.

    `requests` are examples of its body, `answer` the type of its own answers; None: they are text
    of `media_type` instead of JSON.

    `secret`: it asks for the shared secret.
    """

    method: str
    path: str
    summary: str
    handler: Handler
    answer: type[Struct] | None
    examples: tuple[Example, ...]
    request: type[Struct] | None = None
    requests: Mapping[str, Mapping[str, Any]] = {}
    secret: bool = True
    media_type: str = "application/json"


def _examples(**named: Answer) -> tuple[Example, ...]:
    return tuple(
        Example(name=name, status=answer.status, body=answer.body) for name, answer in named.items()
    )


def _ok(name: str, body: Struct) -> Example:
    return Example(name=name, status=200, body=encode(body))


_HEALTH = Endpoint(
    method="GET",
    path="/internal/health",
    summary="Whether the gateway is ready and the store answers",
    handler=health.check,
    answer=InternalHealthResponse,
    examples=tuple(
        _ok(
            status.value,
            InternalHealthResponse(status=status, service="discord-bot", version=__version__),
        )
        for status in HealthStatus
    ),
)

_NOTIFY = Endpoint(
    method="POST",
    path="/internal/notify",
    summary="Tell a customer what happened to their subscription, and change their premium",
    handler=notify.notify,
    request=InternalNotifyUserRequest,
    requests={
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
    },
    answer=InternalNotifyUserResponse,
    examples=_examples(
        delivered=answers.NOTIFY_DELIVERED,
        fallback_channel=answers.NOTIFY_FALLBACK,
        direct_messages_closed=answers.NOTIFY_CLOSED,
        no_such_user=answers.NOTIFY_NO_USER,
        queued=answers.NOTIFY_QUEUED,
        stale=answers.NOTIFY_STALE,
        refused_for_good=answers.NOTIFY_REFUSED,
        store_unavailable=answers.NOTIFY_NO_STORE,
    ),
)

_ROLES = Endpoint(
    method="POST",
    path="/internal/roles/update",
    summary="Make a member's roles as asked, or as their plan says",
    handler=roles.update,
    request=InternalUpdateRolesRequest,
    requests={
        "by_plan": {"discord_id": _USER, "plan": "moddy_max"},
        "by_list": {
            "discord_id": _USER,
            "plan": "moddy_max",
            "add_roles": ["300000000000000001"],
            "remove_roles": ["300000000000000002"],
        },
    },
    answer=InternalUpdateRolesResponse,
    examples=_examples(
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
    ),
)

_PREMIUM = Endpoint(
    method="GET",
    path="/internal/users/{discord_id}/premium",
    summary="Whether a user is premium, and until when",
    handler=premium.read,
    answer=PremiumResponse,
    examples=(
        _ok("premium", PremiumResponse(discord_id=_USER, premium=True, premium_until=None)),
        _ok("never_heard_of", PremiumResponse(discord_id=_USER, premium=False, premium_until=None)),
    ),
)

_STATUS = Endpoint(
    method="GET",
    path="/internal/status",
    summary="How Moddy stands, for people",
    handler=status.show,
    answer=StatusResponse,
    examples=(
        _ok(
            "just_started",
            StatusResponse(
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
                deliveries=(
                    DeliveryCount(kind="notify", state="pending", count=3, oldest_seconds=42),
                ),
                breakers={"backend": "closed", "discord": "open", "discord_dms": "closed"},
                requests={"202": 3},
                attempts={"pending": 3},
                discord_calls={"200": 5, "none": 3},
                events=EventCounts(held=0, dropped={"memory": 0, "backlog": 0}),
                reconciliation={"passes": 0, "added": 0, "removed": 0},
            ),
        ),
    ),
)

_METRICS = Endpoint(
    method="GET",
    path="/internal/metrics",
    summary="How Moddy stands, for Prometheus",
    handler=status.metrics,
    answer=None,
    media_type="text/plain",
    examples=(
        Example(
            name="an_excerpt",
            status=200,
            body=b"# HELP moddy_store_up 1 while the store answers\n"
            b"# TYPE moddy_store_up gauge\n"
            b"moddy_store_up 1.0\n",
        ),
    ),
)

_ROOT = Endpoint(
    method="GET",
    path="/",
    summary="What this is",
    handler=root.describe,
    answer=ServiceResponse,
    examples=(Example(name="running", status=200, body=root.DESCRIPTION),),
    secret=False,
)

ENDPOINTS = (_HEALTH, _NOTIFY, _ROLES, _PREMIUM, _STATUS, _METRICS, _ROOT)

# What no answer table covers: the refusals that every endpoint under /internal may give.
REFUSALS = {
    400: ErrorResponse(error="The body is not JSON: JSON is malformed: invalid character (byte 0)"),
    401: ErrorResponse(error="Missing Authorization header"),
    403: ErrorResponse(error="Invalid internal API secret"),
    408: ErrorResponse(error="The body did not arrive in time"),
    413: ErrorResponse(error="The body is larger than 65536 bytes"),
    415: ErrorResponse(error="Content-Type: expected application/json"),
    422: ErrorResponse(error="Expected `str`, got `int`", field="$.discord_id"),
    500: ErrorResponse(error="Internal server error", request_id="5f0c"),
    503: ErrorResponse(error="Internal API secret not configured"),
}
