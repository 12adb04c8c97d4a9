"""The table of the source documents' requirements names tests that exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "explanation" / "documents.md"
ROWS = re.findall(r"^\| (\d+) \| (.+) \| (.+) \|$", PAGE.read_text(), re.MULTILINE)


@cache
def names_in(path: Path) -> frozenset[str]:
    """The names of the tests of a file."""
    tree = ast.parse(path.read_text())
    return frozenset(one.name for one in ast.walk(tree) if isinstance(one, ast.FunctionDef))


def test_every_requirement_stands_once() -> None:
    assert [int(number) for number, _, _ in ROWS] == list(range(1, 157))


def test_every_named_test_exists() -> None:
    for number, _, where in ROWS:
        named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", where)
        assert named or where.startswith("deliberately different"), number
        for file, name in named:
            assert name in names_in(ROOT / file), (number, name)
