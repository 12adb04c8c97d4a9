"""Pattern codes: `:10` is a topology of 8 calls and then 1."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pytest_selfopt.errors import SettingsError

BASE = 8
MOST_DIGIT = 3
"""Of a digit, which stands for 8 to its power: at most 512 calls in one stage."""

MOST_STAGES = 8


class PatternStep(StrEnum):
    """What a stage does with what the one before it said."""

    ANSWER = "answer"
    """There is none before it: each call answers the question."""
    AGGREGATE = "aggregate"
    """Each makes one answer of several."""
    REFINE = "refine"
    """Each goes on from one answer."""


@dataclass(frozen=True, slots=True)
class Topology:
    """How many calls each stage makes, such as (8, 1): eight models answer, and one answer is made of theirs."""

    stages: tuple[int, ...]

    @property
    def code(self) -> str:
        """The pattern; `parse_pattern` is its inverse."""
        return ":" + "".join(map(_digit, self.stages))

    @property
    def calls(self) -> int:
        """How many calls all stages make, votes counted as calls."""
        return sum(self.stages)

    @property
    def widest(self) -> int:
        """How many calls can be under way at a time."""
        return max(self.stages)

    def step(self, stage: int) -> PatternStep:
        """What the stage with an index does."""
        if stage == 0:
            return PatternStep.ANSWER
        if self.stages[stage] < self.stages[stage - 1]:
            return PatternStep.AGGREGATE
        return PatternStep.REFINE

    def sources(self, stage: int, place: int) -> range:
        """Which answers of the stage before go to the call at a place of a stage, all used, none by two aggregates."""
        if stage == 0:
            return range(0)
        before, here = self.stages[stage - 1], self.stages[stage]
        if here < before:
            group = before // here
            return range(place * group, (place + 1) * group)
        source = place // (here // before)
        return range(source, source + 1)


def _digit(size: int) -> str:
    """The digit for a stage of so many calls: its logarithm to the base of 8, whose powers have bits by threes."""
    return str((size.bit_length() - 1) // 3)


def parse_pattern(text: str) -> Topology:
    """Read a pattern code, with or without its colon.

    Raises:
        SettingsError: when it is no pattern, showing the character that is wrong.
    """
    digits = text.removeprefix(":")
    start = len(text) - len(digits)
    for place, character in enumerate(digits, start):
        if character not in "0123"[: MOST_DIGIT + 1]:
            raise SettingsError(
                f"pattern {text!r}: {character!r} (character {place + 1}) is none of 0, 1, 2 and 3, "
                "which stand for 1, 8, 64 and 512 calls"
            )
    if not digits:
        raise SettingsError(f"pattern {text!r}: a digit for each stage is missing; :10 is 8 calls and then 1")
    if len(digits) > MOST_STAGES:
        raise SettingsError(f"pattern {text!r}: {len(digits)} stages, at most {MOST_STAGES} may be")
    return Topology(tuple(BASE ** int(digit) for digit in digits))
