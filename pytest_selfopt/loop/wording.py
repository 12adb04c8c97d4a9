"""Formatting of counts and cases, shared by gates and diagnoses."""

from __future__ import annotations

from collections.abc import Iterable


def listed_counts(counts: Iterable[tuple[object, int]]) -> str:
    """Format counts with their names, such as "2 timeout, 1 server"."""
    return ", ".join(f"{number} {name}" for name, number in counts)


def listed_cases(cases: Iterable[str]) -> str:
    """List cases by name, without their suites."""
    return ", ".join(case.rpartition("/")[2] for case in cases)
