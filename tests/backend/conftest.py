"""A backend to talk to, and a client that talks to it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from pytest_aiohttp import AiohttpServer

from moddy.backend import BackendClient
from tests.backend.stand_in import StandIn, client_for


@pytest.fixture
async def stand_in(aiohttp_server: AiohttpServer) -> StandIn:
    backend = StandIn()
    server = await aiohttp_server(backend.app())
    backend.base_url = server.make_url("/")
    return backend


@pytest.fixture
async def client(stand_in: StandIn) -> AsyncIterator[BackendClient]:
    async with client_for(stand_in.base_url) as opened:
        yield opened
