"""The image's final stage as Docker would run it, with namespaces of the tests' own.

The root has the machine's /usr and /etc and the image's /venv. Everything is read-only but for
/data, not even /tmp can be written. The entry command is PID 1 and the image's user.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.packaging.project import read_dockerfile, read_exec_form
from tests.process.moddy_process import ModdyProcess
from tests.skips import NO_NAMESPACES

FINAL = dict(read_dockerfile()[1])
PATHS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NAMESPACES = ("unshare", "--mount", "--pid", "--fork", "--kill-child")
# $1: a directory to work in, $2: what becomes /venv, $3: where its Python lives, $4: the
# Dockerfile's RUN, $5: USER, $6: WORKDIR; then the environment and the command.
SCRIPT = """
work=$1 venv=$2 python=$3 run=$4 user=$5 directory=$6
shift 6
read -r pid _ </proc/self/stat  # as it is called outside: this /proc is still the machine's
echo "$pid" >"$work/pid"
mkdir -p "$work/root" "$work/data"
mount -t tmpfs -o mode=755 tmpfs "$work/root"
cd "$work/root"
mount_at() { mkdir -p "./$2"; mount --bind "$1" "./$2"; mount -o remount,bind,ro "./$2"; }
for name in /bin /lib* /sbin; do
    if [ -L "$name" ]; then cp -P "$name" .; else mount_at "$name" "$name"; fi
done
mount_at /usr /usr
case $python in /usr | /usr/*) ;; *) mount_at "$python" "$python" ;; esac
mount_at "$venv" /venv
cp -a /etc .
mkdir -p dev proc tmp "./$directory"
mount -t proc proc proc
for name in null urandom; do : >"dev/$name"; mount --bind "/dev/$name" "dev/$name"; done
chroot . sh -euc "$run"
# As a new volume of Docker: it has the owner of the directory that it is mounted on.
chown --reference=data "$work/data"
mount --bind "$work/data" data
mount -o remount,ro .
group=$(chroot . id -g "$user")
exec chroot . setpriv --reuid="$user" --regid="$group" --clear-groups --no-new-privs \
    --inh-caps=-all --bounding-set=-all env -i --chdir="$directory" "$@"
"""


def require_namespaces() -> None:
    """Skip the test where this process may not make namespaces."""
    if os.geteuid() != 0:
        pytest.skip(f"{NO_NAMESPACES}, and so root")
    tried = subprocess.run(
        [*NAMESPACES, "mount", "-t", "tmpfs", "tmpfs", "/mnt"],
        capture_output=True,
        text=True,
        check=False,
        timeout=10,
    )
    if tried.returncode:
        pytest.skip(f"{NO_NAMESPACES}: {tried.stderr.strip()}")


class ContainedModdy(ModdyProcess):
    """The image's entry command as PID 1 of a container; its network is the machine's."""

    def __init__(self, settings: Mapping[str, str], directory: Path, venv: Path) -> None:
        super().__init__(settings, directory)
        self._settings = dict(settings)
        self._work = directory / "container"
        self._work.mkdir()
        self._venv = venv

    @property
    def pid(self) -> int:
        """The id, outside, of the container's PID 1; of `unshare` before there is one."""
        try:
            return int((self._work / "pid").read_text())
        except (FileNotFoundError, ValueError):
            return super().pid

    @property
    def data(self) -> Path:
        """What is mounted on /data."""
        return self._work / "data"

    def status(self, name: str) -> str:
        """Return a field of PID 1's /proc/PID/status."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(line for line in lines if line.startswith(f"{name}:")).split(":")[1].strip()

    @property
    def heeds_sigterm(self) -> bool:
        """Whether PID 1 has a handler; without one the kernel drops the signal."""
        return bool(int(self.status("SigCgt"), 16) >> (signal.SIGTERM - 1) & 1)

    def children(self) -> list[str]:
        """Return the names of PID 1's children, also of those that ended but were not reaped."""
        statuses = [path.read_text() for path in Path("/proc").glob("[0-9]*/status")]
        return [text.split()[1] for text in statuses if f"\nPPid:\t{self.pid}\n" in text]

    async def execute(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command inside as the image's user, as `docker exec` and health checks are."""
        enter = ["nsenter", f"--target={self.pid}", "--mount", "--pid", "--root", "--wd"]
        owner = self.data.stat()
        return await asyncio.to_thread(
            subprocess.run,
            [
                *enter,
                f"--setuid={owner.st_uid}",
                f"--setgid={owner.st_gid}",
                *self._env(),
                *command,
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )

    def _command(self) -> list[str]:
        arguments = [str(self._work), str(self._venv), sys.base_prefix]
        arguments += [FINAL["RUN"], FINAL["USER"], FINAL["WORKDIR"]]
        entry = read_exec_form(FINAL["ENTRYPOINT"])
        script = ["sh", "-euc", SCRIPT, "sh", *arguments]
        return [*NAMESPACES, *script, *self._env()[2:], *entry]

    def _env(self) -> list[str]:
        """Return a command that runs another in the container's environment."""
        image = shlex.split(FINAL["ENV"].replace("$PATH", PATHS))
        given = [f"{name}={value}" for name, value in self._settings.items()]
        return ["env", "-i", *image, *given]
