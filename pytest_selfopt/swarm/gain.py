"""What a swarm bought: its answers beside those of its best member alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from pytest_selfopt.loop.evidence import odds, show_odds
from pytest_selfopt.trial import Outcome, Trial

CONVINCING = Fraction(20)
"""Odds from which on a difference is called one."""


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
        return self.passes / trials if trials else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """A swarm beside its members.

    The best member is the one that was right most often in this very survey, which flatters it: the swarm has to beat
    somebody who was lucky, too. Pairs are of one case and run; `fixed` are those that the swarm has right and the
    member does not, `broken` the reverse.
    """

    passes: int
    trials: int
    members: tuple[Member, ...]
    best: Member
    fixed: int
    broken: int
    cost_usd: float | None
    calls_each: float
    """How many models were asked for one answer, on average."""

    @property
    def accuracy(self) -> float:
        """The share of the swarm's trials that passed."""
        return self.passes / self.trials if self.trials else 0.0

    @property
    def sentence(self) -> str:
        """The verdict, for people."""
        alone = f"{self.best.model} alone ({self.best.accuracy:.2f})"
        price = f"at {self.calls_each:.1f} calls an answer"
        if self.fixed <= self.broken:
            return f"the swarm bought nothing: {self.accuracy:.2f}, no better than {alone}, {price}"
        said = f"it fixed {self.fixed} answers and broke {self.broken}"
        against = odds(self.fixed, self.broken)
        if against < CONVINCING:
            return (
                f"the swarm may have bought something: {self.accuracy:.2f} beside {alone}, {price}; {said}, which can "
                f"be luck ({show_odds(against)}:1)"
            )
        return (
            f"the swarm bought {self.accuracy - self.best.accuracy:+.2f}: {self.accuracy:.2f} beside {alone}, {price}; "
            f"{said}, {show_odds(against)}:1 against luck"
        )


def gain(trials: Sequence[Trial], first: Sequence[Trial], members: Sequence[str], calls: int) -> Gain:
    """Set a swarm's trials beside the first answers of its members, whose trials bear the model in place of the spec.

    A model that answers in several places of the first stage counts with the first of its answers to each question.
    """
    by_model: dict[str, dict[tuple[str, int], Trial]] = {name: {} for name in members}
    for one in first:
        by_model.setdefault(one.spec, {}).setdefault((one.case, one.run), one)
    shown = tuple(_member(model, tuple(answers.values())) for model, answers in by_model.items())
    best = max(shown, key=lambda one: (one.accuracy, -(one.cost_usd or 0.0)))
    alone = by_model[best.model]
    pairs = [(one, alone.get((one.case, one.run))) for one in trials if one.outcome is not Outcome.ERROR]
    costs = [one.cost_usd for one in trials]
    known = [cost for cost in costs if cost is not None]
    return Gain(
        passes=sum(one.outcome is Outcome.PASS for one in trials),
        trials=len(trials),
        members=shown,
        best=best,
        fixed=sum(_right(one) and not _right(other) for one, other in pairs),
        broken=sum(not _right(one) and _right(other) for one, other in pairs),
        cost_usd=sum(known) if len(known) == len(costs) else None,
        calls_each=calls / len(trials) if trials else 0.0,
    )


def _member(model: str, answers: Sequence[Trial]) -> Member:
    costs = [one.cost_usd for one in answers]
    known = [cost for cost in costs if cost is not None]
    errors = sum(one.outcome is Outcome.ERROR for one in answers)
    return Member(
        model=model,
        passes=sum(_right(one) for one in answers),
        answers=len(answers) - errors,
        errors=errors,
        cost_usd=sum(known) if len(known) == len(costs) else None,
    )


def _right(trial: Trial | None) -> bool:
    return trial is not None and trial.outcome is Outcome.PASS
