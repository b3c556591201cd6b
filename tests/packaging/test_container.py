"""The entry command in a container: read-only, without rights, PID 1."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.packaging.container import FINAL, ContainedModdy, require_namespaces
from tests.packaging.project import read_exec_form
from tests.process.answers import DELIVERED, notify_answer
from tests.process.moddy_process import free_port
from tests.process.stage import Stage, open_stage

HEALTH_CHECK = read_exec_form(FINAL["HEALTHCHECK"])
BIG_SORT = """
import sqlite3
store = sqlite3.connect("/data/sorted.db")
store.execute("PRAGMA cache_size = 10")
numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000)"
rows = store.execute(f"{numbers} SELECT hex(randomblob(50)) AS h FROM n ORDER BY h").fetchall()
print(len(rows))
"""
Container = Callable[..., ContainedModdy]


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with open_stage(tmp_path) as opened:
        yield opened


@pytest.fixture
def container(stage: Stage, image_venv: Path) -> Container:
    """Make containers that lack only what the image sets itself."""
    require_namespaces()

    def make(**changes: str) -> ContainedModdy:
        settings = {**stage.settings, **changes}
        del settings["DATABASE_URL"]
        return ContainedModdy(settings, stage.directory, image_venv)

    return make


async def test_without_rights_and_read_only(stage: Stage, container: Container) -> None:
    alice = stage.add_member("alice")
    async with container() as moddy:
        await moddy.wait_healthy()
        assert moddy.status("NSpid").split()[-1] == "1"
        assert set(moddy.status("Uid").split()) == {FINAL["USER"]}
        assert "0" not in moddy.status("Gid").split()
        assert moddy.status("Groups") == ""
        assert int(moddy.status("CapEff"), 16) == int(moddy.status("CapBnd"), 16) == 0
        for directory in ("/", "/app", "/tmp", "/venv", "/etc", "/usr", "/var/tmp", "/dev"):  # noqa: S108
            touched = await moddy.execute("touch", f"{directory}/new")
            assert touched.returncode, directory
        assert notify_answer(await moddy.notify(alice.id)) == DELIVERED
        stored = {path.name: path.stat().st_uid for path in moddy.data.iterdir()}
        assert stored["moddy.db"] == int(FINAL["USER"])
        assert set(stored) <= {"moddy.db", "moddy.db-wal", "moddy.db-shm"}


async def test_sqlite_sorts_more_than_fits_in_memory(container: Container) -> None:
    async with container() as moddy:
        await moddy.wait_answering()
        sorting = await moddy.execute("python", "-c", BIG_SORT)
        assert (sorting.stdout.strip(), sorting.stderr) == ("300000", "")


@pytest.mark.parametrize("public", [False, True])
async def test_health_check(container: Container, public: bool) -> None:
    async with container(**({"PORT": str(free_port())} if public else {})) as moddy:
        await moddy.wait_healthy()
        checked = await moddy.execute(*HEALTH_CHECK)
        assert (checked.returncode, checked.stderr) == (0, "")


async def test_orphans_are_reaped(container: Container) -> None:
    async with container() as moddy:
        await moddy.wait_healthy()
        await moddy.execute("sh", "-c", "sleep 0.1 &")
        await moddy.wait_until(lambda: not moddy.children(), what="nobody left", seconds=5)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_signals_end_pid_1(container: Container, number: signal.Signals) -> None:
    async with container() as moddy:
        await moddy.wait_healthy()
        assert await moddy.stop(number) == 0
        assert moddy.messages[-2:] == ["stopping", "stopped"]


async def test_sigterm_during_the_start(container: Container) -> None:
    """The kernel drops what PID 1 has no handler for; that is short, and nothing is in hand."""
    async with container() as moddy:
        await moddy.wait_until(lambda: moddy.heeds_sigterm, what="a handler")
        print(f"handler after {time.monotonic() - moddy.started_at:.2f} s")  # noqa: T201
        assert await moddy.stop() == 0
        assert "serving" not in moddy.messages


async def test_signals_before_the_handler_do_no_harm(container: Container) -> None:
    async with container() as moddy:
        while moddy.status("NSpid").split()[-1] != "1":  # noqa: ASYNC110 (another process)
            await asyncio.sleep(0.001)
        # The last one may have met the handler: then it has ended already.
        with suppress(FileNotFoundError, ProcessLookupError):
            while not moddy.heeds_sigterm:
                moddy.send_signal(signal.SIGTERM)
                await asyncio.sleep(0.005)
        assert await moddy.stop() == 0
