"""The command line: settings that cannot be used, ports and stores that are not there."""

from __future__ import annotations

import asyncio
import socket
import sqlite3
from contextlib import closing
from pathlib import Path

import asyncpg
import pytest

import moddy
from tests.process.moddy_process import ModdyProcess, free_port
from tests.process.stage import Stage


async def run(
    directory: Path, *arguments: str, **settings: str
) -> tuple[int, list[str], list[str]]:
    """Run a command to its end: its exit code, and the lines of its two outputs."""
    command = ModdyProcess(settings, directory, arguments=arguments)
    async with command:
        code = await command.wait_exit(40)
        errors = command.stderr.copy()
        command.stderr.clear()
    return code, command.output, errors


async def test_bad_settings_are_one_line_each(tmp_path: Path) -> None:
    secret = "planted-value"
    code, output, errors = await run(
        tmp_path,
        INTERNAL_PORT=secret,
        DATABASE_URL=f"sqlite://{secret}",
        MODDY_GUILD_ID=secret,
        LOG_LEVEL=secret,
        DISCORD_API_BASE_URL=f"ftp://{secret}",
        SHARD_IDS="0,1",
    )
    assert (code, output) == (2, [])
    assert sorted(line.partition(":")[0] for line in errors) == [
        "DATABASE_URL",
        "DISCORD_API_BASE_URL",
        "DISCORD_TOKEN",
        "INTERNAL_PORT",
        "LOG_LEVEL",
        "MODDY_GUILD_ID",
        "SHARD_IDS",
    ]
    assert secret not in "".join(errors)
    assert list(tmp_path.iterdir()) == []


async def test_addresses_that_no_store_has(tmp_path: Path) -> None:
    urls = ["mysql://planted", "sqlite://", "sqlite:///", "postgresql://u:planted@host:port/moddy"]
    runs = [run(tmp_path, "migrate", DATABASE_URL=url) for url in urls]
    for code, output, [line] in await asyncio.gather(*runs):
        assert (code, output) == (2, [])
        assert line.startswith("DATABASE_URL: expected ")
        assert "planted" not in line


async def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"DISCORD_TOKEN=\xe9\n")
    assert await run(tmp_path) == (2, [], [".env: expected text in UTF-8"])


async def test_a_file_of_settings(stage: Stage) -> None:
    names = ("DISCORD_TOKEN", "INTERNAL_API_SECRET")
    lines = [f"{name}='{stage.settings[name]}'\n" for name in names]
    (stage.directory / ".env").write_text("".join(lines), encoding="utf-8")
    secret = stage.settings["INTERNAL_API_SECRET"]
    async with stage.moddy(DISCORD_TOKEN=None, INTERNAL_API_SECRET=None) as moddy:
        moddy.http.headers["Authorization"] = f"Bearer {secret}"
        await moddy.wait_healthy()


async def test_help_needs_no_settings(tmp_path: Path) -> None:
    commands = ["--help"], ["migrate", "--help"], ["run", "--help"], ["--version"]
    runs = [run(tmp_path, *arguments) for arguments in commands]
    answers = await asyncio.gather(*runs)
    assert [(code, errors) for code, _, errors in answers] == [(0, [])] * len(commands)
    assert all(output for _, output, _ in answers)
    assert answers[-1][1][0].endswith(moddy.__version__)


@pytest.mark.parametrize("setting", ["INTERNAL_PORT", "PORT"])
async def test_a_port_that_is_taken(stage: Stage, setting: str) -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        async with stage.moddy(**{setting: str(port)}) as process:
            assert await process.wait_exit(40) == 1
            line = process.stderr.pop()
    assert process.stderr == []
    assert line.startswith(f"{setting}: port {port} ")


async def test_migrate_twice_at_once(tmp_path: Path, database_url: str) -> None:
    runs = [run(tmp_path, "migrate", DATABASE_URL=database_url) for _ in range(2)]
    for code, output, errors in await asyncio.gather(*runs):
        assert (code, errors) == (0, [])
        assert output[-1].startswith("schema revision ")


async def test_a_store_of_a_newer_version(stage: Stage, database_url: str) -> None:
    stage.settings["DATABASE_URL"] = database_url
    assert (await run(stage.directory, "migrate", DATABASE_URL=database_url))[0] == 0
    statement = "UPDATE alembic_version SET version_num = '9999'"
    if database_url.startswith("sqlite"):
        with closing(sqlite3.connect(database_url.partition("///")[2])) as store:
            store.execute(statement)
            store.commit()
    else:
        connection = await asyncpg.connect(database_url)
        await connection.execute(statement)
        await connection.close()
    async with stage.moddy() as process:
        assert await process.wait_exit(40) == 1
        assert "9999" in process.stderr.pop()
    assert process.stderr == []


@pytest.mark.parametrize(
    ("trouble", "named"),
    [
        ("refused", "ConnectionRefusedError"),
        ("no such database", "InvalidCatalogNameError"),
        ("a directory", "SQLITE_CANTOPEN"),
    ],
)
async def test_a_store_that_is_not_there(
    tmp_path: Path, postgresql_url: str, trouble: str, named: str
) -> None:
    url = {
        "refused": f"postgresql://moddy:planted@127.0.0.1:{free_port()}/moddy",
        "no such database": f"{postgresql_url}_planted",
        "a directory": f"sqlite:///{tmp_path}",
    }[trouble]
    runs = [
        run(tmp_path, *arguments, DISCORD_TOKEN="t", DATABASE_URL=url)
        for arguments in ([], ["migrate"])
    ]
    for code, _, errors in await asyncio.gather(*runs):
        assert code == 1
        [line] = errors
        assert line.startswith("DATABASE_URL: ")
        assert f"({named})" in line
        assert "planted" not in str(errors)
