"""Closing a cycle: conclude each phase and write ledger, routing configuration, decisions, history and feedback."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pytest_selfopt.cycle.phase_run import PhaseRun
from pytest_selfopt.cycle.store import CycleStore
from pytest_selfopt.ledger.ledger import ComparisonState
from pytest_selfopt.loop.actions import RuleChange
from pytest_selfopt.loop.cycle import Conclusion, Contender, PhaseEvidence, conclude
from pytest_selfopt.loop.evaluate import Metrics
from pytest_selfopt.loop.gate import Judgement
from pytest_selfopt.loop.gates import GateResult, Verdict
from pytest_selfopt.planning.fallback import fallback_for
from pytest_selfopt.planning.plan import PhasePlan
from pytest_selfopt.planning.provenance import served_names, suites_as_premises
from pytest_selfopt.routing.atomic_files import timestamp
from pytest_selfopt.routing.config import save_config
from pytest_selfopt.routing.decisions import Decision, append_decision, decisions_of
from pytest_selfopt.routing.feedback import FEEDBACK, write_feedback
from pytest_selfopt.routing.history import DECISIONS, HISTORY, append_cycles
from pytest_selfopt.specs.spec import parse_spec
from pytest_selfopt.trial import Json, Outcome

EXIT_DECIDED = 0
EXIT_GATE_FAILED = 1
EXIT_NOT_ENOUGH_EVIDENCE = 10
STATUSES: Mapping[int, str] = {
    EXIT_DECIDED: "a cycle: every phase was decided, and what is in force passes its gates; a gate: every bar is "
    "reached, and nothing is worse than recorded",
    EXIT_GATE_FAILED: "what is in force fails restraint, its minimum, a limit or a bar beyond doubt; or something "
    "besides the answers failed (a test body, a fixture, a worker)",
    2: "interrupted; the finished calls of a cycle are in the ledger",
    3: "pytest or a plugin broke",
    4: "something given cannot be used, such as a gate without a configuration; one sentence says what",
    EXIT_NOT_ENOUGH_EVIDENCE: "not enough evidence: a comparison is on HOLD, a bar is missed too narrowly, too many "
    "calls gave no answer, evidence is missing or cannot be read, the budget is used up, or only some trials were "
    "selected",
}
"""What the exit status of a cycle or a gate means, with and without -n; other statuses are pytest's own."""


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
    notes = _log(state, phases, conclusions, cycle=cycle, now=now)
    following = {phase.plan.phase: state.planned(phase.plan.phase, phase.suites[0], routing) for phase in phases}
    warmups = state.ledger.warmups(cycle)
    entries = [
        {
            **_history_entry(conclusion, following[conclusion.phase], cycle=cycle, began=began, ended=ended),
            "proof": phase.plan.only_proves,
            "warmups": [one.to_json() for one in warmups if one.phase == conclusion.phase],
        }
        for phase, conclusion in zip(phases, conclusions, strict=True)
    ]
    notes.append(append_cycles(state.settings.state_dir / HISTORY, entries))
    _write_feedback(state, phases, conclusions, cycle=cycle, now=now)
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


def exit_status(conclusions: Sequence[Conclusion], *, proven_next: Collection[str] = ()) -> int:
    """Return the status of the session; of phases that are `proven_next`, the proof tells it.

    0: every phase was decided and what is in force passes its gates. 1: a gate says it is not good enough. 10: the
    evidence is short, or only a part of it was asked for.
    """
    if not conclusions:
        return EXIT_NOT_ENOUGH_EVIDENCE
    conclusions = [conclusion for conclusion in conclusions if conclusion.phase not in proven_next]
    failed = [gate for conclusion in conclusions for gate in conclusion.gates if not gate.passed]
    if any(gate.asks is Verdict.REJECT for gate in failed):
        return EXIT_GATE_FAILED
    undecided = any(conclusion.verdict is Verdict.HOLD for conclusion in conclusions)
    return EXIT_NOT_ENOUGH_EVIDENCE if failed or undecided else EXIT_DECIDED


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


def _log(
    state: CycleStore, phases: Sequence[PhaseRun], conclusions: Sequence[Conclusion], *, cycle: int, now: str
) -> list[str]:
    """Append each decision to the log; returns sentences about a log that had to be repaired."""
    notes = []
    path = state.settings.state_dir / DECISIONS
    logged = decisions_of(path, cycle)
    for phase, conclusion in zip(phases, conclusions, strict=True):
        for change in (*state.expired.get(conclusion.phase, ()), *conclusion.changes):
            if (change.kind, change.phase, change.model) in logged:
                continue
            decision = Decision(
                timestamp=now,
                cycle=cycle,
                kind=change.kind,
                phase=change.phase,
                model=change.model,
                effective=conclusion.in_force.model,
                reason=change.sentence,
                evidence={
                    "gates": {gate.name: [gate.value, gate.limit] for gate in conclusion.gates},
                    **change.record,
                    "rests_on": _rests_on(phase, conclusion, change, cycle),
                },
            )
            notes.append(append_decision(path, decision))
    return notes


def _rests_on(phase: PhaseRun, conclusion: Conclusion, change: RuleChange, cycle: int) -> dict[str, Json]:
    """Where the trials of a decision are in the ledger, and what was diagnosed of what is in force."""
    candidate = change.evidence.get("spec")
    comparison = phase.comparisons.get(candidate) if isinstance(candidate, str) else None
    cycles = comparison.cycles if comparison is not None else (cycle,)
    specs = [conclusion.baseline.id, *([candidate] if isinstance(candidate, str) else [])]
    return {
        "table": "call",
        "phase": phase.plan.phase,
        "cycles": list[Json](cycles),
        "specs": list[Json](specs),
        "trials_of_this_cycle": sum(len(phase.trials(spec)) for spec in specs),
        "diagnoses": [str(diagnosis.kind) for diagnosis in conclusion.diagnoses],
    }


def _history_entry(
    conclusion: Conclusion, following: PhasePlan, *, cycle: int, began: float, ended: float
) -> dict[str, Any]:
    before = conclusion.metrics[conclusion.baseline.id].accuracy
    after = conclusion.metrics[conclusion.in_force.id].accuracy
    return {
        "cycle": cycle,
        "phase": conclusion.phase,
        "started": timestamp(began),
        "ended": timestamp(ended),
        "baseline_before": conclusion.baseline.id,
        "baseline_after": conclusion.in_force.id,
        "winner": conclusion.pick.winner.spec if conclusion.pick.winner else None,
        "improvement": round(after - before, 6),
        "reason": conclusion.pick.sentence,
        "verdicts": [verdict_entry(judgement) for judgement in conclusion.judgements],
        "metrics": {spec: metrics_entry(metrics) for spec, metrics in conclusion.metrics.items()},
        "gates": [_gate(gate) for gate in conclusion.gates],
        "diagnoses": [
            {
                "kind": str(diagnosis.kind),
                "sentence": diagnosis.sentence,
                "chance": diagnosis.chance,
                "trials": diagnosis.trials,
                "runs": list(diagnosis.runs),
                "cases": list(diagnosis.cases),
            }
            for diagnosis in conclusion.diagnoses
        ],
        "next": {
            "baseline": following.baseline.id,
            "candidates": [{"spec": candidate.spec.id, "why": candidate.why} for candidate in following.candidates],
            "left": following.left,
        },
    }


def verdict_entry(judgement: Judgement) -> dict[str, Any]:
    """A verdict as the history holds it."""
    return {
        "spec": judgement.spec,
        "verdict": str(judgement.verdict),
        "comparison": judgement.comparison,
        "fixed": judgement.tally.wins,
        "broken": judgement.tally.losses,
        "passes": judgement.tally.passes,
        "sentence": judgement.sentence,
        "takes": judgement.takes,
        "gates": [_gate(gate) for gate in judgement.gates],
    }


def _gate(gate: GateResult) -> dict[str, Any]:
    return {
        "name": gate.name,
        "passed": gate.passed,
        "asks": str(gate.asks),
        "value": gate.value,
        "limit": gate.limit,
        "sentence": gate.sentence,
    }


def metrics_entry(metrics: Metrics) -> dict[str, Any]:
    """The numbers of a spec as the history holds them."""
    return {
        "accuracy": metrics.accuracy,
        "first_attempt_accuracy": metrics.first_attempt_accuracy,
        "attempts": metrics.attempts,
        "run_accuracies": list(metrics.run_accuracies),
        "variance": metrics.spread.variance,
        "restraint": metrics.restraint,
        "trials": metrics.trials,
        "errors_by_kind": dict(metrics.errors_by_kind),
        "latency_median_s": metrics.latency_median_s,
        "latency_p95_s": metrics.latency_p95_s,
        "tokens_in": metrics.tokens_in,
        "tokens_out": metrics.tokens_out,
        "cost_usd": metrics.cost_usd,
    }


def _write_feedback(
    state: CycleStore, phases: Sequence[PhaseRun], conclusions: Sequence[Conclusion], *, cycle: int, now: str
) -> None:
    runs, failures = [], Counter[str]()
    accuracy: dict[str, dict[str, Any]] = {}
    for phase, conclusion in zip(phases, conclusions, strict=True):
        metrics = conclusion.metrics[conclusion.in_force.id]
        runs += [
            {"cycle": cycle, "spec": conclusion.in_force.id, "run": run, "accuracy": share}
            for run, share in zip(metrics.runs, metrics.run_accuracies, strict=True)
        ]
        accuracy[f"{conclusion.in_force.model}::{conclusion.phase}"] = {
            "passed": metrics.passes,
            "total": metrics.trials,
            "accuracy": metrics.accuracy,
        }
        failures.update(
            trial.case for trial in phase.trials(conclusion.in_force.id) if trial.outcome is not Outcome.PASS
        )
    write_feedback(
        state.settings.state_dir / FEEDBACK,
        generated_at=now,
        recent_runs=runs,
        accuracy=accuracy,
        hot_failures=[{"key": case, "count": count} for case, count in failures.most_common() if count >= 2],
        recommendations=[one for conclusion in conclusions for one in conclusion.recommendations],
    )
