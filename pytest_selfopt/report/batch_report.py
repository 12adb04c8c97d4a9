"""`selfopt swarm` and `selfopt batch`: whom they ask, and what they say about it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

from pytest_selfopt.bench.suites import Suite, load_suite, suite_files
from pytest_selfopt.console.output import Printed, Table, columns_of
from pytest_selfopt.console.quantities import format_duration
from pytest_selfopt.economy.estimate import dollars
from pytest_selfopt.errors import ModelError, SettingsError
from pytest_selfopt.execution.batch_run import BatchResult, BatchRun, Questions
from pytest_selfopt.loop.evaluate import Metrics, evaluate
from pytest_selfopt.planning.capabilities import makes_calls_here, require_model
from pytest_selfopt.settings import Settings
from pytest_selfopt.specs.spec import Spec
from pytest_selfopt.swarm.gain import Gain, gain
from pytest_selfopt.swarm.pattern import parse_pattern
from pytest_selfopt.swarm.swarm import swarm_name
from pytest_selfopt.trial import Outcome

VERSION = 1
_DISPENSABLE = ("trials", "interval", "median", "restraint")
"""Columns that a narrow terminal does without, in this order."""
LOG_INTERVAL_S = 5.0


def swarm_questions(
    settings: Settings, pattern: str, tier: str, suites: Sequence[Path], *, phase: str, variant: str | None, runs: int
) -> Questions:
    """What a swarm over a tier is asked: the cases of suite files, in the manner of the phase's baseline or another.

    Raises:
        SelfoptError: when pattern, tier, suite or variant cannot be used.
    """
    name = swarm_name(parse_pattern(pattern), tier)
    settings.swarm(name)
    loaded = _suites(suites)
    for suite in loaded:
        talks = next((case.key for case in suite.cases if case.world is not None), None)
        if talks is not None:
            raise SettingsError(f"{talks} is a conversation of several turns; a swarm answers single questions")
    return Questions(specs=(_spec(settings, name, phase, variant),), suites=loaded, runs=runs)


def batch_questions(
    settings: Settings, tier: str, suites: Sequence[Path], *, phase: str, variant: str | None, runs: int
) -> tuple[Questions, list[str]]:
    """What each model of a tier is asked, and who is left out because it cannot be asked at all.

    Raises:
        SelfoptError: when tier, suite or variant cannot be used, or nobody can be asked.
    """
    notes, specs = [], []
    for model in settings.tier(tier):
        try:
            if makes_calls_here(settings):
                require_model(model)
        except ModelError as problem:
            notes.append(f"left out: {problem}")
            continue
        specs.append(_spec(settings, model.id, phase, variant))
    if not specs:
        raise ModelError(f"no model of {tier} can be asked: {'; '.join(notes)}")
    return Questions(specs=tuple(specs), suites=_suites(suites), runs=runs), notes


def _suites(paths: Sequence[Path]) -> tuple[Suite, ...]:
    return tuple(load_suite(path) for path in suite_files(paths))


def _spec(settings: Settings, model: str, phase: str, variant: str | None) -> Spec:
    usual = settings.phase(phase).baseline
    return Spec(
        model=model,
        phase=phase,
        variant=variant or usual.variant,
        timeout_s=usual.timeout_s,
        retries=usual.retries,
        sampling=usual.sampling,
    )


def survey(settings: Settings, questions: Questions, command: str) -> BatchResult:
    """Ask, and say how far it is on the other stream, which is no part of the answer.

    Raises:
        SelfoptError: when somebody or something cannot be used.
    """
    return BatchRun(settings, questions, command, progress(sys.stderr, time.monotonic)).run()


def progress(stream: TextIO, clock: Callable[[], float]) -> Callable[[int, int, int], None]:
    """What says how far a survey is, now and then; on a terminal the line is written anew."""
    began = said = clock()
    live = stream.isatty()

    def say(done: int, total: int, errors: int) -> None:
        nonlocal said
        now = clock()
        if done < total and now - said < (0.2 if live else LOG_INTERVAL_S):
            return
        said = now
        end = "\r" if live and done < total else "\n"
        most = columns_of(stream) - 1 if live else 1000
        text = describe_survey(done, total, errors, now - began, most)
        stream.write(f"{text.ljust(most) if live else text}{end}")
        stream.flush()

    return say


def describe_survey(done: int, total: int, errors: int, elapsed_s: float, most: int) -> str:
    """How far a survey is; what matters least is left out where it takes more than `most` columns, or all of it."""
    wrong = f", {errors:,} without answer" if errors else ""
    count = f"  {done:,} of {total:,} answers"
    forms = (f"{count}{wrong}, {format_duration(elapsed_s)}", f"{count}{wrong}", count, f"{done}/{total}")
    return next((form for form in forms if len(form) <= most), "")


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
