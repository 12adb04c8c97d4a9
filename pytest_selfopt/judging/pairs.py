"""Pairs of answers that a judge decided, some of them labelled by people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

Labels: TypeAlias = Mapping[str, bool]
"""Whether people pass an answer, by the answer's key; answers that nobody labelled are missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedAnswer:
    """An answer and whether the judge passes it; None if it cannot tell.

    `key` is the same for the same reply to the same case: it is judged once and labelled once.
    """

    key: str
    passed: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedPair:
    """The answers of baseline and candidate to one case in one pass; `group` names cases that may fall together."""

    case: str
    run: int
    baseline: JudgedAnswer
    candidate: JudgedAnswer
    group: str = ""

    @property
    def keys(self) -> tuple[str, str]:
        """The keys of both answers."""
        return self.baseline.key, self.candidate.key

    @property
    def differs(self) -> bool:
        """Whether the judge passes one and fails the other."""
        verdicts = {self.baseline.passed, self.candidate.passed}
        return verdicts == {True, False}

    @property
    def is_judged_win(self) -> bool:
        """Whether the judge passes only the candidate."""
        return self.differs and self.candidate.passed is True

    def difference(self, labels: Labels) -> int:
        """Return +1 if people pass only the candidate, −1 if only the baseline, else 0; −1 or 0 at worst if unknown.

        Whatever labels are missing, they are assumed to speak for the baseline. Two answers that are the same reply
        do not differ, with or without labels.
        """
        before, after = self.keys
        if before == after:
            return 0
        return labels.get(after, False) - labels.get(before, True)

    def may_hide_loss(self, labels: Labels) -> bool:
        """Whether people may pass only the baseline, although the judge sees no difference."""
        return not self.differs and self.difference(labels) < 0
