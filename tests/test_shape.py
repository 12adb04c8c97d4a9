"""The code stays plain: what was reached by `python -m tests.shape` is not given up again."""

from __future__ import annotations

from tests.shape import PACKAGE, shape_of

CONDITIONALS, COMPREHENSIONS, NESTED, CHARACTERS, MODULES = 12.0, 25.0, 0, 38.0, 20
"""By 1,000 code lines, in all, by code line, and by folder."""


def test_expressions_are_plain_and_folders_small() -> None:
    found = shape_of(PACKAGE.rglob("*.py"))
    assert found.conditionals_per_thousand <= CONDITIONALS
    assert found.comprehensions_per_thousand <= COMPREHENSIONS
    assert found.nested <= NESTED
    assert found.mean_line <= CHARACTERS
    assert found.fullest <= MODULES
