"""The suite's own PostgreSQL server and the databases on it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import create_engine, inspect, text

from tests.postgres_server import Server, find_binaries

# A shell makes what it starts in the background ignore SIGINT.
STARTER = """
import signal, time
from tests.postgres_server import find_binaries, run_server
signal.signal(signal.SIGINT, signal.default_int_handler)
with run_server(find_binaries()) as server:
    print(server.directory, flush=True)
    time.sleep(60)
"""


async def test_database_is_empty_and_writable(postgresql_url: str) -> None:
    connection = await asyncpg.connect(postgresql_url, timeout=10)
    try:
        tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
        assert await connection.fetchval(tables) == 0
        await connection.execute("CREATE TABLE left_over (id integer)")
        assert await connection.fetchval("SHOW server_encoding") == "UTF8"
    finally:
        await connection.close()


@pytest.mark.parametrize("run", [1, 2])
async def test_nothing_is_left_of_another_test(postgresql_url: str, run: int) -> None:
    connection = await asyncpg.connect(postgresql_url, timeout=10)
    try:
        await connection.execute("CREATE TABLE left_over (id integer)")
    finally:
        await connection.close()


def test_open_connections_do_not_keep_the_database(postgresql_server: Server) -> None:
    postgresql_server.execute("CREATE DATABASE held")
    psql = subprocess.Popen(
        [postgresql_server.binaries / "psql", "-qX", postgresql_server.url("held")],
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        postgresql_server.execute("DROP DATABASE held WITH (FORCE)")
    finally:
        psql.communicate(timeout=10)


def test_every_test_of_database_url_runs_on_both(
    database_url: str, request: pytest.FixtureRequest
) -> None:
    kind = request.node.callspec.id
    assert database_url.startswith({"sqlite": "sqlite:////", "postgresql": "postgresql://"}[kind])


def test_sqlite_database_is_new(sqlite_url: str) -> None:
    engine = create_engine(sqlite_url)
    with engine.begin() as connection:
        assert inspect(connection).get_table_names() == []
        connection.execute(text("CREATE TABLE left_over (id integer)"))
    engine.dispose()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_server_ends_with_the_process_that_started_it(
    postgresql_server: Server, how: signal.Signals
) -> None:
    """The session's server is asked for only to skip where PostgreSQL is not found."""
    starter = subprocess.Popen([sys.executable, "-c", STARTER], stdout=subprocess.PIPE, text=True)
    assert starter.stdout
    directory = Path(starter.stdout.readline().strip())
    server = int((directory / "data" / "postmaster.pid").read_text().splitlines()[0])
    assert is_alive(server)
    starter.send_signal(how)
    starter.communicate(timeout=20)
    deadline = time.monotonic() + 20
    while (is_alive(server) or directory.exists()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_alive(server)
    assert not directory.exists()


def test_a_machine_without_postgresql(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_binaries(tmp_path) is None


def test_the_newest_programs_are_taken(tmp_path: Path) -> None:
    for version in ("9.6", "15", "17"):
        directory = tmp_path / version / "bin"
        directory.mkdir(parents=True)
        for name in ("initdb", "postgres", "psql"):
            (directory / name).touch()
    (tmp_path / "17" / "bin" / "psql").unlink()  # the server without its client
    assert find_binaries(tmp_path) == tmp_path / "15" / "bin"


def is_alive(process: int) -> bool:
    """Return whether the process runs; one that ended but was not waited for does not."""
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"
