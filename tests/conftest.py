"""What all tests share."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import aioresponses.core
import pytest
import structlog
from aiohttp import ClientResponse
from aioresponses import aioresponses as mocked_requests
from simcord.env import Env


class _MockedResponse(ClientResponse):
    """A response as aioresponses 0.7.9 builds it: without aiohttp 3.14's `stream_writer`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        writer: Any = SimpleNamespace(output_size=0)
        super().__init__(*args, stream_writer=writer, **kwargs)


@pytest.fixture(scope="session", autouse=True)
def plain_tracebacks() -> None:
    """structlog draws a logged traceback with rich, which takes 50 ms; many tests log one."""
    renderer = structlog.dev.ConsoleRenderer(
        colors=False, exception_formatter=structlog.dev.plain_traceback
    )
    structlog.configure(processors=[*structlog.get_config()["processors"][:-1], renderer])


@pytest.fixture(scope="session", autouse=True)
def attentive_simcord() -> None:
    """SimCord looks every 50 ms whether what waits for a thread, as SQLite's, has gone on."""
    defaults = Env._settle_internal.__kwdefaults__
    assert defaults is not None
    assert "idle" in defaults
    defaults["idle"] = 0.002


@pytest.fixture
def mocked_http(monkeypatch: pytest.MonkeyPatch) -> Iterator[mocked_requests]:
    """No request of an aiohttp client reaches the network; answers are registered on this."""
    monkeypatch.setattr(aioresponses.core, "ClientResponse", _MockedResponse)
    with mocked_requests() as mocked:
        yield mocked


pytest_plugins = ["tests.postgres", "tests.skips", "tests.slowness"]
