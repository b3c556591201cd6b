"""The OpenAPI document: valid, complete, and true of the API as it runs."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from openapi_spec_validator import validate
from schemathesis import Case, GenerationMode
from schemathesis.checks import load_all_checks
from schemathesis.specs.openapi import checks

from moddy.models import ErrorResponse
from moddy.web.app import make_public_app
from moddy.web.endpoints import ENDPOINTS, Endpoint
from moddy.web.openapi import document, encoded
from tests.web.api import SECRET, Api

load_all_checks()
EXAMPLES = 40
# All but the one that takes any 5xx for a fault: the contract has some.
CHECKS: list[Any] = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]
OPERATIONS = [(one.method, one.path) for one in ENDPOINTS]


def test_document_is_valid() -> None:
    validate(document())
    assert msgspec.json.decode(encoded()) == document()


async def test_every_route_is_in_the_document(lite: Api) -> None:
    routes = {
        (route.method, route.resource.canonical)
        for route in lite.app.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    assert routes - {("GET", "/internal/openapi.json")} == set(OPERATIONS)
    for _, path in set(OPERATIONS) - {("GET", "/")}:
        assert not any(
            route.resource.canonical == path
            for route in make_public_app().router.routes()
            if route.resource is not None
        )


async def test_it_is_served_to_who_has_the_secret(lite: Api) -> None:
    response = await lite.client.get("/internal/openapi.json")
    assert response.json() == document()
    response = await lite.client.get("/internal/openapi.json", headers={"Authorization": ""})
    assert response.status_code == 401


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda one: one.path)
def test_examples_are_what_they_say(endpoint: Endpoint) -> None:
    for example in endpoint.examples if endpoint.answer else ():
        msgspec.json.decode(example.body, type=endpoint.answer, strict=True, dec_hook=_no_hook)
    for refusal in endpoint.refusals:
        msgspec.json.decode(refusal.body, type=ErrorResponse, strict=True)
    every = [(one.status, one.name) for one in (*endpoint.examples, *endpoint.refusals)]
    assert len(every) == len(set(every))
    schema: Any = schemathesis.openapi.from_dict(document())
    operation = schema[endpoint.path][endpoint.method]
    assert {str(status) for status, _ in every} == set(operation.responses.status_codes)


def _no_hook(kind: type, value: object) -> object:
    raise AssertionError((kind, value))


@pytest.mark.parametrize(
    ("method", "path", "mode"),
    [
        *((method, path, GenerationMode.POSITIVE) for method, path in OPERATIONS),
        # Elsewhere there is nothing that could be wrong.
        *(("POST", one.path, GenerationMode.NEGATIVE) for one in ENDPOINTS if one.request),
    ],
)
async def test_api_answers_as_the_document_says(
    lite: Api, method: str, path: str, mode: GenerationMode
) -> None:
    schema: Any = schemathesis.openapi.from_dict(document())
    url = f"http://127.0.0.1:{lite.port}"
    authorization = {"Authorization": f"Bearer {SECRET}"}
    strategy = schema[path][method].as_strategy(generation_mode=mode)

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=strategy)
    def check(case: Case[Any]) -> None:
        response = case.call(base_url=url, headers=authorization, timeout=10)
        case.validate_response(response, checks=CHECKS)

    # The client blocks, and the API runs on this loop.
    await asyncio.to_thread(check)
