"""Pattern codes: `:10` is a topology of 8 calls, then 1."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pytest_selfopt.errors import SettingsError

BASE = 8
MOST_DIGIT = 3
"""The largest digit d, which stands for 8 ** d calls: at most 512 in one stage."""

MOST_STAGES = 8


class PatternStep(StrEnum):
    """What a stage does with the answers of the previous one."""

    ANSWER = "answer"
    """First stage: each call answers the question."""
    AGGREGATE = "aggregate"
    """Each call combines several answers into one."""
    REFINE = "refine"
    """Each call refines one answer."""


@dataclass(frozen=True, slots=True)
class Topology:
    """The number of calls per stage, such as (8, 1): eight models answer, and one call combines their answers."""

    stages: tuple[int, ...]

    @property
    def code(self) -> str:
        """The pattern; `parse_pattern` is its inverse."""
        return ":" + "".join(map(_digit, self.stages))

    @property
    def calls(self) -> int:
        """The number of calls of all stages, votes included."""
        return sum(self.stages)

    @property
    def widest(self) -> int:
        """The largest number of calls in flight at a time."""
        return max(self.stages)

    def step(self, stage: int) -> PatternStep:
        """Return what the stage with this index does."""
        if stage == 0:
            return PatternStep.ANSWER
        if self.stages[stage] < self.stages[stage - 1]:
            return PatternStep.AGGREGATE
        return PatternStep.REFINE

    def sources(self, stage: int, place: int) -> range:
        """Return the previous stage's answers for the call at a place: all are used, none by two aggregates."""
        if stage == 0:
            return range(0)
        before, here = self.stages[stage - 1], self.stages[stage]
        if here < before:
            group = before // here
            return range(place * group, (place + 1) * group)
        source = place // (here // before)
        return range(source, source + 1)


def _digit(size: int) -> str:
    """Return the digit for a stage of `size` calls: the base-8 logarithm, from the bit length."""
    return str((size.bit_length() - 1) // 3)


def parse_pattern(text: str) -> Topology:
    """Read a pattern code, with or without its colon.

    Raises:
        SettingsError: if it is not a pattern; the message shows the wrong character.
    """
    digits = text.removeprefix(":")
    start = len(text) - len(digits)
    for place, character in enumerate(digits, start):
        if character not in "0123"[: MOST_DIGIT + 1]:
            raise SettingsError(
                f"pattern {text!r}: {character!r} (character {place + 1}) is not one of 0, 1, 2 and 3, "
                "which stand for 1, 8, 64 and 512 calls"
            )
    if not digits:
        raise SettingsError(f"pattern {text!r}: needs one digit per stage; :10 is 8 calls, then 1")
    if len(digits) > MOST_STAGES:
        raise SettingsError(f"pattern {text!r}: {len(digits)} stages, at most {MOST_STAGES} are allowed")
    return Topology(tuple(BASE ** int(digit) for digit in digits))
