"""The limits of the gates, and the two rules they can be applied by."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from pytest_selfopt.loop.evidence import ALPHA


class DecisionRule(StrEnum):
    """Which rule promotes."""

    CALIBRATED = "calibrated"
    """Odds against luck, with a stated bound on false promotions over the whole history."""
    CLASSIC = "classic"
    """The source documents' rule to the letter: medians over seven runs. Without any guarantee."""


class Claim(StrEnum):
    """What a promotion claims to hold for."""

    SUITE = "suite"
    """The prompts that were asked."""
    NEW_PROMPTS = "new-prompts"
    """Prompts like those that were asked, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limit of each gate, by the gate's name, for one phase.

    Shares are between 0 and 1. `latency` is the most seconds that 95 % of the answers may take, `cost` the most USD
    that 1,000 trials may cost (None: no limit); `veto` is how many solid cases may be broken. `alpha` bounds false
    promotions over the whole history.
    """

    comparable: float = 0.10
    errors: float = 0.05
    min_samples: int = 3
    variance: float = 0.0025
    restraint: float = 0.80
    extended_phase_min_accuracy: float = 0.30
    latency: float | None = None
    cost: float | None = None
    veto: int = 0
    dispersion_chance: float = 0.05
    alpha: Fraction = ALPHA
    profile: DecisionRule = DecisionRule.CALIBRATED
    claim: Claim = Claim.SUITE
