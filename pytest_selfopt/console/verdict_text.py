"""Texts for the verdict of a phase and for an undecided cycle, shared by terminal, page, Markdown and GitHub."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

UNDECIDED: Mapping[str, str] = {
    "interrupted": "the session was interrupted",
    "partial": "only some of the planned trials were selected",
    "running": "the cycle is under way, or was cut off",
    "stopped": "its budget or quota was used up, or its connections were blocked",
}
"""The reason why a cycle decided nothing, by its status."""
NEXT_STEPS: Mapping[str, str] = {
    "interrupted": "pytest --selfopt-cycle --selfopt-resume makes only the calls that are missing",
    "running": "if it was cut off, pytest --selfopt-cycle --selfopt-resume makes only the calls that are missing",
    "stopped": (
        "with a larger budget or new quota, pytest --selfopt-cycle --selfopt-resume makes the calls that are missing"
    ),
    "partial": "pytest --selfopt-cycle without a selection (-k, -m, --selfopt-tags, --lf, -x) or skip marks decides",
}
"""The next step after a cycle that decided nothing, by its status."""
_SHOWN_NAMES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """The number of a spec's right answers, of all its answers, and of its calls that gave none."""

    right: int
    given: int
    missing: int = 0

    def __str__(self) -> str:
        counts = f"{self.right:,} of {self.given:,}"
        if self.missing:
            counts += f" ({self.missing:,} missing)"
        return counts


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedCandidate:
    """A judged candidate: what it changes of the baseline, its verdict, and the answers it fixed and broke."""

    spec: str
    name: str
    verdict: str
    fixed: int = 0
    broken: int = 0
    claim: str = ""
    """For a promotion: the prompts on which it rests, and those for which it holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseVerdict:
    """The facts behind the text of a phase's verdict; `winner` is a spec's id, or None."""

    winner: str | None
    candidates: Sequence[JudgedCandidate]
    before: Answers | None = None
    """The answers of the baseline."""
    after: Answers | None = None
    """The answers of the winner."""

    @property
    def verdict(self) -> str:
        """PROMOTE if there is a winner, HOLD if a candidate may be better, else REJECT; empty without a candidate."""
        if self.winner is not None:
            return "PROMOTE"
        for candidate in self.candidates:
            # A candidate that deserved PROMOTE was not promoted where nothing won.
            if candidate.verdict in ("PROMOTE", "HOLD"):
                return "HOLD"
        if not self.candidates:
            return ""
        return "REJECT"

    @property
    def text(self) -> str:
        """The result of the phase in one sentence without a full stop, to follow its verdict or name."""
        winner = self._find(self.winner)
        if winner is not None:
            return self._describe_win(winner)
        if not self.candidates:
            return "nothing was left to try; what is in force stays"
        names: defaultdict[str, list[str]] = defaultdict(list)
        for candidate in self.candidates:
            names[candidate.verdict].append(candidate.name)
        if names["PROMOTE"]:
            return f"{join_names(names['PROMOTE'])} is better, and promoting is switched off"
        if names["HOLD"]:
            return f"the evidence on {join_names(names['HOLD'])} is short"
        if len(self.candidates) == 1:
            return "the candidate is not better than what is in force"
        return f"none of {len(self.candidates)} candidates is better than what is in force"

    @property
    def foremost(self) -> JudgedCandidate | None:
        """The winner, or else the candidate furthest ahead among those whose verdict decided the phase's."""
        winner = self._find(self.winner)
        if winner is not None:
            return winner
        better = [candidate for candidate in self.candidates if candidate.verdict == "PROMOTE"]
        held = [candidate for candidate in self.candidates if candidate.verdict == "HOLD"]
        return max(better or held or self.candidates, key=_lead, default=None)

    def _find(self, spec: str | None) -> JudgedCandidate | None:
        for candidate in self.candidates:
            if candidate.spec == spec:
                return candidate
        return None

    def _describe_win(self, winner: JudgedCandidate) -> str:
        if self.before is None or self.after is None:
            return winner.name
        result = f"{winner.name}, {self.after} answers right instead of {self.before}"
        if not winner.claim:
            return result
        return f"{result}; {winner.claim}"


def count_prompts(asked: int, up: int, down: int, *, steady: bool) -> str:
    """Count the prompts that a candidate has right more often than the baseline, and less often.

    Those that differ in every pass are fixed or broken; `steady` says that all are.
    """
    better, worse = "up", "down"
    if steady:
        better, worse = "fixed", "broken"
    return f"{up} of {asked} prompts {better}, {down} {worse}"


def describe_claim(counted: str, *, for_others: bool) -> str:
    """Say on which prompts a promotion rests and for which prompts it holds."""
    if for_others:
        return f"{counted}: shown for prompts like these"
    return f"{counted}: shown for these prompts, not for others"


def join_names(names: Sequence[str]) -> str:
    """Join the first names, and the number of the others."""
    shown = ", ".join(names[:_SHOWN_NAMES])
    more = len(names) - _SHOWN_NAMES
    if more > 0:
        return f"{shown} and {more} more"
    return shown


def _lead(candidate: JudgedCandidate) -> int:
    return candidate.fixed - candidate.broken
