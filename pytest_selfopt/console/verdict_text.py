"""Texts for the verdict of a phase and for an undecided cycle, shared by terminal, page, Markdown and GitHub."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pytest_selfopt.console.quantities import counted, format_cost

NOTHING_DECIDED = "nothing decided"
"""What the sentence on an outage says, beside what to do."""
UNDECIDED: Mapping[str, str] = {
    "interrupted": "the session was interrupted",
    "partial": "only some of the planned trials were selected",
    "running": "the cycle is under way, or was cut off",
    "stopped": "its budget or quota was used up, its connections were blocked, or no server answered",
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
PASSED = "PASSED"
"""What is said of a candidate that passed all gates and is not the winner."""
_SHOWN_NAMES = 3
_DEARER = 1.2
"""How many times as much a winner must cost for its headline to say so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """The number of a spec's right answers, of all its answers, and of its calls that gave none.

    `cost_of_1000_usd` is the cost of a thousand of them in USD; None if it is unknown.
    """

    right: int
    given: int
    missing: int = 0
    cost_of_1000_usd: float | None = None

    def __str__(self) -> str:
        counts = f"{self.right:,} of {self.given:,}"
        if self.missing:
            counts += f" ({self.missing:,} missing)"
        return counts


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedCandidate:
    """A judged candidate: what it changes of the baseline, its verdict, and the answers it fixed and broke.

    The verdict may be `PASSED`.
    """

    spec: str
    name: str
    verdict: str
    fixed: int = 0
    broken: int = 0
    claim: str = ""
    """For a promotion: the prompts on which it rests, and those for which it holds."""
    too_expensive: bool = False
    """Whether nothing but its cost holds it."""
    is_older: bool = False
    """Whether its comparison began in an earlier cycle, so that what it fixed is more than this cycle's answers."""


def is_too_expensive(failed_gates: Iterable[str]) -> bool:
    """Whether a candidate is held by nothing but `max_cost_ratio`, by the names of the gates that it failed."""
    return set(failed_gates) == {"cost_ratio"}


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
            if candidate.verdict in ("PROMOTE", PASSED, "HOLD"):
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
        passed = [*names["PROMOTE"], *names[PASSED]]
        if passed:
            return f"{join_names(passed)} is better, and promoting is switched off"
        expensive = [candidate.name for candidate in self.candidates if candidate.too_expensive]
        if expensive and len(expensive) == len(names["HOLD"]):
            return f"better at a price that max_cost_ratio holds: {join_names(expensive)}"
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
        better = [candidate for candidate in self.candidates if candidate.verdict in ("PROMOTE", PASSED)]
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
        if winner.is_older:
            result += " in this cycle"
        parts = [result, winner.claim]
        if costs_more(self.before.cost_of_1000_usd, self.after.cost_of_1000_usd, times=_DEARER):
            dearer = describe_ratio(self.before.cost_of_1000_usd, self.after.cost_of_1000_usd)
            parts.append(f"it costs {dearer}")
        return "; ".join(filter(None, parts))


def shown_verdict(verdict: str, *, chosen: bool) -> str:
    """Return the verdict on a candidate for people: PROMOTE is said of the winner alone."""
    if verdict == "PROMOTE" and not chosen:
        return PASSED
    return verdict


def describe_not_chosen(beside: str | None) -> str:
    """Say that a candidate passed without winning, and how the winner did beside it; None if nothing won."""
    if beside is None:
        return "passed, and promoting is switched off"
    return f"passed, not chosen: {beside}"


def costs_more(before: float | None, after: float | None, *, times: float) -> bool:
    """Whether the second of two costs is more than so many times the first; False if one is unknown."""
    return before is not None and after is not None and after > times * before


def describe_ratio(before: float | None, after: float | None) -> str:
    """Compare the costs of 1,000 answers in USD, to follow "costs"; a cost of None is unknown."""
    if before is None or after is None:
        return f"{format_cost(after)} instead of {format_cost(before)} for 1,000 answers"
    if not before:
        return f"{format_cost(after)} for 1,000 answers, instead of nothing"
    times = f"{after / before:.1f}".removesuffix(".0")
    if after >= 10 * before:
        times = f"{after / before:,.0f}"
    return f"{times} times as much: {format_cost(after)} instead of {format_cost(before)} for 1,000 answers"


def describe_plateau(unneeded: int) -> str:
    """Say why no candidate is left; `unneeded` counts the untried ones that cure nothing that was measured."""
    if not unneeded:
        return "nothing untried is left around the configuration in force"
    return (
        "nothing untried around the configuration in force cures anything that was measured; "
        f"--selfopt-exhaustive tries the rest ({unneeded})"
    )


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


def describe_saved(trials: Sequence[int], cases: int) -> str:
    """Say what leaving early saved, such as "asked 320 times instead of 480: 2 candidates left after 1 pass".

    `trials` are those of each spec of a phase with so many cases. Empty if nothing was saved.
    """
    passes = [math.ceil(number / max(1, cases)) for number in trials]
    longest = max(passes, default=0)
    left = sorted(number for number in passes if number < longest)
    asked, full = sum(trials), longest * cases * len(passes)
    if not left or asked >= full:
        return ""
    after = " and ".join(map(str, dict.fromkeys(left)))
    plural = "es" * (left[-1] > 1)
    who = counted(len(left), "candidate")
    return f"asked {asked:,} times instead of {full:,}: {who} left after {after} pass{plural}"
