"""How often a judge decides as people do, measured on answers that people labelled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from pytest_selfopt.loop.distributions import wilson

LabelledVerdict: TypeAlias = tuple[bool, bool | None]
"""Whether people pass an answer, and whether the judge does; None if the judge cannot tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proportion:
    """A number of successes among independent trials."""

    successes: int
    trials: int

    @property
    def share(self) -> float | None:
        """Successes per trial; None without trials."""
        if not self.trials:
            return None
        return self.successes / self.trials

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % score interval (Wilson 1927); (0, 1) without trials."""
        return wilson(self.successes, self.trials)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Numbers of labelled answers by what people and the judge say of them.

    Of those that people pass the judge passes `true_passes`, fails `false_fails` and cannot tell `untold_passes`; of
    those that people fail it fails `true_fails`, passes `false_passes` and cannot tell `untold_fails`.
    """

    true_passes: int = 0
    false_fails: int = 0
    untold_passes: int = 0
    true_fails: int = 0
    false_passes: int = 0
    untold_fails: int = 0

    @property
    def true_positive_rate(self) -> Proportion:
        """Of the answers that people pass, those that the judge passes."""
        passes = self.true_passes + self.false_fails + self.untold_passes
        return Proportion(successes=self.true_passes, trials=passes)

    @property
    def true_negative_rate(self) -> Proportion:
        """Of the answers that people fail, those that the judge fails."""
        fails = self.true_fails + self.false_passes + self.untold_fails
        return Proportion(successes=self.true_fails, trials=fails)

    @property
    def agreement(self) -> Proportion:
        """Of all labelled answers, those that the judge decides as people do."""
        labels = self.true_positive_rate.trials + self.true_negative_rate.trials
        return Proportion(successes=self.true_passes + self.true_fails, trials=labels)

    @property
    def kappa(self) -> float | None:
        """Agreement beyond chance, (p − e)/(1 − e) (Cohen 1960), with "cannot tell" as a verdict of its own.

        None if it is undefined: without labels, or if people and judge each give all answers the same one verdict.
        """
        labels = self.agreement.trials
        passes = self.true_positive_rate.trials * (self.true_passes + self.false_passes)
        fails = self.true_negative_rate.trials * (self.true_fails + self.false_fails)
        # In whole numbers, all times the square of the labels: only 1 − e = 0 is then 0.
        beyond = labels * labels - passes - fails
        if not beyond:
            return None
        return (self.agreement.successes * labels - passes - fails) / beyond

    def is_sufficient(self, *, rate: float = 0.80, labels: int = 30) -> bool:
        """Whether there are `labels` of each kind, and the lower bounds of both rates are at least `rate`."""
        rates = (self.true_positive_rate, self.true_negative_rate)
        return all(each.trials >= labels and each.interval[0] >= rate for each in rates)


def calibrate(verdicts: Iterable[LabelledVerdict]) -> Calibration:
    """Count how the judge decides answers that people labelled, each answer once."""
    counts = Counter(verdicts)
    return Calibration(
        true_passes=counts[True, True],
        false_fails=counts[True, False],
        untold_passes=counts[True, None],
        true_fails=counts[False, False],
        false_passes=counts[False, True],
        untold_fails=counts[False, None],
    )
