"""The report on one phase of a cycle, from its plan, its entry in the history and its trials."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pytest_selfopt.bench.expected_failure import ExpectedFailure
from pytest_selfopt.console.verdict_text import describe_not_chosen, shown_verdict
from pytest_selfopt.economy.score import CaseAnswers, score_of
from pytest_selfopt.errors import SpecError
from pytest_selfopt.loop.distributions import wilson
from pytest_selfopt.loop.evaluate import Metrics, evaluate
from pytest_selfopt.loop.evidence.copies import originals
from pytest_selfopt.report.json_fields import (
    NOTHING,
    Entry,
    count_in,
    counts_in,
    entries_in,
    entry_in,
    first_text_in,
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
    Role,
    SpecReport,
    Try,
    Warmup,
    best_verdict,
    with_fronts,
)
from pytest_selfopt.specs.spec import parse_spec, short_difference
from pytest_selfopt.trial import Outcome, Trial

_PER = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseStory:
    """The stored data on a phase of a cycle.

    `entry` is from the history and `plan` from the ledger; each is empty if there is none.
    """

    phase: str
    cycle: int
    status: str
    entry: Entry
    plan: Entry
    trials: tuple[Trial, ...]
    expected_failures: tuple[ExpectedFailure, ...] = ()
    in_force_now: str | None = None
    taken_back: str = ""

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
        candidates = entries_in(self.plan, "candidates")
        specs = dict.fromkeys([self.baseline])
        for entry in (*candidates, *self.verdicts):
            specs[text_in(entry, "spec")] = None
        for trial in self.trials:
            specs[trial.spec] = None
        return tuple(filter(None, specs))

    @property
    def verdicts(self) -> list[Entry]:
        """The verdicts on the candidates in the history."""
        return entries_in(self.entry, "verdicts")


def phase_report(story: PhaseStory, failures: tuple[tuple[Failure, ...], int]) -> PhaseReport:
    """Build the report on a phase; `failures` are the listed ones, and the number of the others."""
    by_spec = _trials_by_spec(story)
    cases = tuple(dict.fromkeys(trial.case for trial in story.trials))
    strips, strips_left = strips_of(by_spec, story.in_force)
    winner = text_in(story.entry, "winner") or None
    following = entry_in(story.entry, "next")
    tries = []
    for candidate in entries_in(following, "candidates"):
        attempt = _try(candidate, story.in_force)
        tries.append(attempt)
    return PhaseReport(
        phase=story.phase,
        cycle=story.cycle,
        status=text_in(story.entry, "status") or story.status,
        proof=story.entry.get("proof") is True,
        verdict=verdict_of(winner, story.verdicts),
        sentence=text_in(story.entry, "reason"),
        takes=first_text_in(_furthest_first(story.verdicts), "takes"),
        baseline=story.baseline,
        in_force=story.in_force,
        winner=winner,
        in_force_now=story.in_force_now,
        taken_back=story.taken_back,
        cases=len(cases),
        runs=len({trial.run for trial in story.trials}),
        specs=with_fronts(_spec_reports(story, by_spec, cases)),
        strips=strips,
        strips_left=strips_left,
        failures=failures[0],
        failures_left=failures[1],
        expected_failures=story.expected_failures,
        diagnoses=tuple(map(_diagnosis, entries_in(story.entry, "diagnoses"))),
        next=tuple(tries),
        next_left=count_in(following, "left"),
        next_unneeded=count_in(following, "unneeded"),
        warmups=tuple(map(_warmup, entries_in(story.entry, "warmups"))),
    )


def verdict_of(winner: str | None, verdicts: Iterable[Entry]) -> str:
    """Return PROMOTE if there is a winner, else the best verdict on a candidate; empty without verdicts."""
    if winner:
        return VERDICTS[0]
    judged = {text_in(verdict, "verdict") for verdict in verdicts}
    if VERDICTS[0] in judged:
        # A candidate that deserved PROMOTE was not promoted where nothing won.
        return VERDICTS[1]
    return best_verdict(judged)


def sentence_on(verdict: Entry, entry: Entry) -> str:
    """Return the sentence of a verdict in a phase's entry; of one that was not chosen, how the winner did beside it."""
    sentence, winner = text_in(verdict, "sentence"), text_in(entry, "winner")
    spec, judged = text_in(verdict, "spec"), text_in(verdict, "verdict")
    if judged != VERDICTS[0] or spec == winner:
        return sentence
    grounds = sentence.removeprefix(f"{judged} {text_in(entry, 'phase')}: ")
    return f"{describe_not_chosen(beside_winner(spec, entry))}; {grounds}"


def beside_winner(spec: str, entry: Entry) -> str | None:
    """Return how the winner of a phase did beside a candidate that passed; None if nothing won."""
    if not text_in(entry, "winner"):
        return None
    other = _named(entries_in(entry, "passed_over"), "spec", spec)
    # Histories of older versions compare the winner with the baseline only.
    return text_in(other, "sentence") or "it was not compared with the winner"


def name_of(spec: str, baseline: str) -> str:
    """Describe in short what a spec changes of the baseline; return its id if one of the two does not parse."""
    if spec == baseline:
        return "baseline"
    try:
        return short_difference(parse_spec(baseline), parse_spec(spec))
    except SpecError:
        return spec


def _trials_by_spec(story: PhaseStory) -> dict[str, list[Trial]]:
    trials: dict[str, list[Trial]] = {spec: [] for spec in story.specs}
    for trial in story.trials:
        trials[trial.spec].append(trial)
    return trials


def _furthest_first(verdicts: Iterable[Entry]) -> list[Entry]:
    """Sort verdicts, the furthest ahead first."""
    return sorted(verdicts, key=_lag)


def _lag(verdict: Entry) -> int:
    """Return how many more answers a candidate broke than it fixed."""
    return count_in(verdict, "broken") - count_in(verdict, "fixed")


def _spec_reports(story: PhaseStory, by_spec: Mapping[str, Sequence[Trial]], cases: Sequence[str]) -> list[SpecReport]:
    reports = []
    for spec, trials in by_spec.items():
        measured = _numbers(story, spec, trials, cases)
        reports.append(_spec(story, spec, measured))
    return reports


def _numbers(story: PhaseStory, spec: str, trials: Sequence[Trial], cases: Sequence[str]) -> Measured | None:
    """Return the numbers of a spec from its trials, or else from the history; None if neither has any."""
    if trials:
        return _measured(evaluate(spec, trials, cases), trials)
    stored = entry_in(entry_in(story.entry, "metrics"), spec)
    if not stored:
        return None
    return _measured_in_history(stored)


def _spec(story: PhaseStory, spec: str, measured: Measured | None) -> SpecReport:
    verdict = _named(story.verdicts, "spec", spec)
    comparison = whole_in(verdict, "comparison")
    gates = entries_in(verdict, "gates")
    # Without a comparison's number the spec was not judged by odds, whatever the gate's numbers are.
    tested = NOTHING
    if comparison is not None:
        tested = _named(gates, "name", "no_regression")
    in_force = spec == story.in_force
    # A spec in force without a comparison has only the gates that need no baseline.
    if in_force and not gates:
        gates = entries_in(story.entry, "gates")
    return SpecReport(
        spec=spec,
        name=name_of(spec, story.baseline),
        role=_role(spec, story.baseline),
        in_force=in_force,
        verdict=shown_verdict(text_in(verdict, "verdict"), chosen=spec == text_in(story.entry, "winner")),
        sentence=sentence_on(verdict, story.entry),
        comparison=comparison,
        fixed=whole_in(verdict, "fixed"),
        broken=whole_in(verdict, "broken"),
        passes=whole_in(verdict, "passes"),
        prompts=whole_in(verdict, "prompts"),
        prompts_up=whole_in(verdict, "prompts_up"),
        prompts_down=whole_in(verdict, "prompts_down"),
        claim=text_in(verdict, "claim"),
        odds=number_in(tested, "value"),
        needed=number_in(tested, "limit"),
        gates=tuple(map(_gate, gates)),
        measured=measured,
        front_by_cost=False,
        front_by_latency=False,
    )


def _role(spec: str, baseline: str) -> Role:
    if spec == baseline:
        return "baseline"
    return "candidate"


def _named(entries: Iterable[Entry], field: str, name: str) -> Entry:
    """Return the first entry with this text in a field; an empty one if there is none."""
    for entry in entries:
        if text_in(entry, field) == name:
            return entry
    return NOTHING


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
    answered = (trial for trial in originals(trials) if trial.outcome is not Outcome.ERROR)
    score = score_of(map(_answers, answered))
    return Measured(
        trials=metrics.trials,
        cases=len({trial.case for trial in trials}),
        passes=metrics.passes,
        misses=metrics.misses,
        errors=metrics.errors,
        accuracy=metrics.known_accuracy,
        weighted=metrics.weighted is not None,
        low=score.low,
        high=score.high,
        run_accuracies=metrics.run_accuracies,
        restraint=metrics.restraint,
        restraint_trials=metrics.restraint_trials,
        errors_by_kind=dict(metrics.errors_by_kind),
        unusual_ends=dict(metrics.unusual_ends),
        latency_median_s=metrics.latency_median_s,
        latency_p95_s=metrics.latency_p95_s,
        tokens_in=metrics.tokens_in,
        tokens_out=metrics.tokens_out,
        cost_usd=metrics.cost_usd,
        cost_of_1000_usd=metrics.cost_of_1000_usd,
    )


def _answers(trial: Trial) -> CaseAnswers:
    return CaseAnswers(trial.case, int(trial.outcome is Outcome.PASS), 1, trial.weight)


def _cost_of_1000(cost: float | None, answers: int) -> float | None:
    """Return the cost of a thousand answers in USD, from that of `answers`."""
    if cost is None or not answers:
        return None
    return cost / answers * _PER


def passes_in_history(entry: Entry) -> int:
    """Return the history's number of right answers of a spec, of its accuracy if the number is missing."""
    passes = whole_in(entry, "passes")
    if passes is None:
        return round((share_in(entry, "accuracy") or 0.0) * answers_in_history(entry))
    return passes


def answers_in_history(entry: Entry) -> int:
    """Return the history's number of answers of a spec, right or wrong."""
    errors = sum(counts_in(entry, "errors_by_kind").values())
    return max(0, count_in(entry, "trials") - errors)


def _measured_in_history(entry: Entry) -> Measured:
    """Return the history's numbers of a spec whose trials are no longer in the ledger."""
    trials, answers = count_in(entry, "trials"), answers_in_history(entry)
    passes = passes_in_history(entry)
    low, high = 0.0, 1.0
    weighted = numbers_in(entry, "accuracy_interval")
    if len(weighted) == len((low, high)):
        low, high = weighted
    elif answers:
        low, high = wilson(passes, answers)
    cost = number_in(entry, "cost_usd")
    return Measured(
        trials=trials,
        cases=0,
        passes=passes,
        misses=max(0, answers - passes),
        errors=trials - answers,
        accuracy=share_in(entry, "accuracy"),
        weighted=bool(weighted),
        low=low,
        high=high,
        run_accuracies=numbers_in(entry, "run_accuracies"),
        restraint=number_in(entry, "restraint"),
        restraint_trials=0,
        errors_by_kind=counts_in(entry, "errors_by_kind"),
        unusual_ends=counts_in(entry, "unusual_ends"),
        latency_median_s=number_in(entry, "latency_median_s"),
        latency_p95_s=number_in(entry, "latency_p95_s"),
        tokens_in=whole_in(entry, "tokens_in"),
        tokens_out=whole_in(entry, "tokens_out"),
        cost_usd=cost,
        cost_of_1000_usd=_cost_of_1000(cost, answers),
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
