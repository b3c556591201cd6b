"""The Dockerfile and railway.json. The build stage's commands are run for real, without Docker."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

import moddy
from tests.packaging.project import ROOT, read_dockerfile, read_exec_form

BUILD, FINAL = read_dockerfile()
IMPORT_EVERYTHING = """
import pkgutil, moddy
for module in pkgutil.walk_packages(moddy.__path__, "moddy."):
    if not module.name.startswith(("moddy.sandbox", "moddy.store.migrations", "moddy.__main__")):
        __import__(module.name)
"""


def test_dockerfile_is_clean() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run(
        [hadolint, ROOT / "Dockerfile"], capture_output=True, text=True, check=False, timeout=30
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_final_stage_runs_as_nobody_special() -> None:
    instructions = dict(FINAL)
    assert int(instructions["USER"]) > 0
    assert instructions["WORKDIR"] == "/app"
    assert instructions["EXPOSE"] == "3000 8080"
    assert "DATABASE_URL=sqlite:////data/moddy.db" in instructions["ENV"]
    assert read_exec_form(instructions["ENTRYPOINT"]) == ["python", "-m", "moddy"]


def test_railway_takes_the_dockerfile() -> None:
    """It refuses VOLUME, and numbers in quotes."""
    assert "VOLUME" not in dict(FINAL)
    config = json.loads((ROOT / "railway.json").read_text())
    assert config["build"] == {"builder": "DOCKERFILE", "dockerfilePath": "Dockerfile"}
    deploy = config["deploy"]
    assert deploy["healthcheckPath"] == "/healthz"
    assert deploy["healthcheckTimeout"] == 300
    assert deploy["drainingSeconds"] > 10  # Moddy ends within 10 s after SIGTERM
    assert type(deploy["overlapSeconds"]) is int
    assert "startCommand" not in deploy  # it would go through a shell, which keeps SIGTERM


@contextmanager
def answer(status: int, paths: list[str]) -> Iterator[int]:
    """Serve `status` on a port of 127.0.0.1 and note the paths asked for."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def check_health(**environment: str) -> int:
    """Run the image's health check and return its exit code."""
    command = read_exec_form(dict(FINAL)["HEALTHCHECK"])
    assert command[0] == "python"
    done = subprocess.run(
        [sys.executable, *command[1:]],
        env=environment,
        check=False,
        timeout=30,
        stderr=subprocess.DEVNULL,
    )
    return done.returncode


@pytest.mark.parametrize(("status", "expected"), [(200, 0), (503, 1), (404, 1)])
@pytest.mark.parametrize(
    ("variable", "path"), [("PORT", "/healthz"), ("INTERNAL_PORT", "/")], ids=["public", "internal"]
)
def test_health_check(variable: str, path: str, status: int, expected: int) -> None:
    paths: list[str] = []
    with answer(status, paths) as port:
        assert check_health(**{variable: str(port)}) == expected
    assert paths == [path]


def test_health_check_without_an_answer() -> None:
    with answer(200, []) as port:
        pass
    assert check_health(PORT=str(port)) == 1


def build(source: Path, tools: Path, venv: Path) -> None:
    """Do what the build stage does, with `venv` in the place of /venv."""
    subprocess.run([sys.executable, "-m", "venv", tools], check=True, timeout=60)
    environment = os.environ | {"PATH": f"{tools / 'bin'}:{os.environ['PATH']}"}
    environment.pop("PYTHONPATH", None)
    for name, arguments in BUILD:
        if name == "COPY":
            *origins, target = arguments.split()
            for origin in origins:
                copy(ROOT / origin, source / target)
        elif name == "RUN":
            run(arguments.replace("/venv", str(venv)), source, environment)


def copy(origin: Path, directory: Path) -> None:
    """Copy as COPY does: a directory's content, or a file, into a directory."""
    if origin.is_dir():
        shutil.copytree(origin, directory, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        directory.mkdir(parents=True, exist_ok=True)
        shutil.copy(origin, directory)


def run(command: str, directory: Path, environment: dict[str, str]) -> str:
    """Run a shell command and return its output; fail with what it said."""
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_built_image(tmp_path: Path, subtests: pytest.Subtests) -> None:
    venv = tmp_path / "venv"
    build(tmp_path / "source", tmp_path / "tools", venv)
    with subtests.test("the command is the module"):
        command = run(f"{venv}/bin/moddy --help", tmp_path, {})
        module = run(f"{venv}/bin/python -m moddy --help", tmp_path, {})
        assert "sandbox" in command
        assert command == module.replace("python -m moddy", "moddy")
    with subtests.test("its version is the package's"):
        ask = "from importlib.metadata import version; print(version('moddy'))"
        assert run(f'{venv}/bin/python -c "{ask}"', tmp_path, {}).strip() == moddy.__version__
    with subtests.test("the runtime lock is enough"):
        (tmp_path / "everything.py").write_text(IMPORT_EVERYTHING)
        run(f"{venv}/bin/python everything.py", tmp_path, {})
    with subtests.test("every file of the package is installed"):
        (installed,) = venv.glob("lib/python3*/site-packages/moddy")
        assert list_files(ROOT / "moddy") <= list_files(installed)


def list_files(directory: Path) -> set[Path]:
    """Return the files below a directory but for compiled modules."""
    paths = {path.relative_to(directory) for path in directory.rglob("*") if path.is_file()}
    return {path for path in paths if "__pycache__" not in path.parts}
