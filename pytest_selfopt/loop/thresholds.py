"""The limits of the gates, and the two decision rules."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from pytest_selfopt.loop.evidence.odds import ALPHA


class DecisionRule(StrEnum):
    """The rule by which candidates are promoted."""

    CALIBRATED = "calibrated"
    """Odds against luck, with a stated bound on false promotions over the whole history."""
    CLASSIC = "classic"
    """The source documents' rule, unchanged: medians over seven runs. Without any guarantee."""


class Claim(StrEnum):
    """The prompts for which a promotion claims a gain."""

    SUITE = "suite"
    """The prompts that were asked."""
    NEW_PROMPTS = "new-prompts"
    """Also similar prompts that were not asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limit of each gate, by the gate's name, for one phase.

    Shares are between 0 and 1. `latency` is the maximum in seconds for 95 % of the answers, `cost` the maximum in USD
    for 1,000 answers (None: no limit); `cost_ratio` is how many times the baseline's cost a candidate may have (None:
    any number); `veto` is the number of solid cases that may break; `together` is the chance up to which cases count as
    moving together. `alpha` bounds false promotions over the whole history.
    """

    comparable: float = 0.10
    independent: float = 0.50
    errors: float = 0.05
    min_samples: int = 3
    variance: float = 0.0025
    restraint: float = 0.80
    extended_phase_min_accuracy: float = 0.30
    latency: float | None = None
    cost: float | None = None
    cost_ratio: float | None = None
    veto: int = 0
    dispersion_chance: float = 0.05
    together: float = 0.01
    alpha: Fraction = ALPHA
    profile: DecisionRule = DecisionRule.CALIBRATED
    claim: Claim = Claim.SUITE
