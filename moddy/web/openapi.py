"""The internal API as an OpenAPI 3.1 document, made of the endpoints and the wire Structs.

Source: https://spec.openapis.org/oas/v3.1.0
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from typing import Any

import msgspec
from aiohttp import web
from msgspec import Struct

from moddy import __version__
from moddy.models import MAX_SNOWFLAKE, ErrorResponse, Snowflake
from moddy.web.endpoints import ENDPOINTS, Endpoint
from moddy.web.examples import METHOD_NOT_ALLOWED, NOT_FOUND, Example
from moddy.web.idempotency import HEADER, KEY_PATTERN, REPLAYED
from moddy.web.refusals import json_response

JSON = dict[str, Any]

_DESCRIPTION = """What the website backend can call.

200 and 202 mean that a request is stored. Every answer carries `X-Request-ID`: the caller's, when
it is 1 to 64 characters of `[A-Za-z0-9._-]`, else a new one. Unknown fields are ignored. A path
that is not here answers as `NotFound`, another method as `MethodNotAllowed`.

With `INTERNAL_SIGNING_SECRETS` set, each call but that of the metrics has to carry the headers of
Standard Webhooks as well; `webhook-id` is then its idempotency key."""
_SNOWFLAKE = {
    "type": "string",
    "pattern": "^[0-9]{1,20}$",
    "description": f"A Discord id: digits, from 1 to {MAX_SNOWFLAKE}.",
}
_REFS = "#/components/schemas/{name}"
_HEADERS = {401: ["WWW-Authenticate"], 503: ["Retry-After"]}
# An example, and the type of its body; None for text.
_Said = tuple[type[Struct] | None, Example]


def document() -> JSON:
    """Return the OpenAPI document."""
    kinds: set[type[Struct]] = {ErrorResponse}
    for endpoint in ENDPOINTS:
        kinds |= {kind for kind in (endpoint.request, endpoint.answer) if kind is not None}
    _, schemas = msgspec.json.schema_components(
        sorted(kinds, key=lambda kind: kind.__name__),
        schema_hook=_schema_hook,
        ref_template=_REFS,
    )
    return {
        "openapi": "3.1.0",
        "info": {"title": "Moddy", "version": __version__, "description": _DESCRIPTION},
        "servers": [{"url": "http://moddy.railway.internal:3000"}],
        "paths": {one.path: {one.method.lower(): _operation(one)} for one in ENDPOINTS},
        "components": {
            "schemas": schemas,
            "responses": {
                "NotFound": _response([(ErrorResponse, one) for one in NOT_FOUND]),
                "MethodNotAllowed": _response(
                    [(ErrorResponse, one) for one in METHOD_NOT_ALLOWED], "Allow"
                ),
            },
            "securitySchemes": {
                "secret": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "INTERNAL_API_SECRET",
                }
            },
        },
    }


@cache
def encoded() -> bytes:
    """Return the document as JSON for people and machines."""
    return json.dumps(document(), indent=2, ensure_ascii=False).encode()


async def serve(_request: web.Request) -> web.StreamResponse:
    """``GET /internal/openapi.json``."""
    return json_response(200, encoded())


def _operation(endpoint: Endpoint) -> JSON:
    operation: JSON = {
        "operationId": re.sub(r"\W+", "_", endpoint.path).strip("_") or "root",
        "summary": endpoint.summary,
        "responses": _responses(endpoint),
    }
    if endpoint.secret:
        operation["security"] = [{"secret": []}]
    parameters = [_parameter("X-Request-ID", {"type": "string"})]
    if endpoint.request is not None:
        key = {"type": "string", "pattern": f"^{KEY_PATTERN}$"}
        parameters.append(_parameter(HEADER, key))
        examples = {name: {"value": value} for name, value in endpoint.requests.items()}
        operation["requestBody"] = {
            "required": True,
            "content": {
                "application/json": {"schema": _ref(endpoint.request), "examples": examples}
            },
        }
    if "{discord_id}" in endpoint.path:
        found = {"name": "discord_id", "in": "path", "required": True, "schema": _SNOWFLAKE}
        parameters.append(found)
    return operation | {"parameters": parameters}


def _parameter(name: str, schema: JSON) -> JSON:
    return {"name": name, "in": "header", "required": False, "schema": schema}


def _responses(endpoint: Endpoint) -> JSON:
    """Return the answers by status; one of the endpoint's and a refusal may share theirs."""
    found: dict[int, list[_Said]] = defaultdict(list)
    for example in endpoint.examples:
        found[example.status].append((endpoint.answer, example))
    # What was stored is answered alike when it is asked for again.
    replayed = set(found) - {503} if endpoint.request is not None else set()
    for refusal in endpoint.refusals:
        found[refusal.status].append((ErrorResponse, refusal))
    return {
        str(status): _response(
            found[status],
            *([REPLAYED] if status in replayed else _HEADERS.get(status, [])),
            media_type=endpoint.media_type,
        )
        for status in sorted(found)
    }


def _response(said: Sequence[_Said], *headers: str, media_type: str = "application/json") -> JSON:
    """Return one response; what has no Struct is text of `media_type`."""
    kinds = list(dict.fromkeys(kind for kind, _ in said if kind is not None))
    refs = [_ref(kind) for kind in kinds] or [{"type": "string"}]
    examples = {
        one.name: {"value": one.body.decode() if kind is None else msgspec.json.decode(one.body)}
        for kind, one in said
    }
    schema = refs[0] if len(refs) == 1 else {"anyOf": refs}
    return {
        "description": ", ".join(name.replace("_", " ") for name in examples),
        "headers": {name: {"schema": {"type": "string"}} for name in ("X-Request-ID", *headers)},
        "content": {
            "application/json" if kinds else media_type: {"schema": schema, "examples": examples}
        },
    }


def _ref(kind: type[Struct]) -> JSON:
    return {"$ref": _REFS.format(name=kind.__name__)}


def _schema_hook(kind: type) -> JSON:
    if kind is Snowflake:
        return dict(_SNOWFLAKE)
    raise NotImplementedError(kind)
