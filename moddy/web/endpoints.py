"""Every endpoint of the internal API: where it is, what it takes, and what it answers.

The application's routes and its OpenAPI document are both made of this list.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp.typedefs import Handler
from msgspec import Struct

from moddy.models import (
    InternalHealthResponse,
    InternalNotifyUserRequest,
    InternalNotifyUserResponse,
    InternalUpdateRolesRequest,
    InternalUpdateRolesResponse,
    PremiumResponse,
    ServiceResponse,
)
from moddy.services.status import StatusResponse
from moddy.web import examples, health, notify, premium, roles, root, status
from moddy.web.examples import (
    REFUSED_AT_THE_DOOR,
    REFUSED_BODIES,
    REFUSED_NOTIFY,
    REFUSED_PREMIUM,
    REFUSED_ROLES,
    REFUSED_UNSIGNED,
    Examples,
)


class Endpoint(Struct, frozen=True, kw_only=True):
    """One endpoint.

    `answer` is the type of its own answers, of which `examples` has all; None: they are text of
    `media_type` instead of JSON. `refusals` are all that no answer table covers. `request` is the
    type of its body, and `requests` has examples of it. `secret`: it asks for the shared secret.
    """

    method: str
    path: str
    summary: str
    handler: Handler
    answer: type[Struct] | None
    examples: Examples
    refusals: Examples
    request: type[Struct] | None = None
    requests: Mapping[str, Mapping[str, Any]] = {}
    secret: bool = True
    media_type: str = "application/json"


_REFUSALS = (*REFUSED_AT_THE_DOOR, *REFUSED_UNSIGNED)

ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/internal/health",
        summary="Whether the gateway is ready and the store answers",
        handler=health.check,
        answer=InternalHealthResponse,
        examples=examples.HEALTH,
        refusals=_REFUSALS,
    ),
    Endpoint(
        method="POST",
        path="/internal/notify",
        summary="Tell a customer what happened to their subscription, and change their premium",
        handler=notify.notify,
        request=InternalNotifyUserRequest,
        requests=examples.NOTIFY_REQUESTS,
        answer=InternalNotifyUserResponse,
        examples=examples.NOTIFY,
        refusals=(*_REFUSALS, *REFUSED_BODIES, *REFUSED_NOTIFY),
    ),
    Endpoint(
        method="POST",
        path="/internal/roles/update",
        summary="Make a member's roles as asked, or as their plan says",
        handler=roles.update,
        request=InternalUpdateRolesRequest,
        requests=examples.ROLES_REQUESTS,
        answer=InternalUpdateRolesResponse,
        examples=examples.ROLES,
        refusals=(*_REFUSALS, *REFUSED_BODIES, *REFUSED_ROLES),
    ),
    Endpoint(
        method="GET",
        path="/internal/users/{discord_id}/premium",
        summary="Whether a user is premium, and until when",
        handler=premium.read,
        answer=PremiumResponse,
        examples=examples.PREMIUM,
        refusals=(*_REFUSALS, *REFUSED_PREMIUM),
    ),
    Endpoint(
        method="GET",
        path="/internal/status",
        summary="How Moddy stands, for people",
        handler=status.show,
        answer=StatusResponse,
        examples=examples.STATUS,
        refusals=_REFUSALS,
    ),
    Endpoint(
        method="GET",
        path="/internal/metrics",
        summary="How Moddy stands, for Prometheus",
        handler=status.metrics,
        answer=None,
        media_type="text/plain",
        examples=examples.METRICS,
        # Prometheus, which reads them, cannot sign.
        refusals=REFUSED_AT_THE_DOOR,
    ),
    Endpoint(
        method="GET",
        path="/",
        summary="What this is",
        handler=root.describe,
        answer=ServiceResponse,
        examples=examples.ROOT,
        refusals=(),
        secret=False,
    ),
)
