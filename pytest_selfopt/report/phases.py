"""One phase of a cycle: from its plan, its entry in the history and its trials to what a report says of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from pytest_selfopt.economy.score import score_of
from pytest_selfopt.errors import SpecError
from pytest_selfopt.loop.distributions import wilson
from pytest_selfopt.loop.evaluate import Metrics, evaluate
from pytest_selfopt.report.json_fields import (
    Entry,
    count_in,
    entries_in,
    entry_in,
    number_in,
    numbers_in,
    share_in,
    text_in,
    texts_in,
    whole_in,
    wholes_in,
)
from pytest_selfopt.report.outcome_strips import strips_of
from pytest_selfopt.report.phase_document import (
    VERDICTS,
    Diagnosis,
    Failure,
    Gate,
    Measured,
    PhaseReport,
    SpecReport,
    Try,
    Warmup,
)
from pytest_selfopt.specs.spec import parse_spec, short_difference
from pytest_selfopt.trial import Outcome, Trial

_PER = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseStory:
    """What is stored of a phase of a cycle.

    `entry` is that of the history and `plan` that of the ledger, each empty when there is none.
    """

    phase: str
    cycle: int
    status: str
    entry: Entry
    plan: Entry
    trials: tuple[Trial, ...]

    @property
    def baseline(self) -> str:
        """The spec that the cycle began with."""
        return text_in(self.entry, "baseline_before") or text_in(self.plan, "baseline")

    @property
    def in_force(self) -> str:
        """The spec that the cycle left in force."""
        return text_in(self.entry, "baseline_after") or self.baseline

    @property
    def specs(self) -> tuple[str, ...]:
        """All specs that took part, the baseline first."""
        named = [text_in(one, "spec") for one in (*entries_in(self.plan, "candidates"), *self.verdicts)]
        found = dict.fromkeys([self.baseline, *named, *(trial.spec for trial in self.trials)])
        return tuple(spec for spec in found if spec)

    @property
    def verdicts(self) -> list[Entry]:
        """The verdicts on the candidates, as the history has them."""
        return entries_in(self.entry, "verdicts")


def phase_report(story: PhaseStory, failures: tuple[tuple[Failure, ...], int]) -> PhaseReport:
    """What a report says of a phase; `failures` are those it lists, and how many it does not."""
    by_spec: dict[str, list[Trial]] = {spec: [] for spec in story.specs}
    for trial in story.trials:
        by_spec[trial.spec].append(trial)
    cases = tuple(dict.fromkeys(trial.case for trial in story.trials))
    strips, strips_left = strips_of(by_spec, story.in_force)
    winner = text_in(story.entry, "winner") or None
    following = entry_in(story.entry, "next")
    judged = [text_in(one, "verdict") for one in story.verdicts]
    return PhaseReport(
        phase=story.phase,
        cycle=story.cycle,
        status=story.status,
        proof=story.entry.get("proof") is True,
        verdict="PROMOTE" if winner else next((one for one in VERDICTS[1:] if one in judged), ""),
        sentence=text_in(story.entry, "reason"),
        takes=next((text_in(one, "takes") for one in _leading(story.verdicts) if text_in(one, "takes")), ""),
        baseline=story.baseline,
        in_force=story.in_force,
        winner=winner,
        cases=len(cases),
        runs=len({trial.run for trial in story.trials}),
        specs=_with_fronts([_spec(story, spec, by_spec[spec], cases) for spec in story.specs]),
        strips=strips,
        strips_left=strips_left,
        failures=failures[0],
        failures_left=failures[1],
        diagnoses=tuple(_diagnosis(one) for one in entries_in(story.entry, "diagnoses")),
        next=tuple(_try(one, story.in_force) for one in entries_in(following, "candidates")),
        next_left=count_in(following, "left"),
        warmups=tuple(_warmup(one) for one in entries_in(story.entry, "warmups")),
    )


def name_of(spec: str, baseline: str) -> str:
    """What a spec changes of the baseline, in short; the id itself where one of them cannot be read."""
    if spec == baseline:
        return "baseline"
    try:
        return short_difference(parse_spec(baseline), parse_spec(spec))
    except SpecError:
        return spec


def _leading(verdicts: Iterable[Entry]) -> list[Entry]:
    """The verdicts, those that are furthest ahead first."""
    return sorted(verdicts, key=lambda one: count_in(one, "broken") - count_in(one, "fixed"))


def _spec(story: PhaseStory, spec: str, trials: Sequence[Trial], cases: Sequence[str]) -> SpecReport:
    verdict = next((one for one in story.verdicts if text_in(one, "spec") == spec), None)
    stored = entry_in(entry_in(story.entry, "metrics"), spec)
    measured = _measured(evaluate(spec, trials, cases), trials) if trials else _remembered(stored) if stored else None
    in_force = spec == story.in_force
    gates = entries_in(verdict, "gates") if verdict is not None else []
    comparison = whole_in(verdict, "comparison") if verdict else None
    # Without the number of a comparison there were no odds to judge by, whatever the gate's numbers are.
    tested = [one for one in gates if text_in(one, "name") == "no_regression"] if comparison is not None else []
    return SpecReport(
        spec=spec,
        name=name_of(spec, story.baseline),
        role="baseline" if spec == story.baseline else "candidate",
        in_force=in_force,
        verdict=text_in(verdict, "verdict") if verdict else "",
        sentence=text_in(verdict, "sentence") if verdict else "",
        comparison=comparison,
        fixed=whole_in(verdict, "fixed") if verdict else None,
        broken=whole_in(verdict, "broken") if verdict else None,
        passes=whole_in(verdict, "passes") if verdict else None,
        odds=number_in(tested[0], "value") if tested else None,
        needed=number_in(tested[0], "limit") if tested else None,
        # Of what is in force without a comparison, the gates that it has to pass for itself.
        gates=tuple(map(_gate, gates or (entries_in(story.entry, "gates") if in_force else []))),
        measured=measured,
        front_by_cost=False,
        front_by_latency=False,
    )


def _gate(entry: Entry) -> Gate:
    return Gate(
        name=text_in(entry, "name"),
        passed=entry.get("passed") is True,
        asks=text_in(entry, "asks"),
        value=number_in(entry, "value"),
        limit=number_in(entry, "limit"),
        sentence=text_in(entry, "sentence"),
    )


def _measured(metrics: Metrics, trials: Sequence[Trial]) -> Measured:
    counts: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
    for trial in trials:
        counts[trial.case][0] += trial.outcome is Outcome.PASS
        counts[trial.case][1] += 1
    score = score_of((case, passes, number) for case, (passes, number) in counts.items())
    answers = metrics.passes + metrics.misses
    cost = metrics.cost_usd
    return Measured(
        trials=metrics.trials,
        cases=len(counts),
        passes=metrics.passes,
        misses=metrics.misses,
        errors=metrics.errors,
        accuracy=metrics.accuracy,
        low=score.low,
        high=score.high,
        run_accuracies=metrics.run_accuracies,
        restraint=metrics.restraint,
        restraint_trials=metrics.restraint_trials,
        errors_by_kind=dict(metrics.errors_by_kind),
        latency_median_s=metrics.latency_median_s,
        latency_p95_s=metrics.latency_p95_s,
        tokens_in=metrics.tokens_in,
        tokens_out=metrics.tokens_out,
        cost_usd=cost,
        cost_of_1000_usd=cost / answers * _PER if cost is not None and answers else None,
    )


def _remembered(entry: Entry) -> Measured:
    """The numbers that the history has of a spec whose trials are not in the ledger any more."""
    trials, accuracy = count_in(entry, "trials"), share_in(entry, "accuracy") or 0.0
    kinds = {name: count_in(entry_in(entry, "errors_by_kind"), name) for name in entry_in(entry, "errors_by_kind")}
    errors, passes = min(trials, sum(kinds.values())), round(accuracy * trials)
    low, high = wilson(passes, trials) if trials else (0.0, 1.0)
    cost = number_in(entry, "cost_usd")
    return Measured(
        trials=trials,
        cases=0,
        passes=passes,
        misses=max(0, trials - passes - errors),
        errors=errors,
        accuracy=accuracy,
        low=low,
        high=high,
        run_accuracies=numbers_in(entry, "run_accuracies"),
        restraint=number_in(entry, "restraint"),
        restraint_trials=0,
        errors_by_kind=kinds,
        latency_median_s=number_in(entry, "latency_median_s"),
        latency_p95_s=number_in(entry, "latency_p95_s"),
        tokens_in=whole_in(entry, "tokens_in"),
        tokens_out=whole_in(entry, "tokens_out"),
        cost_usd=cost,
        cost_of_1000_usd=cost / (trials - errors) * _PER if cost is not None and trials > errors else None,
    )


def _with_fronts(specs: Sequence[SpecReport]) -> tuple[SpecReport, ...]:
    """The specs with those marked that no other one beats; what is unknown is on no front, and beats nobody."""
    return tuple(
        replace(
            spec,
            front_by_cost=_on_front(spec, specs, "cost_of_1000_usd"),
            front_by_latency=_on_front(spec, specs, "latency_median_s"),
        )
        for spec in specs
    )


def _on_front(spec: SpecReport, specs: Sequence[SpecReport], by: str) -> bool:
    points = {one.spec: (one.measured.accuracy, getattr(one.measured, by)) for one in specs if one.measured}
    known: Mapping[str, tuple[float, float]] = {name: at for name, at in points.items() if at[1] is not None}
    if spec.spec not in known:
        return False
    accuracy, value = known[spec.spec]
    return not any(
        other >= accuracy and theirs <= value and (other > accuracy or theirs < value)
        for other, theirs in known.values()
    )


def _diagnosis(entry: Entry) -> Diagnosis:
    return Diagnosis(
        kind=text_in(entry, "kind"),
        sentence=text_in(entry, "sentence"),
        chance=number_in(entry, "chance"),
        trials=count_in(entry, "trials"),
        cases=texts_in(entry, "cases"),
        runs=wholes_in(entry, "runs"),
    )


def _try(entry: Entry, in_force: str) -> Try:
    spec = text_in(entry, "spec")
    return Try(spec=spec, change=name_of(spec, in_force), why=text_in(entry, "why"))


def _warmup(entry: Entry) -> Warmup:
    return Warmup(
        spec=text_in(entry, "spec"),
        answered=entry.get("answered") is True,
        latency_s=number_in(entry, "latency_s"),
        error=text_in(entry, "error"),
    )
