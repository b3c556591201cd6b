"""What the runbook says: backing up, restoring, moving to PostgreSQL, the doctor."""

from __future__ import annotations

import subprocess
from pathlib import Path

import msgspec
import pytest

from tests.postgres_server import find_binaries
from tests.process.moddy_process import ModdyProcess
from tests.process.stage import Stage

COMMAND_S = 60.0


async def run(stage: Stage, *arguments: str, **settings: str) -> tuple[int, str]:
    """Run a command beside Moddy; returns its exit code and what it printed."""
    command = ModdyProcess(
        {**stage.settings, "LOG_FORMAT": "console", **settings},
        stage.directory,
        arguments=arguments,
    )
    async with command:
        code = await command.wait_exit(COMMAND_S)
        printed = "\n".join([*command.output, *command.stderr])
        command.stderr.clear()
    return code, printed


async def subscribe(stage: Stage, process: ModdyProcess, name: str) -> str:
    """Have somebody become premium; returns their id."""
    user = stage.add_member(name)
    body = {"discord_id": str(user.id), "action": "subscription_created", "plan": "moddy_max"}
    response = await process.http.post("/internal/notify", json=body)
    assert response.status_code == 200
    return str(user.id)


async def is_premium(process: ModdyProcess, user_id: str) -> bool:
    response = await process.http.get(f"/internal/users/{user_id}/premium")
    premium: bool = response.json()["premium"]
    return premium


async def test_backup_while_running_and_restore_on_sqlite(stage: Stage, tmp_path: Path) -> None:
    backup = tmp_path / "backup" / "moddy.db"
    async with stage.moddy() as process:
        await process.wait_healthy()
        before = await subscribe(stage, process, "ada")
        code, printed = await run(
            stage, "copy-store", stage.settings["DATABASE_URL"], f"sqlite:///{backup}"
        )
        assert code == 0, printed
        after = await subscribe(stage, process, "ben")
    store = Path(stage.settings["DATABASE_URL"].removeprefix("sqlite:///"))
    for name in (store, Path(f"{store}-wal"), Path(f"{store}-shm")):
        name.unlink(missing_ok=True)
    backup.rename(store)
    async with stage.moddy() as process:
        await process.wait_healthy()
        assert await is_premium(process, before)
        assert not await is_premium(process, after)


async def test_move_to_postgresql_and_back_up_there(
    stage: Stage, postgresql_url: str, tmp_path: Path
) -> None:
    async with stage.moddy() as process:
        await process.wait_healthy()
        ada = await subscribe(stage, process, "ada")
    code, printed = await run(stage, "copy-store", stage.settings["DATABASE_URL"], postgresql_url)
    assert code == 0, printed
    assert (await run(stage, "copy-store", stage.settings["DATABASE_URL"], postgresql_url))[0] == 1
    async with stage.moddy(DATABASE_URL=postgresql_url) as process:
        await process.wait_healthy()
        assert await is_premium(process, ada)
        ben = await subscribe(stage, process, "ben")
        dump = tmp_path / "moddy.dump"
        _postgresql("pg_dump", "--format=custom", f"--file={dump}", postgresql_url)
    restored = f"{postgresql_url.rpartition('/')[0]}/restored"
    _postgresql("psql", postgresql_url, "--command=CREATE DATABASE restored")
    try:
        _postgresql("pg_restore", "--no-owner", f"--dbname={restored}", str(dump))
        async with stage.moddy(DATABASE_URL=restored) as process:
            await process.wait_healthy()
            assert await is_premium(process, ben)
    finally:
        _postgresql("psql", postgresql_url, "--command=DROP DATABASE restored WITH (FORCE)")


def _postgresql(program: str, *arguments: str) -> None:
    binaries = find_binaries()
    assert binaries is not None
    subprocess.run(
        [binaries / program, *arguments], check=True, capture_output=True, timeout=COMMAND_S
    )


@pytest.mark.parametrize("running", [True, False])
async def test_doctor_beside_moddy_and_without(stage: Stage, running: bool) -> None:
    if running:
        async with stage.moddy() as process:
            await process.wait_healthy()
            code, printed = await run(stage, "doctor", "--json")
    else:
        code, printed = await run(stage, "doctor", "--json")
    findings = msgspec.json.decode(printed)
    wrong = [finding for finding in findings if finding["verdict"] == "failure"]
    assert wrong == []
    assert code == 0
    told = {finding["check"]: finding["result"] for finding in findings}
    port = told[f"port {stage.settings['INTERNAL_PORT']} (INTERNAL_PORT)"]
    assert ("a Moddy serves on it" in port) is running
