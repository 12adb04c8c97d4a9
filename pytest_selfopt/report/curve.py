"""What was in force after each cycle: as it was believed then, and as it is known now from the cycles after it."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from pytest_selfopt.economy.score import Score, score_of
from pytest_selfopt.ledger.profiles import CaseCount
from pytest_selfopt.report.document import CurvePoint, CycleLine
from pytest_selfopt.report.entries import (
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

Counts = Mapping[tuple[int, str, str], Sequence[CaseCount]]
"""How the cases of a cycle went, by cycle, phase and spec."""


def by_address(counts: Iterable[CaseCount]) -> Counts:
    """Counts of cases by the cycle, phase and spec that they belong to."""
    found: defaultdict[tuple[int, str, str], list[CaseCount]] = defaultdict(list)
    for one in counts:
        found[one.cycle, one.phase, one.spec].append(one)
    return found


def curve_of(history: Sequence[Entry], counts: Counts, decisions: Sequence[Entry]) -> tuple[CurvePoint, ...]:
    """The points of all phases, phase by phase and cycle by cycle; cycles that decided nothing have none."""
    phases = dict.fromkeys(text_in(entry, "phase") for entry in history)
    return tuple(point for phase in phases for point in _points(phase, history, counts, decisions))


def _points(phase: str, history: Sequence[Entry], counts: Counts, decisions: Sequence[Entry]) -> Iterator[CurvePoint]:
    before: Entry = NOTHING
    name = ""
    for entry in history:
        cycle, spec = whole_in(entry, "cycle"), text_in(entry, "baseline_after")
        if text_in(entry, "phase") != phase or cycle is None:
            continue
        ours = counts.get((cycle, phase, spec), ())
        if not ours:
            continue
        event = _event(entry, before, [one for one in decisions if text_in(one, "phase") == phase])
        if text_in(entry, "winner"):
            name = name_of(spec, text_in(entry, "baseline_before"))
        elif event or not name:
            name = _settled(spec)
        before = entry
        believed, suite = _score(ours), _suite(ours)
        later = [
            one
            for (number, of_phase, of_spec), cases in counts.items()
            if number > cycle and (of_phase, of_spec) == (phase, spec) and _suite(cases) == suite
            for one in cases
        ]
        known = _score(later) if later else None
        yield CurvePoint(
            cycle=cycle,
            phase=phase,
            spec=spec,
            name=name,
            suite=suite,
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


def _event(entry: Entry, before: Entry, decisions: Sequence[Entry]) -> str:
    """What brought into force what is in force after a cycle; `before` is the entry of the phase's cycle before it."""
    if text_in(entry, "winner"):
        return "promoted"
    # What somebody takes back is logged under the cycle whose decision it takes back, and times are whole seconds: that
    # a cycle began with something else than the one before had left tells that it was taken back in between.
    changed = before and text_in(before, "baseline_after") != text_in(entry, "baseline_before")
    taken_back = [text_in(one, "timestamp") for one in decisions if text_in(one, "kind") == "rollback"]
    if changed and any(text_in(before, "ended") <= moment <= text_in(entry, "ended") for moment in taken_back):
        return ROLLED_BACK
    kinds = {text_in(one, "kind") for one in decisions if whole_in(one, "cycle") == whole_in(entry, "cycle")}
    return next((word for kind, word in EVENTS.items() if kind in kinds), "")


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
