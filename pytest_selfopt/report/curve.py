"""The accuracy in force after each cycle: as believed then, and as known now from later cycles."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from types import MappingProxyType

from pytest_selfopt.economy.measures import answers_of
from pytest_selfopt.economy.score import CaseAnswers, Score, score_of
from pytest_selfopt.ledger.aggregates import CaseCount
from pytest_selfopt.report.document import CurvePoint, CycleLine
from pytest_selfopt.report.json_fields import (
    NOTHING,
    Entry,
    count_in,
    entries_in,
    entry_in,
    number_in,
    share_in,
    text_in,
    whole_in,
)
from pytest_selfopt.report.phases import answers_in_history, name_of, passes_in_history, verdict_of

EVENTS = {"rolled_back": "rolled back", "confirmed": "confirmed", "expired": "expired", "trial": "trial"}
"""The curve's words for the kinds of a cycle's decisions, the most telling first."""
ROLLED_BACK = "rolled back"

Address = tuple[int, str, str]
"""Cycle, phase and spec."""
Counts = Mapping[Address, Sequence[CaseCount]]
"""The counts of cases, by cycle, phase and spec."""


def by_address(counts: Iterable[CaseCount]) -> Counts:
    """Group counts of cases by their cycle, phase and spec."""
    addressed: defaultdict[Address, list[CaseCount]] = defaultdict(list)
    for count in counts:
        addressed[count.cycle, count.phase, count.spec].append(count)
    return addressed


def in_force_in(history: Sequence[Entry]) -> frozenset[str]:
    """Return the specs that any cycle of the history left in force: only their counts draw a point."""
    return frozenset(text_in(entry, "baseline_after") for entry in history) - {""}


def curve_of(history: Sequence[Entry], counts: Counts, decisions: Sequence[Entry]) -> tuple[CurvePoint, ...]:
    """Return the points of all phases, by phase and cycle; cycles that decided nothing have none."""
    suites = {address: _suite(cases) for address, cases in counts.items()}
    known = _known_later(counts, suites)
    phases: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in history:
        phases[text_in(entry, "phase")].append(entry)
    points: list[CurvePoint] = []
    for phase, entries in phases.items():
        decided = _PhaseDecisions.of_phase(phase, decisions)
        points += _points(phase, entries, counts, suites, known, decided)
    return tuple(points)


def _points(
    phase: str,
    entries: Sequence[Entry],
    counts: Counts,
    suites: Mapping[Address, str],
    known_later: Mapping[Address, Score],
    decided: _PhaseDecisions,
) -> Iterator[CurvePoint]:
    before: Entry = NOTHING
    name = ""
    for entry in entries:
        if text_in(entry, "status") == "stopped":
            continue
        cycle = whole_in(entry, "cycle")
        spec = text_in(entry, "baseline_after")
        address = (cycle or 0, phase, spec)
        if cycle is None or address not in counts:
            continue
        believed = _score(counts[address])
        if not believed.trials:
            # An outage is no fall.
            continue
        event = decided.event(entry, before)
        if text_in(entry, "winner"):
            name = name_of(spec, text_in(entry, "baseline_before"))
        elif event or not name:
            name = _short_name(spec)
        before = entry
        point = CurvePoint(
            cycle=cycle,
            phase=phase,
            spec=spec,
            name=name,
            suite=suites[address],
            event=event,
            believed=believed.accuracy,
            believed_low=believed.low,
            believed_high=believed.high,
            believed_trials=believed.trials,
            known=None,
            known_low=None,
            known_high=None,
            known_trials=0,
        )
        yield _with_known(point, known_later.get(address))


def _with_known(point: CurvePoint, known: Score | None) -> CurvePoint:
    """Return the point with the accuracy in later cycles, if there is any."""
    if known is None:
        return point
    return replace(
        point,
        known=known.accuracy,
        known_low=known.low,
        known_high=known.high,
        known_trials=known.trials,
    )


def _known_later(counts: Counts, suites: Mapping[Address, str]) -> dict[Address, Score]:
    """Return the scores of specs in later cycles over the same suite, by address."""
    sums: defaultdict[tuple[str, str, str], dict[tuple[str, float], CaseAnswers]] = defaultdict(dict)
    scores = {}
    # From the last cycle to the first, so that each is added to the sums once, however many there are.
    for address in sorted(counts, key=itemgetter(0), reverse=True):
        _, phase, spec = address
        later = sums[phase, spec, suites[address]]
        score = score_of(later.values())
        if score.trials:
            scores[address] = score
        for count in counts[address]:
            key = (count.case, count.weight)
            before = later.get(key, CaseAnswers(count.case, 0, 0))
            passes, trials = before.passes + count.passes, before.trials + count.answers
            later[key] = CaseAnswers(count.case, passes, trials, count.weight)
    return scores


@dataclass(frozen=True, slots=True, kw_only=True)
class _PhaseDecisions:
    """The decisions on a phase: their kinds by cycle, and the times of rollbacks."""

    kinds: Mapping[int | None, set[str]]
    taken_back: Sequence[str]

    @staticmethod
    def of_phase(phase: str, decisions: Sequence[Entry]) -> _PhaseDecisions:
        kinds: defaultdict[int | None, set[str]] = defaultdict(set)
        taken_back = []
        for decision in decisions:
            if text_in(decision, "phase") != phase:
                continue
            kind = text_in(decision, "kind")
            kinds[whole_in(decision, "cycle")].add(kind)
            if kind == "rollback":
                taken_back.append(text_in(decision, "timestamp"))
        return _PhaseDecisions(kinds=kinds, taken_back=taken_back)

    def event(self, entry: Entry, before: Entry) -> str:
        """Return the event that put a spec into force; `before` is the entry of the phase's previous cycle."""
        if text_in(entry, "winner"):
            return "promoted"
        # A rollback is logged under the cycle whose decision it undoes, and times are whole seconds: a cycle that
        # began with another spec than its predecessor left shows that there was a rollback in between.
        changed = before and text_in(before, "baseline_after") != text_in(entry, "baseline_before")
        if changed and self._took_back_between(text_in(before, "ended"), text_in(entry, "ended")):
            return ROLLED_BACK
        kinds = self.kinds.get(whole_in(entry, "cycle"), set())
        for kind, word in EVENTS.items():
            if kind in kinds:
                return word
        return ""

    def _took_back_between(self, start: str, end: str) -> bool:
        return any(start <= moment <= end for moment in self.taken_back)


def cycle_lines(
    history: Sequence[Entry], taken_back: Mapping[tuple[int, str], str] = MappingProxyType({})
) -> tuple[CycleLine, ...]:
    """Return a line for each phase of each cycle; `taken_back` says when promotions were, by cycle and phase."""
    return tuple(_line(entry, taken_back) for entry in history)


def _line(entry: Entry, taken_back: Mapping[tuple[int, str], str]) -> CycleLine:
    before = text_in(entry, "baseline_before")
    after = text_in(entry, "baseline_after")
    metrics = entry_in(entry, "metrics")
    winner = text_in(entry, "winner")
    verdicts = entries_in(entry, "verdicts")
    measured = [entry_in(metrics, spec) for spec in metrics]
    return CycleLine(
        cycle=count_in(entry, "cycle"),
        phase=text_in(entry, "phase"),
        status=text_in(entry, "status") or "decided",
        started=text_in(entry, "started"),
        ended=text_in(entry, "ended"),
        verdict=verdict_of(winner, verdicts),
        name=_subject(winner, verdicts, before),
        claim=_claim(winner, verdicts),
        taken_back=taken_back.get((count_in(entry, "cycle"), text_in(entry, "phase")), ""),
        accuracy_before=share_in(entry_in(metrics, before), "accuracy"),
        passes_before=passes_in_history(entry_in(metrics, before)),
        trials_before=_answers(metrics, before),
        accuracy_after=share_in(entry_in(metrics, after), "accuracy"),
        passes_after=passes_in_history(entry_in(metrics, after)),
        trials_after=_answers(metrics, after),
        trials=_sum_in(measured, "trials"),
        calls=_sum_in(measured, "attempts"),
        cost_usd=_cost(measured),
        sentence=text_in(entry, "reason"),
    )


def _claim(winner: str, verdicts: Iterable[Entry]) -> str:
    for verdict in verdicts:
        if text_in(verdict, "spec") == winner:
            return text_in(verdict, "claim")
    return ""


def _subject(winner: str, verdicts: Iterable[Entry], before: str) -> str:
    """Return the name of the winner, or else the names of all candidates."""
    if winner:
        return name_of(winner, before)
    names = []
    for verdict in verdicts:
        spec = text_in(verdict, "spec")
        names.append(name_of(spec, before))
    return ", ".join(names) or "nothing"


def _sum_in(entries: Iterable[Entry], name: str) -> int:
    return sum(count_in(entry, name) for entry in entries)


def _cost(measured: Iterable[Entry]) -> float | None:
    """Return USD of all specs together; None if there are no specs, or the cost of one is unknown."""
    costs = []
    for numbers in measured:
        cost = number_in(numbers, "cost_usd")
        if cost is None:
            return None
        costs.append(cost)
    if not costs:
        return None
    return sum(costs)


def _answers(metrics: Entry, spec: str) -> int | None:
    return answers_in_history(entry_in(metrics, spec)) or None


def _short_name(spec: str) -> str:
    """Return a short name of a spec without a known baseline: its variant."""
    first, *rest = parts = spec.split("/")
    if _is_timeout(first):
        return spec
    for variant, part in zip(parts, rest, strict=False):
        if _is_timeout(part):
            return variant
    return spec


def _is_timeout(part: str) -> bool:
    return part[:1] == "t" and part[1:2].isdigit()


def _score(cases: Iterable[CaseCount]) -> Score:
    return score_of(map(answers_of, cases))


def _suite(cases: Iterable[CaseCount]) -> str:
    """Return a fingerprint of the cases asked, equal only for the same cases."""
    hashes = sorted({count.case_hash for count in cases})
    text = "\n".join(hashes)
    return hashlib.sha256(text.encode()).hexdigest()[:8]
