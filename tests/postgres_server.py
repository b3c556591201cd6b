"""A PostgreSQL server of the suite's own.

It is made with ``initdb`` in a temporary directory, listens on 127.0.0.1 only, and is gone with
the process that started it, even when that is killed.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

SUPERUSER = "moddy"
START_SECONDS = 30.0
STOP_SECONDS = 10.0
ATTEMPTS = 3  # another program may take the free port between finding and using it

# The watcher's standard input ends when this process closes it or dies in any way.
WATCHER = """
read -r _
kill -QUIT "$1" 2>/dev/null
tries=0
while kill -0 "$1" 2>/dev/null && [ "$tries" -lt 50 ]; do sleep 0.1; tries=$((tries + 1)); done
rm -rf "$2"
"""

OPTIONS: Mapping[str, str] = {
    "listen_addresses": "127.0.0.1",
    "max_wal_size": "256MB",
    "shared_buffers": "32MB",
    "max_connections": "60",
    "autovacuum": "off",
}
# A server that lives for minutes needs no durability, unless its speed is what is looked at.
HURRIED: Mapping[str, str] = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
}


class PostgresFailed(Exception):
    """The server cannot be made or started; the text ends with what it said."""


class Server(NamedTuple):
    """A running server that trusts every connection from this machine."""

    binaries: Path
    directory: Path
    port: int

    def url(self, database: str) -> str:
        """Return the address of `database` in the form that Railway gives."""
        return f"postgresql://{SUPERUSER}@127.0.0.1:{self.port}/{database}"

    def execute(self, statement: str, *, database: str = "postgres") -> None:
        """Run one SQL statement outside a transaction, by default in the maintenance database.

        Raises:
            subprocess.CalledProcessError: the server cannot be reached or refused.
        """
        # Over the socket in the server's own directory: nobody else's server can answer there.
        address = f"host={self.directory} port={self.port} user={SUPERUSER} dbname={database}"
        subprocess.run(
            [self.binaries / "psql", "-qXw", "-v", "ON_ERROR_STOP=1", "-c", statement, address],
            check=True,
            capture_output=True,
            timeout=START_SECONDS,
        )


def find_binaries(debian: Path = Path("/usr/lib/postgresql")) -> Path | None:
    """Return the directory of the newest PostgreSQL programs, None without any.

    Debian keeps them out of the PATH, in one directory for each major version below `debian`.
    """
    found = list(debian.glob("*/bin/initdb"))
    found.sort(key=lambda path: float(path.parts[-3]), reverse=True)
    on_path = shutil.which("initdb")
    if on_path:
        found.append(Path(on_path).resolve())
    for initdb in found:
        if all((initdb.parent / name).exists() for name in ("postgres", "psql")):
            return initdb.parent
    return None


@contextmanager
def run_server(
    binaries: Path, *, parent: Path | None = None, durable: bool = False
) -> Iterator[Server]:
    """Start a server and stop it on leaving; its data lies in a directory below `parent`.

    Only a `durable` one keeps at a power cut what it has committed.

    Raises:
        PostgresFailed: it does not start.
    """
    owner = _choose_owner()
    for attempt in range(1, ATTEMPTS + 1):
        server = Server(binaries, _make_directory(owner, parent), _find_free_port())
        options = OPTIONS if durable else {**OPTIONS, **HURRIED}
        with _run_process(server, owner, options) as process:
            if _wait_until_ready(process, server):
                yield server
                return
            log = _read_log(server)
        if attempt == ATTEMPTS or "could not bind" not in log:
            raise PostgresFailed(f"PostgreSQL did not start:\n{log}")


def _choose_owner() -> pwd.struct_passwd | None:
    """Return whom to run the server as, None for the present user; it refuses to run as root."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    return known.get("postgres") or known["nobody"]


def _make_directory(owner: pwd.struct_passwd | None, parent: Path | None) -> Path:
    """Return a new directory that `owner` has and can reach."""
    parent = parent or Path(tempfile.gettempdir()).resolve()
    if owner and not all(path.stat().st_mode & 0o001 for path in (parent, *parent.parents)):
        parent = Path("/tmp")  # noqa: S108  # mkdtemp makes a private directory in it
    directory = Path(tempfile.mkdtemp(prefix="moddy-postgres-", dir=parent))
    if owner:
        os.chown(directory, owner.pw_uid, owner.pw_gid)
    return directory


@contextmanager
def _run_process(
    server: Server, owner: pwd.struct_passwd | None, options: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """Make a cluster in the server's directory and run it, with the watcher beside it."""
    data = server.directory / "data"
    _initialise(server, data, owner)
    command = [str(server.binaries / "postgres"), "-D", str(data)]
    command += ["-k", str(server.directory), "-p", str(server.port)]
    command += [f"--{name}={value}" for name, value in options.items()]
    process = _launch(command, server, owner)
    watch = ["/bin/sh", "-c", WATCHER, "sh", str(process.pid), str(server.directory)]
    watcher = _launch(watch, server, owner, stdin=subprocess.PIPE)
    try:
        yield process
    finally:
        assert watcher.stdin
        watcher.stdin.close()
        _reap(process)
        _reap(watcher)


def _initialise(server: Server, data: Path, owner: pwd.struct_passwd | None) -> None:
    command = [str(server.binaries / "initdb"), "-D", str(data), "-U", SUPERUSER]
    command += ["--no-sync", "--auth=trust", "--encoding=UTF8", "--locale=C"]
    process = _launch(command, server, owner)
    if process.wait(START_SECONDS):
        log = _read_log(server)
        shutil.rmtree(server.directory)
        raise PostgresFailed(f"initdb failed:\n{log}")


def _launch(
    command: Sequence[str],
    server: Server,
    owner: pwd.struct_passwd | None,
    *,
    stdin: int = subprocess.DEVNULL,
) -> subprocess.Popen[bytes]:
    """Start a program as `owner`, its output in the log of the server's directory."""
    with (server.directory / "log").open("ab") as log:
        return subprocess.Popen(
            command,
            stdin=stdin,
            stdout=log,
            stderr=log,
            cwd="/",
            start_new_session=True,  # Ctrl-C is for the tests; they stop the server at their end
            user=owner.pw_uid if owner else None,
            group=owner.pw_gid if owner else None,
            extra_groups=[] if owner else None,
        )


def _read_log(server: Server) -> str:
    return (server.directory / "log").read_text(errors="replace")[-2000:]


def _reap(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _find_free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _wait_until_ready(process: subprocess.Popen[bytes], server: Server) -> bool:
    """Return whether the server takes connections; False when it ended or took too long."""
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            server.execute("SELECT 1")
        except subprocess.CalledProcessError:
            time.sleep(0.05)
        else:
            return process.poll() is None
    return False
