"""The internal API as an OpenAPI 3.1 document, made of the endpoints and the wire Structs.

Source: https://spec.openapis.org/oas/v3.1.0
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from functools import cache
from typing import Any

import msgspec
from aiohttp import web
from msgspec import Struct

from moddy import __version__
from moddy.models import MAX_SNOWFLAKE, ErrorResponse, Snowflake
from moddy.web.endpoints import ENDPOINTS, REFUSALS, Endpoint, Example
from moddy.web.idempotency import HEADER, KEY_PATTERN, REPLAYED
from moddy.web.refusals import json_response

JSON = dict[str, Any]

_DESCRIPTION = """What the website backend can call.

200 and 202 mean that a request is stored. Every answer carries `X-Request-ID`: the caller's, when
it is 1 to 64 characters of `[A-Za-z0-9._-]`, else a new one. Unknown fields are ignored."""
_SNOWFLAKE = {
    "type": "string",
    "pattern": "^[0-9]{1,20}$",
    "description": f"A Discord id: digits, from 1 to {MAX_SNOWFLAKE}.",
}
_REFS = "#/components/schemas/{name}"
# These come before the body is looked at, so an endpoint without a body has them as well.
_BEFORE_BODY = (401, 403, 500, 503)


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


async def serve(_request: web.Request) -> web.Response:
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
            "content": {"application/json": _content(endpoint.request, examples)},
        }
    if "{discord_id}" in endpoint.path:
        found = {"name": "discord_id", "in": "path", "required": True, "schema": _SNOWFLAKE}
        parameters.append(found)
    return operation | {"parameters": parameters}


def _parameter(name: str, schema: JSON) -> JSON:
    return {"name": name, "in": "header", "required": False, "schema": schema}


def _responses(endpoint: Endpoint) -> JSON:
    """Return the answers by status; one of the endpoint's and a refusal may share theirs."""
    kinds: dict[int, list[type[Struct]]] = defaultdict(list)
    examples: dict[int, JSON] = defaultdict(dict)
    for example in endpoint.examples:
        examples[example.status][example.name] = {"value": _example(endpoint, example)}
        if endpoint.answer is not None and endpoint.answer not in kinds[example.status]:
            kinds[example.status].append(endpoint.answer)
    for status, refusal in REFUSALS.items() if endpoint.secret else ():
        takes_input = endpoint.request is not None or "{" in endpoint.path
        if (
            status in _BEFORE_BODY
            or (endpoint.request is not None)
            or (status == 422 and takes_input)
        ):
            kinds[status].append(ErrorResponse)
            examples[status]["refused"] = {"value": msgspec.to_builtins(refusal)}
    return {
        str(status): {
            "description": ", ".join(name.replace("_", " ") for name in examples[status]),
            "headers": _headers(status, endpoint),
            "content": {"application/json": _any_of(kinds[status], examples[status])}
            if kinds[status]
            else {endpoint.media_type: _text(examples[status])},
        }
        for status in sorted(examples)
    }


def _example(endpoint: Endpoint, example: Example) -> Any:
    return msgspec.json.decode(example.body) if endpoint.answer else example.body.decode()


def _text(examples: JSON) -> JSON:
    return {"schema": {"type": "string"}, "examples": examples}


def _headers(status: int, endpoint: Endpoint) -> JSON:
    names = ["X-Request-ID"]
    if status == 401:
        names.append("WWW-Authenticate")
    if status == 503:
        names.append("Retry-After")
    if endpoint.request is not None and status < 300:
        names.append(REPLAYED)
    return {name: {"schema": {"type": "string"}} for name in names}


def _any_of(kinds: list[type[Struct]], examples: JSON) -> JSON:
    if len(kinds) == 1:
        return _content(kinds[0], examples)
    return {"schema": {"anyOf": [_ref(kind) for kind in kinds]}, "examples": examples}


def _content(kind: type[Struct], examples: JSON) -> JSON:
    return {"schema": _ref(kind), "examples": examples}


def _ref(kind: type[Struct]) -> JSON:
    return {"$ref": _REFS.format(name=kind.__name__)}


def _schema_hook(kind: type) -> JSON:
    if kind is Snowflake:
        return dict(_SNOWFLAKE)
    raise NotImplementedError(kind)
