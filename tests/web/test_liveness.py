"""Health, the root, and the public port."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from moddy import __version__
from moddy.web.app import make_public_app
from moddy.web.server import bound_port, serve
from tests.web.api import SECRET, Api, open_client


async def test_health_has_exactly_three_keys(api: Api) -> None:
    response = await api.client.get("/internal/health")
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"
    expected = {"status": "healthy", "service": "discord-bot", "version": __version__}
    assert response.json() == expected
    api.gateway.ready = False
    response = await api.client.get("/internal/health")
    assert response.status_code == 200
    assert response.json() == expected | {"status": "unhealthy"}
    api.gateway.ready = True
    assert (await api.client.get("/internal/health")).json() == expected


async def test_the_root_needs_no_secret(lite: Api) -> None:
    async with open_client(lite.port, {}) as client:
        response = await client.get("/")
        assert response.status_code == 200
        assert response.json() == {"service": "moddy-bot-internal", "status": "running"}
        assert (await client.head("/")).status_code == 200


@pytest.fixture
async def public() -> AsyncIterator[httpx.AsyncClient]:
    async with (
        serve(make_public_app(), 0, setting="PORT") as runner,
        open_client(bound_port(runner), {}) as client,
    ):
        yield client


async def test_the_public_port_tells_only_that_moddy_lives(public: httpx.AsyncClient) -> None:
    root = await public.get("/")
    assert (root.status_code, root.json()) == (
        200,
        {"service": "moddy-bot-internal", "status": "running"},
    )
    live = await public.get("/healthz")
    assert (live.status_code, live.json()) == (200, {"status": "ok"})
    assert live.headers["X-Request-ID"]


@pytest.mark.parametrize("authorization", [None, f"Bearer {SECRET}", "Bearer wrong", "Basic x"])
async def test_the_public_port_has_nothing_under_internal(
    public: httpx.AsyncClient, authorization: str | None
) -> None:
    headers = {"Authorization": authorization} if authorization else {}
    for path in ("", "/", "/health", "/notify", "/roles/update", "/users/1/premium", "/x"):
        for method in ("GET", "POST", "OPTIONS"):
            response = await public.request(method, f"/internal{path}", headers=headers)
            assert response.status_code == 404, path
            assert response.json() == {"error": "Not Found"}
            assert "WWW-Authenticate" not in response.headers


async def test_the_public_port_refuses_other_methods(public: httpx.AsyncClient) -> None:
    response = await public.post("/healthz")
    assert response.status_code == 405
    assert response.headers["Allow"] == "GET,HEAD"
