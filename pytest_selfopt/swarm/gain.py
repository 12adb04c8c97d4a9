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
        errors = f"; {self.errors} of its answers did not come" if self.errors else ""
        if self.fixed <= self.broken:
            return f"the swarm bought nothing: {ours:.2f}, no better than {alone}, {price}{errors}"
        said = f"it fixed {self.fixed} and broke {self.broken} of {self.pairs}"
        against = odds(self.fixed, self.broken)
        if against < CONVINCING:
            return (
                f"the swarm may have bought something: {ours:.2f} beside {alone}, {price}; {said}, which can be luck "
                f"({show_odds(against)}:1){errors}"
            )
        return (
            f"the swarm bought {ours - theirs:+.2f}: {ours:.2f} beside {alone}, {price}; {said}, "
            f"{show_odds(against)}:1 against luck{errors}"
        )


def gain(trials: Sequence[Trial], first: Sequence[Trial], members: Sequence[str]) -> Gain:
    """Set a swarm's trials beside the first answers of its members, whose trials bear the model in place of the spec.

    A model that answers in several places of the first stage counts with the first of its answers to each question.
    """
    by_model: dict[str, dict[tuple[str, int], Trial]] = {name: {} for name in members}
    for one in first:
        by_model.setdefault(one.spec, {}).setdefault((one.case, one.run), one)
    by_model = {name: answers for name, answers in by_model.items() if answers}
    asked = [(one.case, one.run) for one in trials]
    shown = tuple(_member(model, list(answers.values())) for model, answers in by_model.items())
    able = [one for one in shown if any(address in by_model[one.model] for address in asked)]
    best = max(able, key=lambda one: one.accuracy, default=None)
    alone = by_model[best.model] if best is not None else {}
    pairs = [(one, alone[one.case, one.run]) for one in trials if (one.case, one.run) in alone]
    return Gain(
        members=shown,
        not_asked=tuple(name for name in members if name not in by_model),
        best=best,
        pairs=len(pairs),
        passes=sum(_right(one) for one, _ in pairs),
        alone=sum(_right(other) for _, other in pairs),
        errors=sum(one.outcome is Outcome.ERROR for one, _ in pairs),
        fixed=sum(_right(one) and not _right(other) for one, other in pairs),
        broken=sum(not _right(one) and _right(other) for one, other in pairs),
        calls_each=sum(one.attempts for one in trials) / len(trials) if trials else 0.0,
    )


def _member(model: str, answers: Sequence[Trial]) -> Member:
    costs = [one.cost_usd for one in answers]
    known = [cost for cost in costs if cost is not None]
    errors = sum(one.outcome is Outcome.ERROR for one in answers)
    return Member(
        model=model,
        passes=sum(map(_right, answers)),
        answers=len(answers) - errors,
        errors=errors,
        cost_usd=sum(known) if len(known) == len(costs) else None,
    )


def _right(trial: Trial) -> bool:
    return trial.outcome is Outcome.PASS
