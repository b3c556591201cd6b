"""What all tests share."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import aioresponses.core
import pytest
from aiohttp import ClientResponse
from aioresponses import aioresponses as mocked_requests


class _MockedResponse(ClientResponse):
    """A response as aioresponses 0.7.9 builds it: without aiohttp 3.14's `stream_writer`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        writer: Any = SimpleNamespace(output_size=0)
        super().__init__(*args, stream_writer=writer, **kwargs)


@pytest.fixture
def mocked_http(monkeypatch: pytest.MonkeyPatch) -> Iterator[mocked_requests]:
    """No request of an aiohttp client reaches the network; answers are registered on this."""
    monkeypatch.setattr(aioresponses.core, "ClientResponse", _MockedResponse)
    with mocked_requests() as mocked:
        yield mocked


pytest_plugins = ["tests.postgres", "tests.skips", "tests.slowness"]
