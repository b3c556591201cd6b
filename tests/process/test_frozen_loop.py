"""A loop that stands still: what a prober, the log and the metrics say, and how it comes back."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import httpx
import pytest

from tests.process.moddy_process import ROOT, ModdyProcess
from tests.process.stage import Stage
from tests.process.test_metrics import RECONNECTING, get, scrape

FREEZE_S = 13.0
# The interpreter runs this before Moddy: a signal's handler runs in the loop's thread, between any
# two of its steps.
FREEZING = f"""
import signal, time

def freeze(number, frame):
    planted = "planted@example.com"
    time.sleep({FREEZE_S})

signal.signal(signal.SIGUSR1, freeze)
"""


@pytest.fixture
def freezable(stage: Stage, tmp_path: Path) -> ModdyProcess:
    """A Moddy whose loop SIGUSR1 freezes."""
    directory = tmp_path / "freezing"
    directory.mkdir()
    (directory / "sitecustomize.py").write_text(FREEZING)
    # With Discord's interval of 41 s, these seconds are 51 and more.
    stage.discord.gateway.heartbeat_interval = 1.0
    path = os.pathsep.join([str(directory), str(ROOT)])
    return stage.moddy("loop frozen", *RECONNECTING, PYTHONPATH=path)


@pytest.mark.slow
async def test_a_frozen_loop_shows(stage: Stage, freezable: ModdyProcess) -> None:
    gateway = stage.discord.gateway
    async with freezable as moddy:
        await moddy.wait_healthy()
        gateway.silent = True
        moddy.send_signal(signal.SIGUSR1)
        started = time.monotonic()
        # While it lasts a prober gets no answer.
        with pytest.raises(httpx.TimeoutException):
            await moddy.http.get("/internal/health", timeout=1.0)
        line = await moddy.wait_line("loop frozen", seconds=8)
        assert time.monotonic() - started < FREEZE_S - 1
        assert line["level"] == "error"
        assert line["at"].startswith("sitecustomize.py:6 freeze < ")
        # And from its end on it hears that all is not well, until the gateway has answered.
        response = await moddy.http.get("/internal/health", timeout=FREEZE_S)
        assert response.json()["status"] == "unhealthy"
        assert time.monotonic() - started > FREEZE_S - 1
        line = await moddy.wait_line("loop goes on")
        assert FREEZE_S - 2 < line["seconds"] < FREEZE_S + 5
        assert await moddy.health() == "unhealthy"
        gateway.silent = False
        await moddy.wait_health("healthy", seconds=5)
        assert get(await scrape(moddy), "moddy_loop_freezes_total") == 1
        assert moddy.messages.count("loop frozen") == 1
        # Neither in discord.py's own words about it is there anything of the code and its values.
        assert any("heartbeat blocked" in message for message in moddy.messages)
        output = "\n".join(moddy.output)
        assert "planted" not in output
        assert "time.sleep" not in output
        assert str(ROOT) not in output


@pytest.mark.slow
async def test_discord_closes_what_is_frozen(stage: Stage, freezable: ModdyProcess) -> None:
    """As it does with whoever sends no heartbeats; Moddy finds out when it wakes."""
    alice = stage.add_member("alice")
    gateway = stage.discord.gateway
    async with freezable as moddy:
        await moddy.wait_healthy()
        gateway.accept = False
        moddy.send_signal(signal.SIGUSR1)
        await moddy.wait_line("loop frozen", seconds=8)
        await gateway.drop()
        await moddy.wait_line("loop goes on", seconds=FREEZE_S)
        await moddy.wait_health("unhealthy", seconds=1)
        # Messages need no gateway.
        assert (await moddy.notify(alice.id)).status_code == 200
        gateway.accept = True
        await moddy.wait_healthy()
