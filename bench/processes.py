"""Processes of a benchmark: starting and ending them, and what they cost."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from msgspec import Struct

from bench.endpoint import SECRET
from bench.load import Report

TICKS = os.sysconf("SC_CLK_TCK")
START_WITHIN = 60.0  # seconds
WARM = 0.5  # seconds of load before it counts


class Server(Struct, frozen=True, kw_only=True):
    """A server in a process of its own."""

    port: int
    pid: int

    def cpu_seconds(self) -> float:
        """Return the processor time that it took so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS


class Measured(Struct, frozen=True, kw_only=True):
    """A load and what it cost the server: milliseconds of processor time for each request."""

    report: Report
    cpu: float


def resident_mib(pid: int) -> float:
    """Return a process's resident memory in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise LookupError("VmRSS")


def steal_and_total() -> tuple[int, int]:
    """Return the machine's stolen and total processor time since its start, in ticks."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
    return fields[7], sum(fields)


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


async def stop(process: asyncio.subprocess.Process) -> None:
    """End a process and wait for it."""
    process.terminate()
    await asyncio.wait_for(process.wait(), 15)


@asynccontextmanager
async def run_server(module: str, *arguments: str, log: Path) -> AsyncIterator[Server]:
    """Run ``python -m module … --port N``; what it prints goes to the file `log`."""
    port = free_port()
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            module,
            *arguments,
            "--port",
            str(port),
            stdout=output,
        )
    try:
        end = time.monotonic() + START_WITHIN
        while not await _answers(port):
            if process.returncode is not None or time.monotonic() > end:
                raise RuntimeError(f"{module} {arguments[:1]} does not serve: {_read_end(log)}")
            await asyncio.sleep(0.05)
        yield Server(port=port, pid=process.pid)
    finally:
        if process.returncode is None:
            await stop(process)


def _read_end(log: Path) -> str:
    return log.read_text()[-2000:]


async def _answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


async def load(
    server: Server,
    kind: str,
    *,
    status: int,
    connections: int,
    seconds: float,
    rate: float | None = None,
) -> Measured:
    """Load a server from a process of its own."""
    before = server.cpu_seconds()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bench.load",
        kind,
        *("--port", str(server.port), "--secret", SECRET, "--status", str(status)),
        *("--connections", str(connections), "--seconds", str(seconds), "--warm", str(WARM)),
        *(() if rate is None else ("--rate", str(rate))),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    if process.returncode != 0:
        raise RuntimeError("the load was not carried through")
    report = msgspec.json.decode(output, type=Report)
    # The warm-up's requests are part of the processor time.
    requests = report.rate * (seconds + WARM)
    return Measured(report=report, cpu=(server.cpu_seconds() - before) * 1000 / requests)
