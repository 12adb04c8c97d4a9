"""Reports: what ledger, history, log and routing configuration hold, put together, and written for people."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any

from pytest_selfopt.bench.describe import answered
from pytest_selfopt.errors import StateError
from pytest_selfopt.ledger.aggregates import read_cases
from pytest_selfopt.ledger.ledger import Ledger
from pytest_selfopt.ledger.records import Totals
from pytest_selfopt.loop.evidence import bar
from pytest_selfopt.report.curve import Counts, by_address, curve_of, cycle_lines, in_force_in
from pytest_selfopt.report.document import VERSION, Budget, Kind, Report, Spent, to_json
from pytest_selfopt.report.failures import HotCase, failure_of, hot_cases
from pytest_selfopt.report.headline import headline_of_cycle, headline_of_history
from pytest_selfopt.report.json_fields import NOTHING, Entry, entry_in, number_in, text_in, whole_in
from pytest_selfopt.report.phase_document import Failure, PhaseReport
from pytest_selfopt.report.phases import PhaseStory, phase_report
from pytest_selfopt.report.rules import events_of, rule_reports
from pytest_selfopt.routing.atomic_files import timestamp
from pytest_selfopt.routing.config import read_config
from pytest_selfopt.routing.decisions import read_decisions
from pytest_selfopt.routing.history import DECISIONS, HISTORY, read_history
from pytest_selfopt.settings import Settings
from pytest_selfopt.trial import Outcome

MOST_EVENTS = 200
"""Decisions that the report over all cycles lists; the log has all of them."""
_NO_TOTALS = Totals(trials=0, calls=0, tokens=0, known_cost_usd=0.0, unpriced=0, seconds=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportInputs:
    """Everything that a report is made of; `ledger` is None where there is none any more."""

    settings: Settings
    ledger: Ledger | None
    cycles: Mapping[int, Entry]
    """Of the ledger, by number; surveys are none."""
    surveys: frozenset[int]
    history: tuple[Entry, ...]
    decisions: tuple[Entry, ...]
    counts: Counts
    phases: dict[tuple[int, str], PhaseReport] = field(default_factory=dict)
    """Those that were put together already, by cycle and phase: the last ones are in two reports."""


def build_reports(settings: Settings, cycles: Sequence[int | None], *, now: str) -> list[Report]:
    """The reports on cycles, and over all of them (None), as of `now` (ISO 8601, UTC).

    Raises:
        StateError: when nothing was recorded of one, or a file cannot be used.
    """
    path = settings.state_dir / "ledger.sqlite"
    with ExitStack() as held:
        ledger = held.enter_context(Ledger(path)) if path.exists() else None
        rows = {row["id"]: row for row in ledger.cycles()} if ledger is not None else {}
        surveys = frozenset(number for number, row in rows.items() if "survey" in row["plan"])
        history = tuple(read_history(settings.state_dir / HISTORY))
        stored = ReportInputs(
            settings=settings,
            ledger=ledger,
            cycles={number: row for number, row in rows.items() if number not in surveys},
            surveys=surveys,
            history=history,
            decisions=tuple(read_decisions(settings.state_dir / DECISIONS)),
            counts=by_address(read_cases(path, in_force_in(history))) if ledger is not None else {},
        )
        if not stored.cycles and not stored.history:
            raise StateError(f"there is no history in {settings.state_dir}; run pytest with --selfopt-cycle first")
        return [_report_on(stored, one, now) if one is not None else _report_on_all(stored, now) for one in cycles]


def _report_on(stored: ReportInputs, cycle: int, now: str) -> Report:
    if cycle in stored.surveys:
        raise StateError(f"cycle {cycle} is a survey, which decides nothing; selfopt profile tells what it measured")
    known = sorted({*stored.cycles, *(number for one in stored.history if (number := whole_in(one, "cycle")))})
    if cycle not in known:
        raise StateError(f"cycle {cycle} is not in the history; known are {', '.join(map(str, known))}")
    phases = tuple(_phases(stored, cycle))
    status = _status(stored, cycle)
    row = stored.cycles.get(cycle, NOTHING)
    entries = _entries(stored, cycle)
    told = headline_of_cycle(cycle, status, phases)
    return _report(
        stored,
        kind="cycle",
        cycle=cycle,
        now=now,
        phases=phases,
        until=cycle,
        status=status,
        started=_moment(row, "started") or _first(entries, "started"),
        ended=_moment(row, "ended") or _first(entries, "ended"),
        verdict=told.verdict,
        headline=told.headline,
        why=told.why,
        takes=told.takes,
        decisions=[one for one in stored.decisions if whole_in(one, "cycle") == cycle],
        totals=stored.ledger.totals(cycle) if stored.ledger is not None else _NO_TOTALS,
    )


def _report_on_all(stored: ReportInputs, now: str) -> Report:
    decided = [entry for entry in stored.history if text_in(entry, "status") != "stopped"]
    last: dict[str, int] = {}
    for entry in decided:
        phase, number = text_in(entry, "phase"), whole_in(entry, "cycle")
        if phase and number is not None:
            last[phase] = number
    phases = tuple(_phase(stored, number, phase) for phase, number in last.items())
    numbers = sorted({*stored.cycles, *last.values()})
    told = headline_of_history(cycle_lines(stored.history), phases)
    ends = [_moment(row, "ended") for row in stored.cycles.values()] or [text_in(one, "ended") for one in decided]
    starts = [_moment(row, "started") for row in stored.cycles.values()] or [text_in(one, "started") for one in decided]
    return _report(
        stored,
        kind="history",
        cycle=numbers[-1] if numbers else None,
        now=now,
        phases=phases,
        until=None,
        status="decided" if phases else "undecided",
        started=min(filter(None, starts), default=""),
        ended=max(filter(None, ends), default=""),
        verdict=told.verdict,
        headline=told.headline,
        why=told.why,
        takes=told.takes,
        decisions=stored.decisions[-MOST_EVENTS:],
        totals=stored.ledger.totals() if stored.ledger is not None else _NO_TOTALS,
    )


def _report(
    stored: ReportInputs,
    *,
    kind: Kind,
    cycle: int | None,
    now: str,
    until: int | None,
    decisions: Sequence[Entry],
    totals: Totals,
    phases: tuple[PhaseReport, ...],
    **told: Any,
) -> Report:
    """The parts that both kinds of report have; what is over cycles goes no further than `until`."""
    history = [one for one in stored.history if until is None or (whole_in(one, "cycle") or 0) <= until]
    events = events_of(stored.decisions)
    return Report(
        version=VERSION,
        kind=kind,
        project=stored.settings.rootdir.name,
        product=f"pytest-selfopt {metadata.version('pytest-selfopt')}",
        generated=now,
        cycle=cycle,
        phases=phases,
        spent=Spent(
            calls=totals.calls,
            trials=totals.trials,
            seconds=totals.seconds,
            tokens=totals.tokens,
            known_cost_usd=totals.known_cost_usd,
            unpriced=totals.unpriced,
        ),
        cycles=cycle_lines(history),
        curve=curve_of(history, stored.counts, stored.decisions),
        rules=rule_reports(read_config(stored.settings.routing_path).rules, events),
        events=events_of(decisions),
        budget=_budget(stored),
        **told,
    )


def _phases(stored: ReportInputs, cycle: int) -> Iterator[PhaseReport]:
    plan = entry_in(stored.cycles.get(cycle, NOTHING), "plan")
    for phase in dict.fromkeys([*plan, *(text_in(one, "phase") for one in _entries(stored, cycle))]):
        yield _phase(stored, cycle, phase)


def _phase(stored: ReportInputs, cycle: int, phase: str) -> PhaseReport:
    if (cycle, phase) not in stored.phases:
        stored.phases[cycle, phase] = _read_phase(stored, cycle, phase)
    return stored.phases[cycle, phase]


def _read_phase(stored: ReportInputs, cycle: int, phase: str) -> PhaseReport:
    trials = stored.ledger.trials([cycle], phase)[cycle] if stored.ledger is not None else ()
    entry = next((one for one in _entries(stored, cycle) if text_in(one, "phase") == phase), NOTHING)
    story = PhaseStory(
        phase=phase,
        cycle=cycle,
        status=_status(stored, cycle),
        entry=entry,
        plan=entry_in(entry_in(stored.cycles.get(cycle, NOTHING), "plan"), phase),
        trials=trials,
    )
    hot, left = hot_cases(trial for trial in trials if trial.spec == story.in_force)
    return phase_report(story, (_failures(stored, story, hot), left))


def _failures(stored: ReportInputs, story: PhaseStory, hot: Sequence[HotCase]) -> tuple[Failure, ...]:
    """The hot cases with their texts; only these replies are read, which are most of a ledger."""
    if stored.ledger is None or not hot:
        return ()
    questions = stored.ledger.questions([one.last.case_hash for one in hot])
    wanted = {(one.case, one.last.run) for one in hot}
    got = {
        trial.case: answered(result.reply)
        for trial, result in stored.ledger.each_judged_call(story.cycle, story.phase, story.in_force)
        if (trial.case, trial.run) in wanted and result.reply is not None and trial.outcome is Outcome.MISS
    }
    found = []
    for one in hot:
        question = questions.get(one.last.case_hash)
        prompt, expected = (question.prompt, question.expected) if question is not None else ("", "")
        found.append(failure_of(one, prompt=prompt, expected=expected, got=got.get(one.case, "")))
    return tuple(found)


def _budget(stored: ReportInputs) -> Budget | None:
    if stored.ledger is None:
        return None
    alpha = stored.settings.default_limits.alpha
    shares = [one.share for one in stored.ledger.comparisons() if one.test is not None]
    return Budget(
        comparisons=len(shares), spent=sum(shares), alpha=float(alpha), next_odds=float(bar(len(shares) + 1, alpha))
    )


def _entries(stored: ReportInputs, cycle: int) -> list[Entry]:
    return [one for one in stored.history if whole_in(one, "cycle") == cycle]


def _status(stored: ReportInputs, cycle: int) -> str:
    row = stored.cycles.get(cycle)
    return str(row["status"]) if row is not None else _first(_entries(stored, cycle), "status") or "decided"


def _first(entries: Sequence[Entry], name: str) -> str:
    return next((text_in(one, name) for one in entries if text_in(one, name)), "")


def _moment(row: Entry, name: str) -> str:
    seconds = number_in(row, name)
    return "" if seconds is None else timestamp(seconds)


def as_json(report: Report) -> str:
    """The report in the form of `report/report.schema.json`."""
    return json.dumps(to_json(report), indent=1, ensure_ascii=True, allow_nan=False) + "\n"
