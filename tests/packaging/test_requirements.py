"""The lock files and the dependencies that pyproject.toml declares."""

from __future__ import annotations

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.packaging.project import ROOT, read_pyproject

LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def read_lock(path: Path) -> dict[str, str]:
    """Return the version of each distribution in a lock file.

    Raises:
        AssertionError: a requirement is not pinned, or has no hash.
    """
    versions = {}
    text = re.sub(r"^\s*#.*\n", "", path.read_text(), flags=re.MULTILINE)
    for line in text.replace("\\\n", "").splitlines():
        pinned = re.match(r"([a-z0-9-]+)==(\S+)( ; [^-]+?)?((?:\s+--hash=\S+)+)$", line)
        assert pinned, line
        assert all(HASH.fullmatch(part) for part in pinned[4].split()), line
        versions[pinned[1]] = pinned[2]
    return versions


def test_there_is_a_lock_for_each_use() -> None:
    assert [path.stem for path in LOCKS] == ["bench", "build", "dev", "pip", "runtime"]


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.stem)
def test_each_requirement_is_pinned_with_its_hashes(path: Path) -> None:
    assert read_lock(path)


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.stem)
def test_no_host_and_no_path_is_named(path: Path) -> None:
    text = path.read_text()
    assert "://" not in text
    assert not re.search(r"index|find-links|trusted|(^|\s)/", text, flags=re.MULTILINE)


@pytest.mark.parametrize("name", ["build", "runtime"])
def test_the_image_has_the_versions_that_were_tested(name: str) -> None:
    tested = read_lock(ROOT / "requirements/dev.txt")
    image = read_lock(ROOT / f"requirements/{name}.txt")
    assert image.items() <= tested.items()


def declared() -> list[tuple[str, str]]:
    """Return each requirement of pyproject.toml and the lock it must be in."""
    content = read_pyproject()
    project, groups = content["project"], content["dependency-groups"]
    extras = project["optional-dependencies"]
    runtime = project["dependencies"] + extras["fast"] + extras["sentry"]
    by_lock = {
        "bench": groups["bench"],
        "build": groups["build"],
        "dev": runtime + extras["sandbox"] + groups["dev"],
        "pip": groups["pip"],
        "runtime": runtime,
    }
    return [(text, lock) for lock, texts in by_lock.items() for text in texts if type(text) is str]


@pytest.mark.parametrize(("text", "lock"), declared())
def test_the_lock_is_not_older_than_pyproject(text: str, lock: str) -> None:
    requirement = Requirement(text)
    versions = read_lock(ROOT / f"requirements/{lock}.txt")
    assert requirement.specifier.contains(versions[canonicalize_name(requirement.name)])


def imported_distributions(path: Path) -> set[str]:
    """Return the distributions that a module imports from, by their canonical names."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(str(node.module).partition(".")[0])
    providers = packages_distributions()
    outside = names - sys.stdlib_module_names - {"moddy"}
    names = {name for module in outside for name in providers.get(module, [module])}
    return {canonicalize_name(name) for name in names}


@pytest.mark.parametrize(
    "path", sorted((ROOT / "moddy").rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT))
)
def test_what_is_imported_is_declared(path: Path) -> None:
    project = read_pyproject()["project"]
    extras = project["optional-dependencies"]
    texts = project["dependencies"] + extras["fast"] + extras["sentry"]
    if ROOT / "moddy/sandbox" in path.parents:
        texts = texts + extras["sandbox"]
    allowed = {canonicalize_name(Requirement(text).name) for text in texts}
    assert imported_distributions(path) <= allowed
