"""What was in force after each cycle: as it was believed then, and as it is known now from the cycles after it."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pytest_selfopt.economy.score import Score, score_of
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
from pytest_selfopt.report.phase_document import VERDICTS
from pytest_selfopt.report.phases import name_of

EVENTS = {"rolled_back": "rolled back", "confirmed": "confirmed", "expired": "expired", "trial": "trial"}
"""What kinds of a cycle's decisions are called on the curve, those that say more first."""
ROLLED_BACK = "rolled back"

Address = tuple[int, str, str]
"""Cycle, phase and spec."""
Counts = Mapping[Address, Sequence[CaseCount]]
"""How the cases of a cycle went, by cycle, phase and spec."""


def by_address(counts: Iterable[CaseCount]) -> Counts:
    """Counts of cases by the cycle, phase and spec that they belong to."""
    found: defaultdict[Address, list[CaseCount]] = defaultdict(list)
    for one in counts:
        found[one.cycle, one.phase, one.spec].append(one)
    return found


def in_force_in(history: Sequence[Entry]) -> frozenset[str]:
    """The specs that any cycle of the history left in force: the counts of others draw no point."""
    return frozenset(text_in(entry, "baseline_after") for entry in history) - {""}


def curve_of(history: Sequence[Entry], counts: Counts, decisions: Sequence[Entry]) -> tuple[CurvePoint, ...]:
    """The points of all phases, phase by phase and cycle by cycle; cycles that decided nothing have none."""
    suites = {address: _suite(cases) for address, cases in counts.items()}
    known = _known_later(counts, suites)
    phases: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in history:
        phases[text_in(entry, "phase")].append(entry)
    return tuple(
        point
        for phase, entries in phases.items()
        for point in _points(phase, entries, counts, suites, known, _Decided.of_phase(phase, decisions))
    )


def _points(
    phase: str,
    entries: Sequence[Entry],
    counts: Counts,
    suites: Mapping[Address, str],
    known_later: Mapping[Address, Score],
    decided: _Decided,
) -> Iterator[CurvePoint]:
    before: Entry = NOTHING
    name = ""
    for entry in entries:
        cycle, spec = whole_in(entry, "cycle"), text_in(entry, "baseline_after")
        address = (cycle or 0, phase, spec)
        if cycle is None or address not in counts:
            continue
        event = decided.event(entry, before)
        if text_in(entry, "winner"):
            name = name_of(spec, text_in(entry, "baseline_before"))
        elif event or not name:
            name = _settled(spec)
        before = entry
        believed, known = _score(counts[address]), known_later.get(address)
        yield CurvePoint(
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
            known=known.accuracy if known else None,
            known_low=known.low if known else None,
            known_high=known.high if known else None,
            known_trials=known.trials if known else 0,
        )


def _known_later(counts: Counts, suites: Mapping[Address, str]) -> dict[Address, Score]:
    """What the later cycles found of a spec over the same suite, where there are any."""
    sums: defaultdict[tuple[str, str, str], dict[str, tuple[int, int]]] = defaultdict(dict)
    found = {}
    # From the last cycle to the first, so that each is added to the sums once, however many there are.
    for address, cases in sorted(counts.items(), key=lambda one: -one[0][0]):
        _, phase, spec = address
        later = sums[phase, spec, suites[address]]
        if later:
            found[address] = score_of((case, passes, trials) for case, (passes, trials) in later.items())
        for one in cases:
            passes, trials = later.get(one.case, (0, 0))
            later[one.case] = (passes + one.passes, trials + one.trials)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Decided:
    """What was decided of a phase: the kinds of decisions of each cycle, and when something was taken back."""

    kinds: Mapping[int | None, set[str]]
    taken_back: Sequence[str]

    @staticmethod
    def of_phase(phase: str, decisions: Sequence[Entry]) -> _Decided:
        kinds: defaultdict[int | None, set[str]] = defaultdict(set)
        ours = [one for one in decisions if text_in(one, "phase") == phase]
        for one in ours:
            kinds[whole_in(one, "cycle")].add(text_in(one, "kind"))
        return _Decided(
            kinds=kinds, taken_back=[text_in(one, "timestamp") for one in ours if text_in(one, "kind") == "rollback"]
        )

    def event(self, entry: Entry, before: Entry) -> str:
        """What brought into force what is so after a cycle; `before` is the entry of the phase's cycle before it."""
        if text_in(entry, "winner"):
            return "promoted"
        # What somebody takes back is logged under the cycle whose decision it takes back, and times are whole seconds:
        # that a cycle began with something else than the one before had left tells that it was taken back in between.
        changed = before and text_in(before, "baseline_after") != text_in(entry, "baseline_before")
        if changed and any(text_in(before, "ended") <= one <= text_in(entry, "ended") for one in self.taken_back):
            return ROLLED_BACK
        kinds = self.kinds.get(whole_in(entry, "cycle"), set())
        return next((word for kind, word in EVENTS.items() if kind in kinds), "")


def cycle_lines(history: Sequence[Entry]) -> tuple[CycleLine, ...]:
    """A line for each phase of each cycle."""
    return tuple(_line(entry) for entry in history)


def _line(entry: Entry) -> CycleLine:
    before, after = text_in(entry, "baseline_before"), text_in(entry, "baseline_after")
    metrics, winner = entry_in(entry, "metrics"), text_in(entry, "winner")
    verdicts = entries_in(entry, "verdicts")
    judged = {text_in(one, "verdict") for one in verdicts}
    tried = ", ".join(name_of(text_in(one, "spec"), before) for one in verdicts)
    measured = [entry_in(metrics, spec) for spec in metrics]
    costs = [number_in(one, "cost_usd") for one in measured]
    return CycleLine(
        cycle=count_in(entry, "cycle"),
        phase=text_in(entry, "phase"),
        status=text_in(entry, "status") or "decided",
        started=text_in(entry, "started"),
        ended=text_in(entry, "ended"),
        verdict="PROMOTE" if winner else next((one for one in VERDICTS[1:] if one in judged), ""),
        name=name_of(winner, before) if winner else tried or "nothing",
        accuracy_before=share_in(entry_in(metrics, before), "accuracy"),
        trials_before=_trials(metrics, before),
        accuracy_after=share_in(entry_in(metrics, after), "accuracy"),
        trials_after=_trials(metrics, after),
        trials=sum(count_in(one, "trials") for one in measured),
        calls=sum(count_in(one, "attempts") for one in measured),
        cost_usd=sum(cost for cost in costs if cost is not None) if costs and None not in costs else None,
        sentence=text_in(entry, "reason"),
    )


def _trials(metrics: Entry, spec: str) -> int | None:
    return count_in(entry_in(metrics, spec), "trials") or None


def _settled(spec: str) -> str:
    """What a spec is called where nothing says what it was changed from: its manner of asking."""
    parts = spec.split("/")
    place = next((at for at, part in enumerate(parts) if part[:1] == "t" and part[1:2].isdigit()), 0)
    return parts[place - 1] if place else spec


def _score(cases: Iterable[CaseCount]) -> Score:
    return score_of((one.case, one.passes, one.trials) for one in cases)


def _suite(cases: Iterable[CaseCount]) -> str:
    """What was asked, in short: alike when the very same cases were."""
    return hashlib.sha256("\n".join(sorted({one.case_hash for one in cases})).encode()).hexdigest()[:8]
