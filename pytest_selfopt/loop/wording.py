"""Formatting of counts and cases, shared by gates and diagnoses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pytest_selfopt.loop.evidence.together import Together

MOST_FAMILIES = 5
"""Groups of cases that are named in one sentence."""


def listed_counts(counts: Iterable[tuple[object, int]]) -> str:
    """Format counts with their names, such as "2 timeout, 1 server"."""
    return ", ".join(f"{number} {name}" for name, number in counts)


def listed_cases(cases: Iterable[str]) -> str:
    """List cases by name, without their suites."""
    return ", ".join(case.rpartition("/")[2] for case in cases)


def describe_together(found: Together) -> str:
    """Say whether cases move together within passes, and what to do if they do."""
    if not found.moving:
        return f"cases do not move together within passes (chance {found.chance:.2g})"
    groups = ""
    if found.families:
        groups = f", it seems {'; '.join(map(listed_cases, found.families[:MOST_FAMILIES]))}"
    if len(found.families) > MOST_FAMILIES:
        groups += f"; and {len(found.families) - MOST_FAMILIES} more groups"
    return (
        f"cases pass and fail together within passes (chance {found.chance:.2g}){groups}: "
        "give such cases one `group` in the suite, so that each group counts once a pass"
    )


def in_brackets(counts: Mapping[str, int]) -> str:
    """Format counts by name, such as " (2 timeout, 1 server)"; empty if there are none."""
    if not counts:
        return ""
    return f" ({listed_counts(counts.items())})"


def copied_of(copied: int, answers: int) -> str:
    """Say how many answers came from a cache of answers."""
    if copied == 1:
        return f"1 of {answers} answers was a copy"
    return f"{copied} of {answers} answers were copies"


def refused_calls(made: int, spared: int, reason: str) -> str:
    """Say that a server refused all calls that were made, so that others were spared."""
    counted = f"all {made} calls"
    if spared > 0:
        counted += f", so that {spared} more were not made"
    return (
        f"the server refused {counted} ({reason}); "
        "it is tried again only when the suite, the model or the variant has changed"
    )
