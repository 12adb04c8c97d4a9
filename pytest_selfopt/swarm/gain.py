"""What a swarm bought: its answers beside those of its best member alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from pytest_selfopt.console.quantities import format_odds
from pytest_selfopt.loop.evidence import odds
from pytest_selfopt.trial import Outcome, Trial

CONVINCING = Fraction(20)
"""Odds from which on a difference is called one."""

_Question: TypeAlias = tuple[str, int]
"""A case by its key, and a run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """What a model said first, before it heard of the others."""

    model: str
    passes: int
    answers: int
    errors: int
    cost_usd: float | None

    @property
    def accuracy(self) -> float:
        """Passes among all its trials; an answer that did not come is none."""
        trials = self.answers + self.errors
        if not trials:
            return 0.0
        return self.passes / trials


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """A swarm beside its members.

    The best member is the one that was right most often in this very survey, which flatters it: the swarm has to beat
    somebody who was lucky, too. Pairs are of one case and run that both were asked; `fixed` are those that the swarm
    has right and the member does not, `broken` the reverse. Whoever gave no answer has none right.
    """

    members: tuple[Member, ...]
    not_asked: tuple[str, ...]
    best: Member | None
    """None when nobody was asked what the swarm was."""
    pairs: int
    passes: int
    """Of the swarm, in pairs."""
    alone: int
    """Those of the best member, in pairs."""
    errors: int
    """Of the swarm, in pairs."""
    fixed: int
    broken: int
    calls_each: float
    """How many calls one answer of the swarm took, on average."""

    @property
    def sentence(self) -> str:
        """The verdict, for people."""
        if self.best is None:
            return "nothing can be said of what the swarm bought: none of its answers came"
        ours, theirs = self.passes / self.pairs, self.alone / self.pairs
        alone = f"{self.best.model} alone ({theirs:.2f})"
        price = f"at {self.calls_each:.1f} calls an answer"
        errors = ""
        if self.errors:
            errors = f"; {self.errors} of its answers did not come"
        if self.fixed <= self.broken:
            return f"the swarm bought nothing: {ours:.2f}, no better than {alone}, {price}{errors}"
        accuracy = f"{ours:.2f} beside {alone}, {price}"
        changes = f"it fixed {self.fixed} and broke {self.broken} of {self.pairs}"
        against = odds(self.fixed, self.broken)
        shown = f"{format_odds(against)}:1"
        if against < CONVINCING:
            return f"the swarm may have bought something: {accuracy}; {changes}, which can be luck ({shown}){errors}"
        return f"the swarm bought {ours - theirs:+.2f}: {accuracy}; {changes}, {shown} against luck{errors}"


def gain(trials: Sequence[Trial], first: Sequence[Trial], members: Sequence[str]) -> Gain:
    """Set a swarm's trials beside the first answers of its members, whose trials bear the model in place of the spec.

    A model that answers in several places of the first stage counts with the first of its answers to each question.
    """
    by_model = _first_answers(first, members)
    shown = tuple(_member(model, tuple(answers.values())) for model, answers in by_model.items())
    asked = list(map(_question, trials))
    able = [member for member in shown if not by_model[member.model].keys().isdisjoint(asked)]
    best = max(able, key=lambda member: member.accuracy, default=None)
    alone: dict[_Question, Trial] = {}
    if best is not None:
        alone = by_model[best.model]
    pairs = _pairs(trials, alone)
    counts = Counter((_right(ours), _right(theirs)) for ours, theirs in pairs)
    both, fixed, broken = counts[True, True], counts[True, False], counts[False, True]
    return Gain(
        members=shown,
        not_asked=tuple(name for name in members if name not in by_model),
        best=best,
        pairs=len(pairs),
        passes=both + fixed,
        alone=both + broken,
        errors=_errors(ours for ours, _ in pairs),
        fixed=fixed,
        broken=broken,
        calls_each=_mean_attempts(trials),
    )


def _question(trial: Trial) -> _Question:
    return trial.case, trial.run


def _first_answers(first: Sequence[Trial], members: Sequence[str]) -> dict[str, dict[_Question, Trial]]:
    """The first trial of each question by model, members first in their order; without models that have none."""
    by_model: dict[str, dict[_Question, Trial]] = {}
    for name in members:
        by_model[name] = {}
    for trial in first:
        answers = by_model.setdefault(trial.spec, {})
        answers.setdefault(_question(trial), trial)
    return {name: answers for name, answers in by_model.items() if answers}


def _pairs(trials: Sequence[Trial], alone: Mapping[_Question, Trial]) -> list[tuple[Trial, Trial]]:
    """Trials of the swarm, each with the member's trial of the same question, where there is one."""
    pairs = []
    for trial in trials:
        other = alone.get(_question(trial))
        if other is not None:
            pairs.append((trial, other))
    return pairs


def _mean_attempts(trials: Sequence[Trial]) -> float:
    if not trials:
        return 0.0
    return sum(trial.attempts for trial in trials) / len(trials)


def _member(model: str, answers: Sequence[Trial]) -> Member:
    errors = _errors(answers)
    return Member(
        model=model,
        passes=sum(map(_right, answers)),
        answers=len(answers) - errors,
        errors=errors,
        cost_usd=_cost(answers),
    )


def _cost(trials: Sequence[Trial]) -> float | None:
    """What trials cost in USD; None when the cost of one is not known."""
    known = [trial.cost_usd for trial in trials if trial.cost_usd is not None]
    if len(known) < len(trials):
        return None
    return sum(known)


def _errors(trials: Iterable[Trial]) -> int:
    return sum(trial.outcome is Outcome.ERROR for trial in trials)


def _right(trial: Trial) -> bool:
    return trial.outcome is Outcome.PASS
