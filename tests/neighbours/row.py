"""A row of the matrix: a neighbour, how it is used, and what a session beside it has to come to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pytest_selfopt.trial import Outcome
from tests.neighbours.truth import CASES, is_right

BODY = """
import pytest

@pytest.mark.selfopt("items.jsonl")
def test_items(case, reply):
    case.check(reply)
"""


class Mode(StrEnum):
    """What a session is asked to do."""

    CYCLE = "cycle"
    GATE = "gate"
    PLAIN = "plain"


class Way(StrEnum):
    """In how many processes a session runs its bodies."""

    SERIAL = "serial"
    DISTRIBUTED = "n2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a session has to come to.

    `status` is its exit status. Of `cases` every trial is recorded, of others none; where `whole` is False, as many as
    there are. Cases in `missed` are missed, whatever the model answers. Where `error` is given, every trial is an error
    of this kind. Where `stops` is, sooner or later no trial has an answer for a reason of that kind, and what was
    judged before is true. `repeats` is how many items of a plain session share the reply to a case. `sentence` is
    printed.
    """

    status: int
    sentence: str = ""
    cases: tuple[str, ...] = CASES
    missed: tuple[str, ...] = ()
    error: str = ""
    stops: str = ""
    whole: bool = True
    repeats: int = 1

    def outcome(self, variant: str, case: str) -> Outcome | None:
        """Return what has to be recorded of the trials of a case; None if no trial of it may be."""
        if case not in self.cases:
            return None
        if self.error:
            return Outcome.ERROR
        if case in self.missed or not is_right(variant, case):
            return Outcome.MISS
        return Outcome.PASS


def true(*, status: int = 0, sentence: str = "", missed: tuple[str, ...] = ()) -> Expected:
    """Every trial is what it is alone; `missed` are cases that the body misses."""
    return Expected(status=status, sentence=sentence, missed=missed)


def refused(sentence: str) -> Expected:
    """The session is refused by a sentence, with status 4 and before any call."""
    return Expected(status=4, sentence=sentence, cases=())


def stopped(kind: str, *, status: int = 10, sentence: str = "") -> Expected:
    """From some trial on none has an answer, for a reason of this kind; nothing is decided."""
    return Expected(status=status, sentence=sentence, stops=kind, whole=False)


def only(*cases: str, status: int = 10, sentence: str = "") -> Expected:
    """These cases alone are asked; like every selection it decides nothing."""
    return Expected(status=status, sentence=sentence, cases=cases)


TRUE = true()
PLAIN = true(status=1)
"""Wrong answers are failed tests there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A neighbour and how it is used; `title` tells rows apart and begins with its name.

    `packages` are what is installed; `files` are more files of the project by their path; `ini` stands in the table
    `tool.pytest.ini_options` of its pyproject.toml. `differs` holds what is expected of single sessions instead of what
    `cycle`, `gate` and `plain` say. What is `cold` has to be importable before pytest itself is imported.
    """

    title: str
    packages: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    body: str = BODY
    files: Mapping[str, str] = field(default_factory=dict)
    ini: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    cold: bool = False
    cycle: Expected = TRUE
    gate: Expected = TRUE
    plain: Expected | None = PLAIN
    differs: Mapping[tuple[Mode, Way], Expected] = field(default_factory=dict)

    def expected(self, mode: Mode, way: Way) -> Expected | None:
        """Return what a session has to come to; None if it never ends by itself."""
        usual = {Mode.CYCLE: self.cycle, Mode.GATE: self.gate, Mode.PLAIN: self.plain}
        return self.differs.get((mode, way), usual[mode])
