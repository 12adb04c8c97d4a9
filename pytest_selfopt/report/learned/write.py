"""Makes `LEARNED.md` from the ledger and from what was taken back by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from pytest_selfopt.errors import SpecError
from pytest_selfopt.ledger.comparisons import Comparison
from pytest_selfopt.ledger.ledger import Ledger
from pytest_selfopt.loop.undo.taken_back import TakenBack
from pytest_selfopt.report.learned.facts import Facts, ModelFacts, PhaseFacts, Trend
from pytest_selfopt.report.learned.text import learned_text
from pytest_selfopt.specs.spec import difference, parse_spec


def learned_file(ledger: Ledger, taken_back: Iterable[TakenBack], now_in_force: Callable[[str], str]) -> str | None:
    """Return the new content of the file; None if no cycle was decided yet.

    `now_in_force` returns the spec in force for a phase, empty if there is none.
    """
    facts = read_facts(ledger, taken_back)
    if not facts.phases:
        return None
    now = {phase.phase: now_in_force(phase.phase) for phase in facts.phases}
    return learned_text(facts, now)


def read_facts(ledger: Ledger, taken_back: Iterable[TakenBack]) -> Facts:
    """Return what the ledger knows, beside what a person has `taken_back`."""
    in_force: dict[str, str] = {}
    decided: list[int] = []
    for cycle in ledger.cycles():
        found = (cycle["result"] or {}).get("in_force") or {}
        if found:
            in_force.update(found)
            decided.append(cycle["id"])
    taken = tuple(taken_back)
    phases = tuple(_phase_facts(ledger, phase, spec, taken) for phase, spec in sorted(in_force.items()))
    return Facts(cycles=len(decided), last=max(decided, default=0), phases=phases)


def _phase_facts(ledger: Ledger, phase: str, in_force: str, taken_back: tuple[TakenBack, ...]) -> PhaseFacts:
    by_model: dict[str, dict[str, list[Comparison]]] = {parse_spec(in_force).model: {}}
    for model, change, comparison in _changes(ledger.comparisons(phase)):
        by_model.setdefault(model, {}).setdefault(change, []).append(comparison)
    about = [one for one in taken_back if one.phase == phase]
    for one in about:
        by_model.setdefault(one.model, {})
    models = []
    for model, changes in sorted(by_model.items()):
        words = tuple(one.words for one in about if one.model == model)
        models.append(_model_facts(model, changes, words))
    return PhaseFacts(phase=phase, in_force=in_force, measured=ledger.answers_by_spec(phase), models=tuple(models))


def _changes(comparisons: Iterable[Comparison]) -> Iterator[tuple[str, str, Comparison]]:
    """Yield the model and the change of each comparison whose specs can be read."""
    for comparison in comparisons:
        try:
            baseline, candidate = parse_spec(comparison.baseline), parse_spec(comparison.candidate)
        except SpecError:
            continue
        yield baseline.model, difference(baseline, candidate), comparison


def _model_facts(model: str, changes: dict[str, list[Comparison]], taken_back: tuple[str, ...]) -> ModelFacts:
    won: list[Trend] = []
    never: list[Trend] = []
    undecided: list[Trend] = []
    for change, comparisons in changes.items():
        states = {comparison.state for comparison in comparisons}
        trend = Trend(
            change=change,
            fixed=sum(comparison.wins for comparison in comparisons),
            broken=sum(comparison.losses for comparison in comparisons),
            passes=sum(comparison.passes for comparison in comparisons),
            comparisons=len(comparisons),
        )
        if "promoted" in states:
            won.append(trend)
        elif states == {"rejected"}:
            never.append(trend)
        else:
            undecided.append(trend)
    return ModelFacts(
        model=model, won=tuple(won), never_helped=tuple(never), open=tuple(undecided), taken_back=taken_back
    )
