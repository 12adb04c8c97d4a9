"""Cases that are expected to fail: they count neither way, but are seen when they begin to pass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedFailure:
    """A case that is expected to fail, and what came of it."""

    case: str
    """The name of the case."""
    reason: str
    """Why it is expected to fail; empty if that is not recorded."""
    passes: int
    """The answers that were right all the same."""
    trials: int
    """The answers, right or wrong, and the calls without one."""


def begin_to_pass(failures: Iterable[ExpectedFailure], asked: str = "runs") -> Iterator[str]:
    """Yield a sentence on each case with right answers; `asked` names what was counted."""
    for failure in failures:
        if failure.passes:
            counts = f"{failure.passes} of {failure.trials} {asked}"
            yield f"begins to pass: {failure.case} ({counts}; reason: {failure.reason}): remove expected_failure"
