"""No layout without a picture."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Shown by the panels' own commands, see `test_panels`.
BY_COMMAND = {"overview_view", "panel_view"}


def layouts_in(folder: Path) -> set[str]:
    """Return the names of the functions that make a layout for people."""
    return {
        node.name
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.endswith("_view")
    }


def names_in(folder: Path) -> set[str]:
    """Return the names that the modules of a folder use."""
    return {
        node.id
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Name)
    }


def test_every_layout_has_a_picture() -> None:
    layouts = layouts_in(ROOT / "moddy" / "views")
    assert len(layouts) > 20
    assert layouts - names_in(Path(__file__).parent) == BY_COMMAND
