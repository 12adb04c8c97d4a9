"""Whether BFCL's cases are judged here as its own checker judges them, counted answer by answer."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pytest_selfopt.bench.case import Case
from pytest_selfopt.bench.grading.goal import Goal
from pytest_selfopt.bench.importing.bfcl import data_file
from pytest_selfopt.bench.importing.imported import json_lines
from tests.bench.bfcl_answers import (
    Call,
    Talk,
    changed_answers,
    changed_talks,
    drawn_answer,
    possible_answers,
)
from tests.bench.bfcl_package import (
    RELEVANCE,
    TURNS,
    Category,
    category_of,
    our_verdict,
    our_verdict_of_turns,
    their_verdict,
    their_verdict_of_turns,
)

THE_TRUTH = "a possible answer"


@dataclass
class Agreement:
    """Verdicts by kind of answer and side, and where the two sides differ."""

    judged: Counter[str] = field(default_factory=Counter)
    passed: Counter[str] = field(default_factory=Counter)
    differ: list[str] = field(default_factory=list)
    left_out: tuple[str, ...] = ()

    def add(self, kind: str, place: str, *, ours: bool, theirs: bool) -> None:
        """Count the two verdicts on an answer."""
        self.judged[kind] += 1
        self.passed[kind] += theirs
        if ours != theirs:
            self.differ.append(f"{place}, {kind}: {'passes' if ours else 'fails'} here only")

    def __str__(self) -> str:
        total = sum(self.judged.values())
        passed, truths = sum(self.passed.values()), self.judged[THE_TRUTH]
        return f"{total} judged, of them {truths} possible answers, {passed} right, {len(self.differ)} differ"


def agreement(folder: Path, name: str, *, drawn: int, changes: int | None = None, every: int = 1) -> Agreement:
    """Compare the verdicts on a category's answers.

    `drawn` is how many combinations of possible values are drawn for each case beside those that show every value;
    `changes` is how many of the kinds of change are drawn for each answer: None for all. Of the cases, every so
    manyth is compared.
    """
    if name == TURNS:
        return _agreement_of_turns(folder, every)
    category = category_of(folder, name)
    counted = Agreement(left_out=category.left_out)
    for case in category.cases[::every]:
        rng = random.Random(case.id)
        for kind, calls in _answers(category, case, rng, drawn, changes):
            ours, theirs = our_verdict(case, calls), their_verdict(category, case.id, calls)
            counted.add(kind, f"{case.id} {calls}", ours=ours, theirs=theirs)
    return counted


def _answers(
    category: Category, case: Case, rng: random.Random, drawn: int, changes: int | None
) -> Iterator[tuple[str, list[Call]]]:
    if category.name in RELEVANCE:
        yield "no call", []
        for tool in case.tools:
            yield "a call", [(tool.name, {})]
        return
    answers = category.answers[case.id]
    for right in [*possible_answers(answers), *(drawn_answer(answers, rng) for _ in range(drawn))]:
        yield THE_TRUTH, right
        changed = list(changed_answers(right, rng))
        yield from changed if changes is None else rng.sample(changed, changes)


def _agreement_of_turns(folder: Path, every: int) -> Agreement:
    category = category_of(folder, TURNS)
    counted = Agreement(left_out=category.left_out)
    entries = {value["id"]: value for _, value in json_lines(data_file(folder, TURNS))}
    for case in category.cases[::every]:
        assert isinstance(case.expect, Goal)
        rng = random.Random(case.id)
        right: Talk = [[(call.name, call.arguments) for call in turn.calls] for turn in case.expect.by_turn]
        for kind, talk in {THE_TRUTH: right, **changed_talks(right, rng)}.items():
            name = f"{case.id} {kind}".replace(" ", "_")
            theirs = their_verdict_of_turns(entries[case.id], category.answers[case.id], talk, name)
            counted.add(kind, case.id, ours=our_verdict_of_turns(case, talk), theirs=theirs)
    return counted
