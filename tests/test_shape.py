"""The code stays plain: what was reached by `python -m tests.shape` is not given up again."""

from __future__ import annotations

from statistics import median

from tests.shape import PACKAGE, TESTS, shape_of, words_of_test_names

CONDITIONALS, COMPREHENSIONS, NESTED, CHARACTERS, MODULES, LINES = 12.0, 25.0, 0, 38.0, 20, 400
"""By 1,000 code lines, in all, by code line, by folder, and by module."""
WORDS, LONGEST = 6, 10
"""In the name of a test, in the median and at most."""


def test_expressions_are_plain_and_folders_small() -> None:
    found = shape_of(PACKAGE.rglob("*.py"))
    assert found.conditionals_per_thousand <= CONDITIONALS
    assert found.comprehensions_per_thousand <= COMPREHENSIONS
    assert found.nested <= NESTED
    assert found.mean_line <= CHARACTERS
    assert found.fullest <= MODULES
    assert found.longest <= LINES


def test_names_of_tests_are_short() -> None:
    words = words_of_test_names(TESTS.rglob("test_*.py"))
    assert median(words) <= WORDS
    assert max(words) <= LONGEST
