"""Construction of reports from ledger, history, decisions log and routing configuration."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from pytest_selfopt.bench.describe import answered
from pytest_selfopt.bench.expected_failure import ExpectedFailure
from pytest_selfopt.errors import NothingRecordedError, StateError
from pytest_selfopt.ledger.aggregates import read_cases
from pytest_selfopt.ledger.ledger import Ledger
from pytest_selfopt.ledger.records import CycleTotals
from pytest_selfopt.loop.evidence.odds import bar
from pytest_selfopt.planning.in_force import in_force_now
from pytest_selfopt.report.curve import Counts, by_address, curve_of, cycle_lines, in_force_in
from pytest_selfopt.report.document import VERSION, Budget, Kind, Report, Spent, to_json
from pytest_selfopt.report.failures import HotCase, failure_of, hot_cases
from pytest_selfopt.report.headline import Headline, headline_of_cycle, headline_of_history
from pytest_selfopt.report.json_fields import NOTHING, Entry, entry_in, first_text_in, number_in, text_in, whole_in
from pytest_selfopt.report.phase_document import Failure, PhaseReport
from pytest_selfopt.report.phases import PhaseStory, phase_report
from pytest_selfopt.report.rules import events_of, promotions_taken_back, rule_reports
from pytest_selfopt.routing.atomic_files import timestamp
from pytest_selfopt.routing.config import RoutingConfig, read_config
from pytest_selfopt.routing.decisions import read_decisions
from pytest_selfopt.routing.history import DECISIONS, HISTORY, read_history
from pytest_selfopt.settings import Settings
from pytest_selfopt.trial import Outcome, Trial

MOST_EVENTS = 200
"""The decisions in the report over all cycles; the log has all of them."""
_NO_TOTALS = CycleTotals(trials=0, calls=0, tokens=0, known_cost_usd=0.0, unpriced=0, seconds=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportInputs:
    """The sources of a report; `ledger` is None if it no longer exists."""

    settings: Settings
    ledger: Ledger | None
    cycles: Mapping[int, Entry]
    """The cycles of the ledger by number, without surveys."""
    surveys: frozenset[int]
    history: tuple[Entry, ...]
    decisions: tuple[Entry, ...]
    routing: RoutingConfig
    taken_back: Mapping[tuple[int, str], str]
    """When promotions were rolled back by hand, by cycle and phase."""
    counts: Counts
    phases: dict[tuple[int, str], PhaseReport] = field(default_factory=dict)
    """The phase reports built so far, by cycle and phase: the last ones are in two reports."""


def build_reports(settings: Settings, cycles: Sequence[int | None], *, now: str) -> list[Report]:
    """Build the reports on cycles and over all cycles (None), as of `now` (ISO 8601, UTC).

    Raises:
        StateError: if nothing was recorded of a cycle, or a file cannot be used.
    """
    path = settings.ledger_path
    with ExitStack() as held:
        ledger = None
        if path.exists():
            ledger = held.enter_context(Ledger(path))
        stored = _read_inputs(settings, ledger, path)
        if not stored.cycles and not stored.history:
            raise NothingRecordedError("history", settings.state_dir)
        reports = []
        for cycle in cycles:
            report = _build_report(stored, cycle, now)
            reports.append(report)
        return reports


def _read_inputs(settings: Settings, ledger: Ledger | None, path: Path) -> ReportInputs:
    cycles: dict[int, Entry] = {}
    surveys = set()
    if ledger is not None:
        for row in ledger.cycles():
            if "survey" in row["plan"]:
                surveys.add(row["id"])
            else:
                cycles[row["id"]] = row
    history = tuple(read_history(settings.state_dir / HISTORY))
    decisions = tuple(read_decisions(settings.state_dir / DECISIONS))
    counts: Counts = {}
    if ledger is not None:
        counts = by_address(read_cases(path, in_force_in(history)))
    return ReportInputs(
        settings=settings,
        ledger=ledger,
        cycles=cycles,
        surveys=frozenset(surveys),
        history=history,
        decisions=decisions,
        routing=read_config(settings.routing_path),
        taken_back=promotions_taken_back(decisions),
        counts=counts,
    )


def _build_report(stored: ReportInputs, cycle: int | None, now: str) -> Report:
    if cycle is None:
        return _report_on_all(stored, now)
    return _report_on(stored, cycle, now)


def _report_on(stored: ReportInputs, cycle: int, now: str) -> Report:
    _require_cycle(stored, cycle)
    phases = tuple(_phases(stored, cycle))
    status = _status(stored, cycle)
    row = stored.cycles.get(cycle, NOTHING)
    entries = _entries(stored, cycle)
    headline = headline_of_cycle(cycle, status, phases)
    return _report(
        stored,
        kind="cycle",
        cycle=cycle,
        now=now,
        phases=phases,
        until=cycle,
        status=status,
        started=_moment(row, "started") or first_text_in(entries, "started"),
        ended=_moment(row, "ended") or first_text_in(entries, "ended"),
        headline=headline,
        decisions=_of_cycle(stored.decisions, cycle),
        totals=_totals(stored, cycle),
    )


def _require_cycle(stored: ReportInputs, cycle: int) -> None:
    if cycle in stored.surveys:
        raise StateError(f"cycle {cycle} is a survey, which decides nothing; selfopt profile shows what it measured")
    known = set(stored.cycles)
    for entry in stored.history:
        number = whole_in(entry, "cycle")
        if number:
            known.add(number)
    if cycle not in known:
        numbers = ", ".join(map(str, sorted(known)))
        raise StateError(f"cycle {cycle} is not in the history; available: {numbers}")


def _report_on_all(stored: ReportInputs, now: str) -> Report:
    decided = [entry for entry in stored.history if text_in(entry, "status") != "stopped"]
    last = _last_cycles(decided)
    phases = tuple(_phase(stored, number, phase) for phase, number in last.items())
    status = "undecided"
    if phases:
        status = "decided"
    return _report(
        stored,
        kind="history",
        cycle=max({*stored.cycles, *last.values()}, default=None),
        now=now,
        phases=phases,
        until=None,
        status=status,
        started=min(_moments(stored, decided, "started"), default=""),
        ended=max(_moments(stored, decided, "ended"), default=""),
        headline=headline_of_history(cycle_lines(stored.history, stored.taken_back), phases),
        decisions=stored.decisions[-MOST_EVENTS:],
        totals=_totals(stored, None),
    )


def _last_cycles(entries: Iterable[Entry]) -> dict[str, int]:
    """Return the number of the last cycle of each phase."""
    last: dict[str, int] = {}
    for entry in entries:
        phase = text_in(entry, "phase")
        number = whole_in(entry, "cycle")
        if phase and number is not None:
            last[phase] = number
    return last


def _moments(stored: ReportInputs, decided: Iterable[Entry], name: str) -> Iterator[str]:
    """Yield the known times at which the cycles of the ledger, or else of the history, started or ended (`name`)."""
    if stored.cycles:
        moments = [_moment(row, name) for row in stored.cycles.values()]
    else:
        moments = [text_in(entry, name) for entry in decided]
    return filter(None, moments)


def _totals(stored: ReportInputs, cycle: int | None) -> CycleTotals:
    if stored.ledger is None:
        return _NO_TOTALS
    return stored.ledger.totals(cycle)


def _report(
    stored: ReportInputs,
    *,
    kind: Kind,
    cycle: int | None,
    now: str,
    until: int | None,
    decisions: Sequence[Entry],
    totals: CycleTotals,
    phases: tuple[PhaseReport, ...],
    headline: Headline,
    status: str,
    started: str,
    ended: str,
) -> Report:
    """Build the parts that both kinds of report have; those over cycles end with cycle `until`."""
    history: Sequence[Entry] = stored.history
    if until is not None:
        history = [entry for entry in history if (whole_in(entry, "cycle") or 0) <= until]
    return Report(
        version=VERSION,
        kind=kind,
        project=stored.settings.folder.name,
        product=f"pytest-selfopt {metadata.version('pytest-selfopt')}",
        generated=now,
        cycle=cycle,
        started=started,
        ended=ended,
        status=status,
        verdict=headline.verdict,
        headline=headline.headline,
        why=headline.why,
        takes=headline.takes,
        phases=phases,
        spent=_spent(totals),
        cycles=cycle_lines(history, stored.taken_back),
        curve=curve_of(history, stored.counts, stored.decisions),
        rules=rule_reports(stored.routing.rules, events_of(stored.decisions)),
        events=events_of(decisions),
        budget=_budget(stored),
    )


def _spent(totals: CycleTotals) -> Spent:
    return Spent(
        calls=totals.calls,
        trials=totals.trials,
        seconds=totals.seconds,
        tokens=totals.tokens,
        known_cost_usd=totals.known_cost_usd,
        unpriced=totals.unpriced,
    )


def _phases(stored: ReportInputs, cycle: int) -> Iterator[PhaseReport]:
    plan = entry_in(stored.cycles.get(cycle, NOTHING), "plan")
    phases = dict.fromkeys(plan)
    for entry in _entries(stored, cycle):
        phases[text_in(entry, "phase")] = None
    for phase in phases:
        yield _phase(stored, cycle, phase)


def _phase(stored: ReportInputs, cycle: int, phase: str) -> PhaseReport:
    if (cycle, phase) not in stored.phases:
        stored.phases[cycle, phase] = _read_phase(stored, cycle, phase)
    return stored.phases[cycle, phase]


def _read_phase(stored: ReportInputs, cycle: int, phase: str) -> PhaseReport:
    trials: Sequence[Trial] = ()
    if stored.ledger is not None:
        trials = stored.ledger.trials([cycle], phase)[cycle]
    plans = entry_in(stored.cycles.get(cycle, NOTHING), "plan")
    plan = entry_in(plans, phase)
    story = PhaseStory(
        phase=phase,
        cycle=cycle,
        status=_status(stored, cycle),
        entry=_entry_of_phase(_entries(stored, cycle), phase),
        plan=plan,
        trials=tuple(trials),
        expected_failures=tuple(_expected_failures(stored.ledger, cycle, phase, plan)),
        in_force_now=in_force_now(stored.settings, stored.routing, phase),
        taken_back=stored.taken_back.get((cycle, phase), ""),
    )
    hot, left = hot_cases(trial for trial in trials if trial.spec == story.in_force)
    return phase_report(story, (_failures(stored, story, hot), left))


def _expected_failures(ledger: Ledger | None, cycle: int, phase: str, plan: Entry) -> Iterator[ExpectedFailure]:
    """Yield what came of the cases that were expected to fail."""
    if ledger is None:
        return
    reasons = entry_in(plan, "expected_failures")
    for case, (passes, trials) in ledger.expected_failures(cycle, phase).items():
        yield ExpectedFailure(case=case, reason=text_in(reasons, case), passes=passes, trials=trials)


def _entry_of_phase(entries: Iterable[Entry], phase: str) -> Entry:
    for entry in entries:
        if text_in(entry, "phase") == phase:
            return entry
    return NOTHING


def _failures(stored: ReportInputs, story: PhaseStory, hot: Sequence[HotCase]) -> tuple[Failure, ...]:
    """Return the hot cases with their texts; only their replies are read, as replies are most of a ledger."""
    if stored.ledger is None or not hot:
        return ()
    questions = stored.ledger.questions([case.last.case_hash for case in hot])
    answers = _last_answers(stored.ledger, story, hot)
    failures = []
    for case in hot:
        question = questions.get(case.last.case_hash)
        prompt = expected = ""
        if question is not None:
            prompt, expected = question.prompt, question.expected
        got = answers.get(case.case, "")
        failures.append(failure_of(case, prompt=prompt, expected=expected, got=got))
    return tuple(failures)


def _last_answers(ledger: Ledger, story: PhaseStory, hot: Sequence[HotCase]) -> dict[str, str]:
    """Return the wrong answer in the last failed trial of each hot case, by case."""
    wanted = {(case.case, case.last.run) for case in hot}
    answers = {}
    calls = ledger.each_judged_call(story.cycle, story.phase, story.in_force)
    for trial, result in calls:
        missed = trial.outcome is Outcome.MISS
        if missed and (trial.case, trial.run) in wanted and result.reply is not None:
            answers[trial.case] = answered(result.reply)
    return answers


def _budget(stored: ReportInputs) -> Budget | None:
    if stored.ledger is None:
        return None
    alpha = stored.settings.default_limits.alpha
    comparisons = stored.ledger.comparisons()
    shares = [comparison.share for comparison in comparisons if comparison.test is not None]
    following = len(shares) + 1
    return Budget(
        comparisons=len(shares),
        spent=sum(shares),
        alpha=float(alpha),
        next_odds=float(bar(following, alpha)),
    )


def _entries(stored: ReportInputs, cycle: int) -> list[Entry]:
    return _of_cycle(stored.history, cycle)


def _of_cycle(entries: Iterable[Entry], cycle: int) -> list[Entry]:
    return [entry for entry in entries if whole_in(entry, "cycle") == cycle]


def _status(stored: ReportInputs, cycle: int) -> str:
    row = stored.cycles.get(cycle)
    if row is not None:
        return str(row["status"])
    return first_text_in(_entries(stored, cycle), "status") or "decided"


def _moment(row: Entry, name: str) -> str:
    seconds = number_in(row, name)
    if seconds is None:
        return ""
    return timestamp(seconds)


def as_json(report: Report) -> str:
    """Return the report as JSON in the form of `report/report.schema.json`."""
    text = json.dumps(to_json(report), indent=1, ensure_ascii=True, allow_nan=False)
    return f"{text}\n"
