"""The output of `selfopt compare`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from pytest_selfopt.bench.loading.suites import groups_of
from pytest_selfopt.console.output import Printed
from pytest_selfopt.execution.batch_run import BatchResult
from pytest_selfopt.execution.outage import address_of, silence_of
from pytest_selfopt.loop.compare import TwoSpecs, compare_specs
from pytest_selfopt.planning.batch_questions import Questions
from pytest_selfopt.report.batch_report import (
    closing_lines,
    counted_cases,
    describe_questions,
    metrics_json,
    metrics_table,
)
from pytest_selfopt.settings import Settings
from pytest_selfopt.specs.spec import difference, short_difference

VERSION = 1
_NAMES = ("first", "second")


def compare_result(settings: Settings, questions: Questions, result: BatchResult) -> TwoSpecs:
    """Judge the two specs of a batch by its trials."""
    first, second = questions.specs
    return compare_specs(
        first,
        second,
        result.trials,
        [case.key for case in counted_cases(questions)],
        groups=groups_of(questions.suites),
        limits=settings.phase(first.phase).limits,
        missing=result.planned - len(result.trials),
    )


def verdict_sentence(settings: Settings, result: BatchResult, compared: TwoSpecs) -> str:
    """Say which of two specs is better, and why, that neither is shown to be, or that no server answered."""
    silence = silence_of(result.trials)
    if silence is not None:
        return silence.sentence(partial(address_of, settings))
    first, second = compared.specs
    if compared.better == first:
        return f"the first is better ({short_difference(second, first)}): {compared.judgements[0].grounds}"
    if compared.better == second:
        return f"the second is better ({short_difference(first, second)}): {compared.judgements[1].grounds}"
    behind = compared.metrics[1].accuracy < compared.metrics[0].accuracy
    leading = compared.judgements[not behind]
    return f"neither is shown to be better; of the {_NAMES[not behind]} one: {leading.grounds}"


def comparison_lines(
    settings: Settings, questions: Questions, result: BatchResult, compared: TwoSpecs, *, recorded: bool
) -> Iterator[Printed]:
    """Yield the two specs, their numbers, which of them is better, and what it took."""
    yield describe_questions(questions)
    for name, spec in zip(_NAMES, compared.specs, strict=True):
        yield f"  {name}: {spec.id}"
    yield f"  they differ in {difference(*compared.specs)}"
    yield metrics_table(zip(_NAMES, compared.metrics, strict=True))
    yield verdict_sentence(settings, result, compared)
    yield from closing_lines(questions, result, recorded=recorded)


def comparison_json(
    settings: Settings, questions: Questions, result: BatchResult, compared: TwoSpecs, *, recorded: bool
) -> dict[str, Any]:
    """Return the comparison as JSON values; "version" is that of the form."""
    sides: dict[str, Any] = {}
    for name, metrics, judgement in zip(_NAMES, compared.metrics, compared.judgements, strict=True):
        gates = [{"name": gate.name, "passed": gate.passed, "sentence": gate.sentence} for gate in judgement.gates]
        over = {"better": judgement.spec == getattr(compared.better, "id", None), **judgement.numbers, "gates": gates}
        sides[name] = {**metrics_json(metrics), "over_the_other": over}
    return {
        "version": VERSION,
        "cycle": result.cycle if recorded else None,
        "suites": [suite.name for suite in questions.suites],
        "runs": questions.runs,
        **sides,
        "better": getattr(compared.better, "id", None),
        "sentence": verdict_sentence(settings, result, compared),
        "calls": result.calls,
        "cost_usd": result.cost_usd,
        "took_s": result.took_s,
        "stopped": result.stopped or None,
        "notes": list(result.notes),
    }
