"""The output of `selfopt swarm` and `selfopt batch`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import chain, starmap
from operator import attrgetter
from typing import Any

from pytest_selfopt.bench.case import Case
from pytest_selfopt.bench.expected_failure import ExpectedFailure, begin_to_pass
from pytest_selfopt.console.output import Printed, TextTable
from pytest_selfopt.console.quantities import counted, format_cost, format_duration
from pytest_selfopt.execution.batch_run import BatchResult
from pytest_selfopt.loop.evaluate import Metrics, evaluate
from pytest_selfopt.planning.batch_questions import Questions
from pytest_selfopt.settings import Settings
from pytest_selfopt.swarm.gain import Gain, gain
from pytest_selfopt.trial import Outcome, Trial

VERSION = 1
_DISPENSABLE = ("trials", "interval", "median", "restraint")
"""Columns left out on a narrow terminal, in this order."""


def gain_of(settings: Settings, questions: Questions, result: BatchResult) -> Gain:
    """Return the gain of a batch's swarm over its members."""
    spec = questions.specs[0]
    swarm = settings.swarm(spec.model)
    assert swarm is not None
    return gain(result.trials, result.parts.get(spec.id, ()), swarm.members)


def swarm_lines(settings: Settings, questions: Questions, result: BatchResult) -> Iterator[Printed]:
    """Yield the lines that compare a swarm with its members."""
    spec = questions.specs[0]
    metrics = _metrics(questions, result)[0]
    yield f"{spec.id}: {describe_questions(questions)}"
    yield metrics_table([("swarm", metrics)])
    if result.parts:
        yield from _gain_lines(gain_of(settings, questions, result))
    yield from closing_lines(questions, result)


def _gain_lines(bought: Gain) -> Iterator[str]:
    yield "its members alone, by their first answers:"
    for member in sorted(bought.members, key=attrgetter("accuracy"), reverse=True):
        line = f"  {member.model}: {member.passes} of {member.answers} right ({member.accuracy:.2f})"
        if member.errors:
            line += f", {member.errors} without answer"
        yield line
    for name in bought.not_asked:
        yield f"  {name}: not asked"
    yield bought.sentence


def batch_lines(questions: Questions, result: BatchResult, notes: Sequence[str]) -> Iterator[Printed]:
    """Yield the lines with each model's numbers, the best first."""
    yield describe_questions(questions)
    seam = f"/{questions.specs[0].phase}/"
    rows = []
    for metrics in sorted(_metrics(questions, result), key=_sort_key):
        model, _, _ = metrics.spec.partition(seam)
        rows.append((model, metrics))
    yield metrics_table(rows)
    yield from notes
    yield from closing_lines(questions, result)


def _sort_key(metrics: Metrics) -> tuple[float, float, str]:
    """Return the sort key of a model: the most accurate first, among equals the cheapest."""
    return (-metrics.accuracy, metrics.cost_usd or 0.0, metrics.spec)


def to_json(settings: Settings, questions: Questions, result: BatchResult, notes: Sequence[str]) -> dict[str, Any]:
    """Return the results as JSON values; "version" is that of the form."""
    passing = begin_to_pass(_expected_failures(questions, result), asked="answers")
    value: dict[str, Any] = {
        "version": VERSION,
        "cycle": result.cycle,
        "suites": _suite_names(questions),
        "runs": questions.runs,
        "specs": list(map(metrics_json, _metrics(questions, result))),
        "calls": result.calls,
        "cost_usd": result.cost_usd,
        "votes": result.votes,
        "took_s": result.took_s,
        "most_in_flight": result.most_in_flight,
        "stopped": result.stopped or None,
        "notes": [*notes, *result.notes, *passing],
    }
    if result.parts:
        value["gain"] = _gain_json(gain_of(settings, questions, result))
    return value


def metrics_json(metrics: Metrics) -> dict[str, Any]:
    """Return the metrics of a spec as JSON values."""
    interval = None
    if metrics.answers:
        interval = list(metrics.accuracy_interval)
    return {
        "spec": metrics.spec,
        "trials": metrics.trials,
        "passes": metrics.passes,
        "misses": metrics.misses,
        "errors": metrics.errors,
        "errors_by_kind": dict(metrics.errors_by_kind),
        "unusual_ends": dict(metrics.unusual_ends),
        "accuracy": metrics.known_accuracy,
        "accuracy_interval": interval,
        "restraint": metrics.restraint,
        "latency_median_s": metrics.latency_median_s,
        "latency_p95_s": metrics.latency_p95_s,
        "tokens_in": metrics.tokens_in,
        "tokens_out": metrics.tokens_out,
        "cost_usd": metrics.cost_usd,
    }


def _gain_json(bought: Gain) -> dict[str, Any]:
    best = None
    if bought.best is not None:
        best = bought.best.model
    members = []
    for member in bought.members:
        fields = asdict(member)
        members.append({**fields, "accuracy": member.accuracy})
    return {
        "sentence": bought.sentence,
        "best": best,
        "pairs": bought.pairs,
        "fixed": bought.fixed,
        "broken": bought.broken,
        "members": members,
    }


def complete(result: BatchResult) -> bool:
    """Tell whether every question was answered."""
    answered = sum(trial.outcome is not Outcome.ERROR for trial in result.trials)
    return not result.stopped and answered == result.planned


def _metrics(questions: Questions, result: BatchResult) -> list[Metrics]:
    cases = [case.key for case in counted_cases(questions)]
    by_spec: defaultdict[str, list[Trial]] = defaultdict(list)
    for trial in result.trials:
        by_spec[trial.spec].append(trial)
    return [evaluate(spec.id, by_spec[spec.id], cases) for spec in questions.specs]


def counted_cases(questions: Questions) -> Iterator[Case]:
    """Yield the cases that count."""
    return chain.from_iterable(suite.counted for suite in questions.suites)


def _expected_failures(questions: Questions, result: BatchResult) -> Iterator[ExpectedFailure]:
    """Yield what came of the cases that are expected to fail."""
    by_case: defaultdict[str, list[Trial]] = defaultdict(list)
    for trial in result.expected:
        by_case[trial.case].append(trial)
    for case in chain.from_iterable(suite.cases for suite in questions.suites):
        trials = by_case.get(case.key, ())
        passes = sum(trial.outcome is Outcome.PASS for trial in trials)
        if trials:
            yield ExpectedFailure(case=case.key, reason=case.expected_failure, passes=passes, trials=len(trials))


def _suite_names(questions: Questions) -> list[str]:
    return [suite.name for suite in questions.suites]


def describe_questions(questions: Questions) -> str:
    """Say how many prompts of which suites are asked, and how often."""
    cases = len(list(counted_cases(questions)))
    suites = ", ".join(_suite_names(questions))
    return f"{counted(cases, 'prompt')} of {suites}, {counted(questions.runs, 'run')}"


def metrics_table(rows: Iterable[tuple[str, Metrics]]) -> TextTable:
    """Return the numbers of each model or swarm as a table."""
    heads = ("model", "trials", "accuracy", "interval", "restraint", "errors", "median", "cost")
    return TextTable([heads, *starmap(_row, rows)], dispensable=_DISPENSABLE)


def _row(name: str, metrics: Metrics) -> tuple[str, ...]:
    if not metrics.trials:
        return (name, "0", "not asked", "-", "-", "-", "-", "-")
    accuracy = interval = restraint = median = "-"
    if metrics.answers:
        accuracy = f"{metrics.accuracy:.3f}"
        interval = "-".join(map("{:.2f}".format, metrics.accuracy_interval))
    if metrics.restraint is not None:
        restraint = f"{metrics.restraint:.2f}"
    if metrics.latency_median_s is not None:
        median = f"{metrics.latency_median_s:.2f} s"
    return (
        name,
        str(metrics.trials),
        accuracy,
        interval,
        restraint,
        str(metrics.errors),
        median,
        format_cost(metrics.cost_usd),
    )


def closing_lines(questions: Questions, result: BatchResult, *, recorded: bool = True) -> Iterator[str]:
    """Yield the lines on the calls of a batch: what was seen of them, their cost, and where they are recorded."""
    yield from result.notes
    yield from begin_to_pass(_expected_failures(questions, result), asked="answers")
    calls = f"{result.calls:,} calls"
    if result.votes:
        calls += f" and {result.votes:,} votes"
    took = format_duration(result.took_s)
    cost = format_cost(result.cost_usd)
    together = f"at most {result.most_in_flight} in flight"
    place = f"recorded as cycle {result.cycle}"
    if not recorded:
        place = "recorded nowhere"
    yield f"{calls} in {took}, {together}, cost {cost}; {place}"
    if result.stopped:
        yield f"some prompts were not asked: {result.stopped}"
