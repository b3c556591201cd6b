"""The Dockerfile and railway.json. The build stage's commands are run for real, without Docker."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

import moddy
from moddy.config import Settings
from tests.packaging.image import run
from tests.packaging.project import ROOT, read_dockerfile, read_exec_form
from tests.process.moddy_process import EXIT_SECONDS

_, FINAL = read_dockerfile()
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
    # Moddy ends within EXIT_SECONDS of SIGTERM: tests/process/test_signals.py
    assert type(deploy["drainingSeconds"]) is int
    assert deploy["drainingSeconds"] > EXIT_SECONDS
    # The old one goes on until the new one, which is healthy by then, has been given its address.
    assert type(deploy["overlapSeconds"]) is int
    assert deploy["overlapSeconds"] > 0
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


def test_health_check_without_settings() -> None:
    """It asks the port that Moddy takes then; another program may have it on this machine."""
    asked = f"or os.environ.get('INTERNAL_PORT') or '{Settings().internal_port}'"
    assert asked in read_exec_form(dict(FINAL)["HEALTHCHECK"])[-1]


def test_health_check_without_an_answer() -> None:
    with answer(200, []) as port:
        pass
    assert check_health(PORT=str(port)) == 1


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_built_image(image_venv: Path, tmp_path: Path, subtests: pytest.Subtests) -> None:
    venv = image_venv
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
