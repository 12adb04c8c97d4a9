"""The gain of a swarm: its answers compared with those of its best member alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from pytest_selfopt.console.quantities import format_odds
from pytest_selfopt.economy.measures import MOST_ERRORS
from pytest_selfopt.loop.evidence.odds import odds
from pytest_selfopt.trial import Outcome, Trial

CONVINCING = Fraction(20)
"""Odds from which a difference counts as established."""

_Question: TypeAlias = tuple[str, int]
"""A case's key and a run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A member's first answers, given without knowledge of the others'."""

    model: str
    passes: int
    answers: int
    errors: int
    cost_usd: float | None

    @property
    def accuracy(self) -> float:
        """Passes over answers; 0 without answers."""
        if not self.answers:
            return 0.0
        return self.passes / self.answers


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """A swarm compared with its members.

    The best member is the one with most right answers in this batch, which flatters it: the swarm has to beat its luck,
    too. A pair is a case and run that both answered; `fixed` are the pairs that only the swarm has right, `broken`
    those that only the member has right.
    """

    members: tuple[Member, ...]
    not_asked: tuple[str, ...]
    best: Member | None
    """None if no member has answered a question that the swarm has answered."""
    pairs: int
    passes: int
    """Right answers of the swarm, in pairs."""
    alone: int
    """Right answers of the best member, in pairs."""
    errors: int
    """Questions asked of both to which one gave no answer; they are in no pair."""
    fixed: int
    broken: int
    calls_each: float
    """The mean number of calls per answer of the swarm."""

    @property
    def sentence(self) -> str:
        """Return the verdict for people."""
        if self.best is None:
            return "the swarm's gain is unknown: nothing was answered by it and by a member"
        asked = self.pairs + self.errors
        if self.errors >= MOST_ERRORS * asked:
            return f"the swarm's gain is unknown: {self.errors} of {asked} questions were not answered by both"
        ours, theirs = self.passes / self.pairs, self.alone / self.pairs
        alone = f"{self.best.model} alone ({theirs:.2f})"
        price = f"at {self.calls_each:.1f} calls per answer"
        errors = ""
        if self.errors:
            errors = f"; {self.errors} more were not answered by both"
        if self.fixed <= self.broken:
            return f"the swarm bought nothing: {ours:.2f}, no better than {alone}, {price}{errors}"
        accuracy = f"{ours:.2f} versus {alone}, {price}"
        changes = f"it fixed {self.fixed} and broke {self.broken} of {self.pairs}"
        against = odds(self.fixed, self.broken)
        shown = f"{format_odds(against)}:1"
        if against < CONVINCING:
            return f"the swarm may have bought something: {accuracy}; {changes}, which may be luck ({shown}){errors}"
        return f"the swarm bought {ours - theirs:+.2f}: {accuracy}; {changes}, {shown} against luck{errors}"


def gain(trials: Sequence[Trial], first: Sequence[Trial], members: Sequence[str]) -> Gain:
    """Compare a swarm's trials with its members' first answers, whose trials have the model in place of the spec.

    Of a model at several places of the first stage, only the first answer to each question counts.
    """
    by_model = _first_answers(first, members)
    shown = tuple(_member(model, tuple(answers.values())) for model, answers in by_model.items())
    able = [member for member in shown if any(map(_answered, _pairs(trials, by_model[member.model])))]
    best = max(able, key=lambda member: member.passes, default=None)
    alone: dict[_Question, Trial] = {}
    if best is not None:
        alone = by_model[best.model]
    asked = _pairs(trials, alone)
    pairs = list(filter(_answered, asked))
    counts = Counter((_right(ours), _right(theirs)) for ours, theirs in pairs)
    both, fixed, broken = counts[True, True], counts[True, False], counts[False, True]
    return Gain(
        members=shown,
        not_asked=tuple(name for name in members if name not in by_model),
        best=best,
        pairs=len(pairs),
        passes=both + fixed,
        alone=both + broken,
        errors=len(asked) - len(pairs),
        fixed=fixed,
        broken=broken,
        calls_each=_mean_attempts(trials),
    )


def _question(trial: Trial) -> _Question:
    return trial.case, trial.run


def _first_answers(first: Sequence[Trial], members: Sequence[str]) -> dict[str, dict[_Question, Trial]]:
    """Return the first trial of each question by model, members first, without models that have no trials."""
    by_model: dict[str, dict[_Question, Trial]] = {}
    for name in members:
        by_model[name] = {}
    for trial in first:
        answers = by_model.setdefault(trial.spec, {})
        answers.setdefault(_question(trial), trial)
    return {name: answers for name, answers in by_model.items() if answers}


def _pairs(trials: Sequence[Trial], alone: Mapping[_Question, Trial]) -> list[tuple[Trial, Trial]]:
    """Pair the swarm's trials with the member's trials of the same questions."""
    pairs = []
    for trial in trials:
        other = alone.get(_question(trial))
        if other is not None:
            pairs.append((trial, other))
    return pairs


def _answered(pair: tuple[Trial, Trial]) -> bool:
    """Whether both of a pair have an answer."""
    return Outcome.ERROR not in (pair[0].outcome, pair[1].outcome)


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
    """Return the cost of trials in USD; None if any cost is unknown."""
    known = [trial.cost_usd for trial in trials if trial.cost_usd is not None]
    if len(known) < len(trials):
        return None
    return sum(known)


def _errors(trials: Iterable[Trial]) -> int:
    return sum(trial.outcome is Outcome.ERROR for trial in trials)


def _right(trial: Trial) -> bool:
    return trial.outcome is Outcome.PASS
