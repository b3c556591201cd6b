"""A real process whose internal port is beset with connections that ask for nothing."""

from __future__ import annotations

import asyncio
import os
import random
import resource
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from moddy.web.server import ACCEPTED_AT_ONCE
from tests.open_files import open_files
from tests.process.answers import DELIVERED, notify_answer
from tests.process.moddy_process import ROOT, ModdyProcess
from tests.process.stage import Stage

HALF = b"POST /internal/notify HTTP/1.1\r\nHost: moddy\r\nX-Trickle: "
LAG = 0.05  # seconds, of 99 in 100 answers
WINDOW = 6.0  # seconds; in each of them connections reach the bound on their headers
WINDOWS = 10
RECOVERED = 5.0  # seconds after which nothing is left of them
OUT_OF_FILES = "socket.accept() out of system resource"
NO_UVLOOP = "import sys\nsys.modules['uvloop'] = None\n"


def descriptors(moddy: ModdyProcess) -> int:
    """Return how many files the process has open."""
    return len(list(Path(f"/proc/{moddy.pid}/fd").iterdir()))


def cpu_seconds(moddy: ModdyProcess) -> float:
    """Return the processor time that it took so far."""
    fields = Path(f"/proc/{moddy.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@asynccontextmanager
async def beset(port: int, connections: int) -> AsyncIterator[None]:
    """Hold connections with half a request, adding a byte to each now and then.

    Those that the server closes are opened anew, though not all at the same moment.
    """

    async def hold() -> None:
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(random.uniform(0.2, 1))  # noqa: S311
                continue
            try:
                writer.write(HALF)
                while not reader.at_eof():
                    writer.write(b"x")
                    await writer.drain()
                    # Not all at once: their work would count as the process's lag.
                    await asyncio.sleep(random.uniform(0.5, 2))  # noqa: S311
            except ConnectionError:
                pass
            finally:
                writer.transport.abort()
            await asyncio.sleep(random.uniform(0.2, 1))  # noqa: S311

    holding = [asyncio.create_task(hold()) for _ in range(connections)]
    await asyncio.sleep(1)
    try:
        yield
    finally:
        for task in holding:
            task.cancel()
        await asyncio.gather(*holding, return_exceptions=True)


async def answer_times(moddy: ModdyProcess, seconds: float) -> list[float]:
    """Ask for the health on one connection; return how long each answer took, in seconds.

    Each waits for the loop, so none took less than the loop's lag at that moment.
    """
    taken = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        started = time.monotonic()
        assert await moddy.health() == "healthy"
        taken.append(time.monotonic() - started)
        await asyncio.sleep(0.02)
    return taken


def p99(taken: list[float]) -> float:
    """Return the 99th percentile."""
    return statistics.quantiles(taken, n=100)[98]


async def windows_until_quick(moddy: ModdyProcess) -> list[float]:
    """Return the p99 of each window of time, in seconds, up to the first below `LAG`.

    Whatever else keeps the machine busy makes some of them slow; Moddy itself would make them
    all so.
    """
    found: list[float] = []
    while len(found) < WINDOWS and not any(one < LAG for one in found):
        found.append(p99(await answer_times(moddy, WINDOW)))
    return found


@pytest.mark.parametrize(("files", "connections"), [(None, 500), (256, 300)])
async def test_connections_that_ask_for_nothing(
    stage: Stage, files: int | None, connections: int
) -> None:
    alice = stage.add_member("alice")
    port = int(stage.settings["INTERNAL_PORT"])
    with open_files(files or resource.getrlimit(resource.RLIMIT_NOFILE)[0]):
        moddy = await stage.moddy().__aenter__()
    async with entered(moddy):
        await moddy.wait_healthy()
        before = descriptors(moddy)
        async with beset(port, connections):
            cpu, started = cpu_seconds(moddy), time.monotonic()
            lags = await windows_until_quick(moddy)
            cpu = (cpu_seconds(moddy) - cpu) / (time.monotonic() - started)
            # One that is new gets in, too.
            async with httpx.AsyncClient(headers=moddy.http.headers, trust_env=False) as http:
                answer = await http.get(f"{moddy.http.base_url}/internal/health", timeout=9)
                assert answer.json()["status"] == "healthy"
            assert notify_answer(await moddy.notify(alice.id)) == DELIVERED
            if files is not None:
                assert descriptors(moddy) < files * 3 / 4
        print(f"p99 {[round(lag * 1000, 1) for lag in lags]} ms, {cpu:.2f} of a processor")  # noqa: T201
        assert lags[-1] < LAG
        assert cpu < 0.25
        await moddy.wait_until(
            lambda: descriptors(moddy) <= before + 3, seconds=RECOVERED, what="the end of all"
        )


@asynccontextmanager
async def entered(moddy: ModdyProcess) -> AsyncIterator[None]:
    """Leave a process that was started before."""
    try:
        yield
    except BaseException as error:
        await moddy.__aexit__(type(error), error, error.__traceback__)
        raise
    await moddy.__aexit__(None, None, None)


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
async def test_out_of_files(stage: Stage, loop: str) -> None:
    """No file is left for a connection: the loop does not spin, and it passes."""
    if loop == "asyncio":
        (stage.directory / "sitecustomize.py").write_text(NO_UVLOOP)
        stage.settings["PYTHONPATH"] = f"{stage.directory}:{ROOT}"
    alice = stage.add_member("alice")
    port = int(stage.settings["INTERNAL_PORT"])
    async with stage.moddy(OUT_OF_FILES) as moddy:
        await moddy.wait_healthy()
        assert notify_answer(await moddy.notify(alice.id)) == DELIVERED
        limits = resource.prlimit(moddy.pid, resource.RLIMIT_NOFILE)
        few = descriptors(moddy) + 3
        resource.prlimit(moddy.pid, resource.RLIMIT_NOFILE, (few, limits[1]))
        async with beset(port, 30):
            before = cpu_seconds(moddy)
            taken = await answer_times(moddy, 3)
            cpu = cpu_seconds(moddy) - before
        print(f"{loop}: p99 {p99(taken) * 1000:.1f} ms, {cpu:.2f} s of 3 s")  # noqa: T201
        assert cpu < 1.5
        resource.prlimit(moddy.pid, resource.RLIMIT_NOFILE, limits)
        started = time.monotonic()
        async with httpx.AsyncClient(headers=moddy.http.headers, trust_env=False) as http:
            answer = await http.get(f"{moddy.http.base_url}/internal/health", timeout=9)
        assert answer.json()["status"] == "healthy"
        assert time.monotonic() - started < RECOVERED
        # asyncio tries again a second after each failure.
        await asyncio.sleep(1.5)
        # A second later it tries so many again, until one of them fails.
        errors = [line for line in moddy.messages if line == OUT_OF_FILES]
        assert len(errors) <= ACCEPTED_AT_ONCE * 15


async def test_the_compiled_parser_is_asked_for(stage: Stage) -> None:
    async with stage.moddy(AIOHTTP_NO_EXTENSIONS="1") as moddy:
        assert await moddy.wait_exit(40) == 1
        [line] = moddy.stderr
        moddy.stderr.clear()
    assert "AIOHTTP_NO_EXTENSIONS" in line
