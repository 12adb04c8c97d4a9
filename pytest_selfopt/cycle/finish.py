"""Closing a cycle: conclude each phase and write ledger, routing configuration, decisions, history and feedback."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pytest_selfopt.cycle.decision_records import log_decisions
from pytest_selfopt.cycle.feedback_file import write_feedback_file
from pytest_selfopt.cycle.history_entry import history_entry
from pytest_selfopt.cycle.phase_run import PhaseRun
from pytest_selfopt.cycle.store import CycleStore
from pytest_selfopt.ledger.ledger import ComparisonState
from pytest_selfopt.loop.cycle import Conclusion, Contender, PhaseEvidence, conclude
from pytest_selfopt.loop.gate import Judgement
from pytest_selfopt.loop.gates import Verdict
from pytest_selfopt.planning.fallback import fallback_for
from pytest_selfopt.planning.plan import PhasePlan
from pytest_selfopt.planning.provenance import served_names, suites_as_premises
from pytest_selfopt.routing.atomic_files import timestamp
from pytest_selfopt.routing.config import save_config
from pytest_selfopt.routing.history import HISTORY, append_cycles
from pytest_selfopt.specs.spec import parse_spec
from pytest_selfopt.trial import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedCycle:
    """What a cycle came to: its conclusions, the plans of the next one by phase, and sentences for the summary."""

    conclusions: tuple[Conclusion, ...]
    following: Mapping[str, PhasePlan]
    notes: tuple[str, ...]


def finish_cycle_files(state: CycleStore, phases: Sequence[PhaseRun], *, cycle: int, began: float) -> FinishedCycle:
    """Judge the evidence of all phases and write what follows from it.

    The verdicts go to the ledger first, and that the cycle is decided last: when something is cut off in between, the
    cycle can be resumed and writes the same again, or the next one finds the verdicts and goes on from them.

    Raises:
        StateError: when a file cannot be written.
    """
    assert state.ledger is not None
    ended = time.time()
    now = timestamp(ended)
    routing, conclusions = state.routing, []
    for phase in phases:
        conclusion = conclude(
            _completed(evidence_of(phase, cycle), phase, state),
            routing.rules,
            now=now,
            own_gates=phase.own_gates,
            switches=state.settings.switches,
        )
        routing = routing.with_rules(conclusion.rules)
        conclusions.append(conclusion)
    _settle(state, phases, conclusions, cycle=cycle, ended=ended)
    save_config(state.settings.routing_path, routing, now=now)
    notes = log_decisions(state, phases, conclusions, cycle=cycle, now=now)
    following = {phase.plan.phase: state.planned(phase.plan.phase, phase.suites[0], routing) for phase in phases}
    warmups = state.ledger.warmups(cycle)
    entries = [
        {
            **history_entry(conclusion, following[conclusion.phase], cycle=cycle, began=began, ended=ended),
            "proof": phase.plan.only_proves,
            "warmups": [one.to_json() for one in warmups if one.phase == conclusion.phase],
        }
        for phase, conclusion in zip(phases, conclusions, strict=True)
    ]
    notes.append(append_cycles(state.settings.state_dir / HISTORY, entries))
    write_feedback_file(state, phases, conclusions, cycle=cycle, now=now)
    state.ledger.finish_cycle(cycle, ended=ended, status="decided")
    return FinishedCycle(
        conclusions=tuple(conclusions), following=following, notes=tuple(note for note in notes if note)
    )


def record_stopped_cycle(
    state: CycleStore, phases: Sequence[PhaseRun], reason: str, *, cycle: int, began: float
) -> tuple[str, ...]:
    """Put a cycle into the history that stopped because its budget was used up: everything is held.

    Raises:
        StateError: when the history cannot be written.
    """
    entries = [
        {
            "cycle": cycle,
            "phase": phase.plan.phase,
            "status": "stopped",
            "started": timestamp(began),
            "ended": timestamp(time.time()),
            "baseline_before": phase.plan.baseline.id,
            "baseline_after": phase.plan.baseline.id,
            "winner": None,
            "improvement": 0.0,
            "reason": reason,
            "verdicts": [
                {"spec": candidate.spec.id, "verdict": str(Verdict.HOLD), "sentence": reason}
                for candidate in phase.plan.candidates
            ],
        }
        for phase in phases
    ]
    note = append_cycles(state.settings.state_dir / HISTORY, entries)
    return (note,) if note else ()


def _completed(evidence: PhaseEvidence, phase: PhaseRun, state: CycleStore) -> PhaseEvidence:
    """The evidence with what it rests on, with settings to go on to, and with who may stand in for the model."""
    settings, model = state.settings, evidence.baseline.model
    suites = suites_as_premises(phase.suites)
    return replace(
        evidence,
        space=settings.space,
        fallback=fallback_for(model, evidence.phase, settings, state.routing, state.ledger),
        premises={
            spec.id: {**state.surroundings.of(spec, served=_served(phase)), **suites} for spec in phase.plan.specs
        },
    )


def _served(phase: PhaseRun) -> dict[str, str]:
    """The name that each model was served under in this cycle."""
    names = served_names(trial for spec in phase.specs for trial in phase.trials(spec))
    return {parse_spec(spec).model: name for spec, name in names.items()}


def evidence_of(phase: PhaseRun, cycle: int) -> PhaseEvidence:
    """Everything a phase is judged by."""
    baseline = phase.plan.baseline
    return PhaseEvidence(
        phase=phase.plan.phase,
        cycle=cycle,
        baseline=baseline,
        baseline_trials=phase.trials(baseline.id),
        contenders=tuple(
            Contender(
                spec=candidate.spec,
                number=phase.test_number(candidate.spec.id),
                tally=phase.tally(candidate.spec.id),
                trials=phase.trials(candidate.spec.id),
            )
            for candidate in phase.plan.candidates
        ),
        cases=phase.cases,
        limits=phase.limits,
        missing=phase.missing(),
        trial=phase.plan.trial,
    )


def _settle(
    state: CycleStore, phases: Sequence[PhaseRun], conclusions: Sequence[Conclusion], *, cycle: int, ended: float
) -> None:
    """Store where each comparison stands, each decision, and what the next cycle has to know."""
    assert state.ledger is not None
    for phase, conclusion in zip(phases, conclusions, strict=True):
        for judgement in conclusion.judgements:
            state.ledger.settle_comparison(
                phase.comparisons[judgement.spec].number,
                state=_state(judgement, conclusion),
                wins=judgement.tally.wins,
                losses=judgement.tally.losses,
                passes=judgement.tally.passes,
                sentence=judgement.sentence,
            )
        for change in (*state.expired.get(conclusion.phase, ()), *conclusion.changes):
            state.ledger.record_decision(
                cycle,
                time=ended,
                phase=change.phase,
                kind=change.kind,
                spec=conclusion.in_force.id,
                sentence=change.sentence,
                detail=change.evidence,
            )
    asked: dict[str, Json] = {
        conclusion.phase: [diagnosis.action for diagnosis in conclusion.diagnoses if diagnosis.action]
        for conclusion in conclusions
    }
    churn: dict[str, Json] = {
        conclusion.phase: {conclusion.in_force.id: conclusion.metrics[conclusion.in_force.id].spread.churn}
        for conclusion in conclusions
    }
    served: dict[str, Json] = {model: name for phase in phases for model, name in _served(phase).items()}
    in_force: dict[str, Json] = {conclusion.phase: conclusion.in_force.id for conclusion in conclusions}
    state.ledger.store_result(cycle, {"asked_for": asked, "churn": churn, "served": served, "in_force": in_force})


def _state(judgement: Judgement, conclusion: Conclusion) -> ComparisonState:
    if judgement is conclusion.pick.winner:
        return "promoted"
    return "rejected" if judgement.verdict is Verdict.REJECT else "held"
