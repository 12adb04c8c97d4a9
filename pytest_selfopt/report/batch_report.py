"""`selfopt swarm` and `selfopt batch`: whom they ask, and what they say about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from pytest_selfopt.console.output import Printed, Table
from pytest_selfopt.console.quantities import format_duration
from pytest_selfopt.economy.estimate import dollars
from pytest_selfopt.execution.batch_run import BatchResult
from pytest_selfopt.loop.evaluate import Metrics, evaluate
from pytest_selfopt.planning.batch_questions import Questions
from pytest_selfopt.settings import Settings
from pytest_selfopt.swarm.gain import Gain, gain
from pytest_selfopt.trial import Outcome

VERSION = 1
_DISPENSABLE = ("trials", "interval", "median", "restraint")
"""Columns that a narrow terminal does without, in this order."""


def gain_of(settings: Settings, questions: Questions, found: BatchResult) -> Gain:
    """What the swarm of a survey bought."""
    spec = questions.specs[0]
    swarm = settings.swarm(spec.model)
    assert swarm is not None
    return gain(found.trials, found.parts.get(spec.id, ()), swarm.members)


def swarm_lines(settings: Settings, questions: Questions, found: BatchResult) -> Iterator[Printed]:
    """A swarm's answers beside those of its members, for people."""
    spec = questions.specs[0]
    metrics = _metrics(questions, found)[0]
    yield f"{spec.id}: {_asked(questions)}"
    yield _rows([("swarm", metrics)])
    if found.parts:
        bought = gain_of(settings, questions, found)
        yield "its members alone, by what each said first:"
        for one in sorted(bought.members, key=lambda one: -one.accuracy):
            wrong = f", {one.errors} without answer" if one.errors else ""
            yield f"  {one.model}: {one.passes} of {one.answers + one.errors} right ({one.accuracy:.2f}){wrong}"
        yield from (f"  {name}: not asked" for name in bought.not_asked)
        yield bought.sentence
    yield from _ends(found)


def batch_lines(questions: Questions, found: BatchResult, notes: Sequence[str]) -> Iterator[Printed]:
    """Every model's numbers, the best first, for people."""
    metrics = sorted(_metrics(questions, found), key=lambda one: (-one.accuracy, one.cost_usd or 0.0, one.spec))
    yield _asked(questions)
    yield _rows([(one.spec.partition(f"/{questions.specs[0].phase}/")[0], one) for one in metrics])
    yield from notes
    yield from _ends(found)


def to_json(settings: Settings, questions: Questions, found: BatchResult, notes: Sequence[str]) -> dict[str, Any]:
    """The same for programs; "version" counts the form."""
    specs = [
        {
            "spec": one.spec,
            "trials": one.trials,
            "passes": one.passes,
            "misses": one.misses,
            "errors": one.errors,
            "errors_by_kind": dict(one.errors_by_kind),
            "accuracy": one.accuracy if one.trials else None,
            "accuracy_interval": list(one.accuracy_interval) if one.trials else None,
            "restraint": one.restraint,
            "latency_median_s": one.latency_median_s,
            "latency_p95_s": one.latency_p95_s,
            "tokens_in": one.tokens_in,
            "tokens_out": one.tokens_out,
            "cost_usd": one.cost_usd,
        }
        for one in _metrics(questions, found)
    ]
    value: dict[str, Any] = {
        "version": VERSION,
        "cycle": found.cycle,
        "suites": [suite.name for suite in questions.suites],
        "runs": questions.runs,
        "specs": specs,
        "calls": found.calls,
        "cost_usd": found.cost_usd,
        "votes": found.votes,
        "took_s": found.took_s,
        "stopped": found.stopped or None,
        "notes": [*notes, *found.notes],
    }
    if found.parts:
        bought = gain_of(settings, questions, found)
        value["gain"] = {
            "sentence": bought.sentence,
            "best": bought.best.model if bought.best is not None else None,
            "pairs": bought.pairs,
            "fixed": bought.fixed,
            "broken": bought.broken,
            "members": [{**asdict(one), "accuracy": one.accuracy} for one in bought.members],
        }
    return value


def complete(found: BatchResult) -> bool:
    """Whether everything was answered by somebody."""
    answered = sum(one.outcome is not Outcome.ERROR for one in found.trials)
    return not found.stopped and answered == found.planned


def _metrics(questions: Questions, found: BatchResult) -> list[Metrics]:
    cases = [case.key for suite in questions.suites for case in suite.cases]
    return [evaluate(spec.id, [one for one in found.trials if one.spec == spec.id], cases) for spec in questions.specs]


def _asked(questions: Questions) -> str:
    cases = sum(len(suite.cases) for suite in questions.suites)
    runs = f"{questions.runs} runs" if questions.runs > 1 else "1 run"
    return f"{cases} prompts of {', '.join(suite.name for suite in questions.suites)}, {runs}"


def _rows(rows: Sequence[tuple[str, Metrics]]) -> Table:
    """The numbers of each model, or swarm."""
    heads = ("model", "trials", "accuracy", "interval", "restraint", "errors", "median", "cost")
    return Table([heads, *(_row(name, one) for name, one in rows)], dispensable=_DISPENSABLE)


def _row(name: str, one: Metrics) -> tuple[str, ...]:
    if not one.trials:
        return (name, "0", "not asked", "-", "-", "-", "-", "-")
    return (
        name,
        str(one.trials),
        f"{one.accuracy:.3f}",
        "-".join(f"{bound:.2f}" for bound in one.accuracy_interval),
        f"{one.restraint:.2f}" if one.restraint is not None else "-",
        str(one.errors),
        f"{one.latency_median_s:.2f} s" if one.latency_median_s is not None else "-",
        dollars(one.cost_usd) if one.cost_usd is not None else "unknown",
    )


def _ends(found: BatchResult) -> Iterator[str]:
    yield from found.notes
    votes = f" and {found.votes:,} votes" if found.votes else ""
    cost = dollars(found.cost_usd) if found.cost_usd is not None else "cost unknown"
    yield f"{found.calls:,} calls{votes} in {format_duration(found.took_s)}, {cost}; recorded as cycle {found.cycle}"
    if found.stopped:
        yield f"not all was asked: {found.stopped}"
