"""Databases whose disk can be filled up.

Where mounting is allowed they lie on a small file system of their own, and the system says "no
space left on device". Elsewhere a limit on the size of their files stands for that, which the
system refuses with "file too large": to both databases these are the same failed write.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from tests.postgres_server import Server, run_server

SIZE = "128m"
SEGMENT = 16 * 2**20  # bytes; files of PostgreSQL's log have this size from the beginning
UNLIMITED = resource.RLIM_INFINITY
# 8,192 rows, of which four fill a page of 8 KiB.
FILLING = """
INSERT INTO deliveries
    (id, kind, discord_id, state, payload, body_hash, tries, created_at, finished_at)
SELECT 'x' || number, 'event', '1', 'delivered', payload, '', 1, now(), now()
FROM generate_series(1, 8192) AS number,
    (SELECT string_agg(sha256(n::text::bytea), '') FROM generate_series(1, 56) AS n) AS p (payload)
"""


class Store(Protocol):
    """A database on a disk that can be filled."""

    url: str

    def fill(self, moddy_pid: int) -> None:
        """Leave no room for more data."""

    def clear(self) -> None:
        """Give the room back."""


class MountedStore:
    """On a file system of its own, which a file fills."""

    def __init__(self, url: str, directory: Path) -> None:
        self.url = url
        self._ballast = directory / "ballast"

    def fill(self, _moddy_pid: int) -> None:
        with self._ballast.open("wb", buffering=0) as file:
            for size in (2**20, 512):
                with suppress(OSError):
                    while file.write(bytes(size)):
                        pass
        assert shutil.disk_usage(self._ballast).free == 0

    def clear(self) -> None:
        self._ballast.unlink()


class LimitedSqlite:
    """Moddy may not write beyond the present end of the write-ahead log."""

    def __init__(self, path: Path) -> None:
        self.url = f"sqlite:///{path}"
        self._log = path.with_name(f"{path.name}-wal")
        self._pid = 0

    def fill(self, moddy_pid: int) -> None:
        self._pid = moddy_pid
        resource.prlimit(moddy_pid, resource.RLIMIT_FSIZE, (self._log.stat().st_size, UNLIMITED))

    def clear(self) -> None:
        resource.prlimit(self._pid, resource.RLIMIT_FSIZE, (UNLIMITED, UNLIMITED))


class LimitedPostgres:
    """The server may not write beyond the size that its log's files have anyway.

    `deliveries` is filled up to there with rows that mean nothing.
    """

    def __init__(self, server: Server, name: str) -> None:
        self.url = server.url(name)
        self._server = server
        self._name = name

    def fill(self, _moddy_pid: int) -> None:
        self._server.execute(FILLING, database=self._name)
        self._limit(f"{SEGMENT}:")

    def clear(self) -> None:
        self._limit("unlimited:")

    def _limit(self, size: str) -> None:
        """Set the limit of the server and all its processes, as their owner."""
        pid_file = self._server.directory / "data" / "postmaster.pid"
        server = int(pid_file.read_text().split()[0])
        children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
        owner = pid_file.stat()
        for pid in (str(server), *children):
            done = subprocess.run(
                ["prlimit", f"--fsize={size}", "--pid", pid],
                check=False,
                user=None if os.geteuid() else owner.st_uid,
                group=None if os.geteuid() else owner.st_gid,
                capture_output=True,
                timeout=10,
            )
            # One whose client has gone may have ended meanwhile.
            assert not done.returncode or not Path("/proc", pid).exists(), done.stderr


@contextmanager
def sqlite_store(directory: Path) -> Iterator[Store]:
    """Prepare a SQLite file that does not exist yet."""
    with _mounted() as disk:
        if disk is None:
            yield LimitedSqlite(directory / "moddy.db")
        else:
            yield MountedStore(f"sqlite:///{disk}/moddy.db", disk)


@contextmanager
def postgresql_store(binaries: Path) -> Iterator[Store]:
    """Run a server with an empty database."""
    with _mounted() as disk, run_server(binaries, parent=disk) as server:
        server.execute("CREATE DATABASE small")
        if disk is None:
            yield LimitedPostgres(server, "small")
        else:
            yield MountedStore(server.url("small"), disk)


@contextmanager
def _mounted() -> Iterator[Path | None]:
    """Mount a small file system; None where that is not allowed."""
    directory = Path(tempfile.mkdtemp(prefix="moddy-disk-", dir="/tmp"))
    options = f"size={SIZE},mode=755"
    mount = ["mount", "-t", "tmpfs", "-o", options, "moddy-disk", str(directory)]
    try:
        if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
            yield None
            return
        try:
            yield directory
        finally:
            subprocess.run(["umount", "--lazy", directory], check=True)
    finally:
        shutil.rmtree(directory)
