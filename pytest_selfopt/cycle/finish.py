"""The end of a cycle: concludes phases, and writes ledger, routing configuration, decisions, history and feedback."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pytest_selfopt import clock
from pytest_selfopt.cycle.decision_records import log_decisions
from pytest_selfopt.cycle.feedback_file import cycle_feedback
from pytest_selfopt.cycle.history_entry import history_entry
from pytest_selfopt.cycle.phase_run import PhaseRun
from pytest_selfopt.cycle.store import CycleStore
from pytest_selfopt.ledger.comparisons import ComparisonState
from pytest_selfopt.ledger.decision_log import check_log
from pytest_selfopt.ledger.ledger import Ledger
from pytest_selfopt.ledger.records import CycleTotals
from pytest_selfopt.ledger.steps import change_state
from pytest_selfopt.loop.actions import RuleChange
from pytest_selfopt.loop.cycle import Conclusion, Contender, PhaseEvidence, conclude
from pytest_selfopt.loop.gate import CandidateJudgement
from pytest_selfopt.loop.gates.gate_result import Verdict, lasting_reason
from pytest_selfopt.planning.capabilities import max_tokens_of
from pytest_selfopt.planning.fallback import fallback_for
from pytest_selfopt.planning.in_force import in_force_now
from pytest_selfopt.planning.measured import MEASURED, measured_entry
from pytest_selfopt.planning.past_comparisons import taken_back_in
from pytest_selfopt.planning.plan import PhasePlan
from pytest_selfopt.planning.planner import plan_phase, suite_address
from pytest_selfopt.planning.provenance import ProvenanceResolver, served_names, suites_as_premises
from pytest_selfopt.report.learned.write import learned_file
from pytest_selfopt.routing.atomic_files import timestamp
from pytest_selfopt.routing.config import RoutingConfig, new_text
from pytest_selfopt.routing.edits import keep_edits
from pytest_selfopt.routing.feedback import FEEDBACK, set_unusable_aside
from pytest_selfopt.routing.history import HISTORY, LEARNED, with_cycles
from pytest_selfopt.routing.state_change import StateChange
from pytest_selfopt.specs.spec import Spec, parse_spec
from pytest_selfopt.trial import Json, Outcome

NONE_SILENT: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedCycle:
    """The outcome of a cycle: its conclusions, the plans of the next cycle by phase, and notes for the summary."""

    conclusions: tuple[Conclusion, ...]
    following: Mapping[str, PhasePlan]
    notes: tuple[str, ...]
    totals: CycleTotals
    spent: tuple[int, float]
    """The attempts and USD of the cycle."""


def finish_cycle_files(
    state: CycleStore, phases: Sequence[PhaseRun], *, cycle: int, began: float, silent: Mapping[str, str] = NONE_SILENT
) -> FinishedCycle:
    """Judge the evidence of all phases, and write the results in one step, whole or not at all.

    Phases that are `silent`, for a reason, are recorded as those of a stopped cycle are.
    A cycle that is interrupted before that is complete can be resumed, and is judged again.

    Raises:
        StateError: if something cannot be written; ledger and files are as they were before.
    """
    ended = clock.now()
    now = timestamp(ended)
    unheard = [phase for phase in phases if phase.plan.phase in silent]
    phases = [phase for phase in phases if phase.plan.phase not in silent]
    conclusions, routing = _conclude_phases(state, phases, cycle=cycle, now=now)
    settings = state.settings
    routing, notes = keep_edits(settings.routing_path, state.began, routing)
    with change_state(settings.state_dir, state.ledger, f"cycle {cycle}", state.lease) as written:
        _store_verdicts(state, phases, conclusions, cycle=cycle, ended=ended)
        _release_comparisons(state, unheard, cycle)
        state.ledger.finish_cycle(cycle, ended=ended, status="decided")
        text = new_text(settings.routing_path, routing, now=now)
        if text is not None:
            written.replace(settings.routing_path, text)
        following = _plan_following(state, phases, routing)
        entries = _history_entries(state, phases, conclusions, following, cycle=cycle, began=began, ended=ended)
        for phase in unheard:
            entries.append(_stopped_entry(phase.plan, silent[phase.plan.phase], cycle=cycle, began=began))
        notes.append(_write_history(written, settings.state_dir / HISTORY, entries))
        notes.append(set_unusable_aside(settings.state_dir / FEEDBACK))
        written.replace(settings.state_dir / FEEDBACK, cycle_feedback(state, phases, conclusions, cycle=cycle, now=now))
        now_in_force = partial(in_force_now, settings, routing)
        text = learned_file(state.ledger, taken_back_in(written.entries), now_in_force)
        if text is not None:
            written.replace(settings.state_dir / LEARNED, text)
        log_decisions(written, state, phases, conclusions, cycle=cycle, now=now)
        # Nothing that can fail comes after the step: what is decided would be told as undecided.
        totals, spent = state.ledger.totals(cycle), state.ledger.spent(cycle)
    return FinishedCycle(
        conclusions=tuple(conclusions),
        following=following,
        notes=(*written.notes, *filter(None, notes)),
        totals=totals,
        spent=spent,
    )


def _write_history(written: StateChange, path: Path, entries: Sequence[Mapping[str, Any]]) -> str:
    """Add entries to the history that is written; return a sentence if an unusable one was set aside, else empty."""
    text, note = with_cycles(path, entries)
    if text is not None:
        written.replace(path, text)
    return note


def _conclude_phases(
    state: CycleStore, phases: Sequence[PhaseRun], *, cycle: int, now: str
) -> tuple[list[Conclusion], RoutingConfig]:
    """Judge the phases in order, each by the rules that the phases before it have left."""
    routing = state.routing
    taken_back = taken_back_in(check_log(state.settings.state_dir, state.ledger).entries)
    conclusions: list[Conclusion] = []
    for phase in phases:
        evidence = evidence_of(phase, cycle)
        conclusion = conclude(
            _completed(evidence, phase, state),
            routing.rules,
            now=now,
            own_gates=phase.project_gates,
            switches=state.settings.switches,
            taken_back=taken_back,
        )
        routing = routing.with_rules(conclusion.rules)
        conclusions.append(conclusion)
    return conclusions, routing


def _plan_following(state: CycleStore, phases: Sequence[PhaseRun], routing: RoutingConfig) -> dict[str, PhasePlan]:
    """Return the plans of the next cycle, by phase; it searches again, even if this one only proved rules."""
    settings = replace(state.settings, only_proves=False)
    following: dict[str, PhasePlan] = {}
    for phase in phases:
        name = phase.plan.phase
        following[name] = plan_phase(
            name,
            phase.suites[0],
            settings=settings,
            routing=routing,
            ledger=state.ledger,
            provenance=state.provenance,
        )
    return following


def _history_entries(
    state: CycleStore,
    phases: Sequence[PhaseRun],
    conclusions: Sequence[Conclusion],
    following: Mapping[str, PhasePlan],
    *,
    cycle: int,
    began: float,
    ended: float,
) -> list[dict[str, Any]]:
    """Return the history's entries on a cycle, one for each phase."""
    warmups = state.ledger.warmups(cycle)
    entries: list[dict[str, Any]] = []
    for phase, conclusion in zip(phases, conclusions, strict=True):
        plan = following[conclusion.phase]
        entry = history_entry(conclusion, plan, cycle=cycle, began=began, ended=ended)
        entry["proof"] = phase.plan.only_proves
        entry["warmups"] = [warmup.to_json() for warmup in warmups if warmup.phase == conclusion.phase]
        entries.append(entry)
    return entries


def record_stopped_cycle(
    state: CycleStore, phases: Sequence[PhaseRun], reason: str, *, cycle: int, began: float
) -> tuple[str, ...]:
    """Record the end of a cycle that stopped for a reason, and add it to the history with every candidate on HOLD.

    Raises:
        StateError: if something cannot be written; ledger and history are as they were before.
    """
    entries = [_stopped_entry(phase.plan, reason, cycle=cycle, began=began) for phase in phases]
    settings = state.settings
    with change_state(settings.state_dir, state.ledger, f"cycle {cycle}", state.lease) as written:
        _release_comparisons(state, phases, cycle)
        state.ledger.finish_cycle(cycle, ended=clock.now(), status="stopped")
        note = _write_history(written, settings.state_dir / HISTORY, entries)
    if not note:
        return ()
    return (note,)


def _release_comparisons(state: CycleStore, phases: Sequence[PhaseRun], cycle: int) -> None:
    """Take back the numbers of comparisons that this cycle has opened, if no answer has come: they have spent nothing.

    After a single answer on either side they stay, or whoever stops what begins badly could begin anew.
    """
    for phase in phases:
        for spec, comparison in phase.comparisons.items():
            trials = (*phase.trials(phase.plan.baseline.id), *phase.trials(spec))
            is_answered = any(trial.outcome is not Outcome.ERROR for trial in trials)
            if comparison.cycles == (cycle,) and not is_answered:
                state.ledger.release_comparison(comparison.number)


def _stopped_entry(plan: PhasePlan, reason: str, *, cycle: int, began: float) -> dict[str, Any]:
    """Return the history's entry on a phase whose spec stays in force because its cycle stopped."""
    verdicts: list[dict[str, str]] = []
    for candidate in plan.candidates:
        verdict = {
            "spec": candidate.spec.id,
            "verdict": str(Verdict.HOLD),
            "sentence": reason,
        }
        verdicts.append(verdict)
    return {
        "cycle": cycle,
        "phase": plan.phase,
        "status": "stopped",
        "started": timestamp(began),
        "ended": timestamp(clock.now()),
        "baseline_before": plan.baseline.id,
        "baseline_after": plan.baseline.id,
        "winner": None,
        "improvement": 0.0,
        "reason": reason,
        "verdicts": verdicts,
    }


def _completed(evidence: PhaseEvidence, phase: PhaseRun, state: CycleStore) -> PhaseEvidence:
    """Add the premises, the search space, the limits of tokens and the fallback to the evidence."""
    settings, model = state.settings, evidence.baseline.model
    suites = suites_as_premises(phase.suites)
    fallback = fallback_for(model, evidence.phase, settings, state.routing, state.ledger)
    served = _served(phase)
    premises: dict[str, Mapping[str, str]] = {}
    limits: dict[str, int] = {}
    for spec in phase.plan.specs:
        provenance = state.provenance.of(spec, served=served)
        premises[spec.id] = {**provenance, **suites}
        max_tokens = max_tokens_of(spec, settings)
        if max_tokens is not None:
            limits[spec.id] = max_tokens
    return replace(
        evidence,
        space=settings.space,
        max_tokens=limits,
        fallback=fallback,
        premises=premises,
    )


def _served(phase: PhaseRun) -> dict[str, str]:
    """Return the name that each model was served under in this cycle."""
    trials = chain.from_iterable(map(phase.trials, phase.specs))
    names = served_names(trials)
    return {parse_spec(spec).model: name for spec, name in names.items()}


def evidence_of(phase: PhaseRun, cycle: int) -> PhaseEvidence:
    """Return all the evidence by which a phase is judged."""
    baseline = phase.plan.baseline
    return PhaseEvidence(
        phase=phase.plan.phase,
        cycle=cycle,
        baseline=baseline,
        baseline_trials=phase.trials(baseline.id),
        standing=phase.standing_trials(cycle),
        contenders=tuple(_contender(phase, candidate.spec) for candidate in phase.plan.candidates),
        cases=phase.cases,
        limits=phase.limits,
        missing=phase.missing(),
        groups=phase.groups,
        together=phase.together(),
        leaves_early=phase.plan.leaves_early,
        trial=phase.plan.trial,
    )


def _contender(phase: PhaseRun, spec: Spec) -> Contender:
    return Contender(
        spec=spec,
        number=phase.test_number(spec.id),
        tally=phase.tally(spec.id),
        trials=phase.trials(spec.id),
    )


def _store_verdicts(
    state: CycleStore, phases: Sequence[PhaseRun], conclusions: Sequence[Conclusion], *, cycle: int, ended: float
) -> None:
    """Store the state of each comparison, each decision, and the facts that the next cycle needs."""
    for phase, conclusion in zip(phases, conclusions, strict=True):
        for judgement in conclusion.judgements:
            comparison = phase.comparisons[judgement.spec].number
            _settle_comparison(state.ledger, comparison, judgement, conclusion)
        for change in (*state.expired.get(conclusion.phase, ()), *conclusion.changes):
            _record_change(state.ledger, cycle, change, conclusion, ended=ended)
    state.ledger.store_result(cycle, _result(phases, conclusions, state.provenance))


def _settle_comparison(ledger: Ledger, number: int, judgement: CandidateJudgement, conclusion: Conclusion) -> None:
    ledger.settle_comparison(
        number,
        state=_state(judgement, conclusion),
        wins=judgement.tally.wins,
        losses=judgement.tally.losses,
        passes=judgement.tally.passes,
        sentence=judgement.sentence,
    )


def _record_change(ledger: Ledger, cycle: int, change: RuleChange, conclusion: Conclusion, *, ended: float) -> None:
    ledger.record_decision(
        cycle,
        time=ended,
        phase=change.phase,
        kind=change.kind,
        spec=conclusion.in_force.id,
        sentence=change.sentence,
        detail=change.evidence,
    )


def _result(
    phases: Sequence[PhaseRun], conclusions: Sequence[Conclusion], provenance: ProvenanceResolver
) -> dict[str, Json]:
    """Return the facts that the next cycle needs, by phase; the served names by model."""
    asked: dict[str, Json] = {}
    churn: dict[str, Json] = {}
    measured: dict[str, Json] = {}
    in_force: dict[str, Json] = {}
    for conclusion in conclusions:
        name, spec = conclusion.phase, conclusion.in_force.id
        actions = (diagnosis.action for diagnosis in conclusion.diagnoses)
        asked[name] = list(filter(None, actions))
        churn[name] = {}
        if len(conclusion.standing.runs) > 1:
            churn[name] = {spec: conclusion.standing.spread.churn}
        in_force[name] = spec
    served: dict[str, Json] = {}
    for phase, conclusion in zip(phases, conclusions, strict=True):
        measured[conclusion.phase] = dict(_measured(phase, conclusion, provenance))
        served.update(_served(phase))
    return {"asked_for": asked, "churn": churn, "served": served, "in_force": in_force, MEASURED: measured}


def _measured(
    phase: PhaseRun, conclusion: Conclusion, provenance: ProvenanceResolver
) -> Iterator[tuple[str, dict[str, Json]]]:
    """Yield the numbers of each spec with answers; of the spec in force, with earlier cycles on which it stands."""
    suite = suite_address(phase.suites[0])
    for name, metrics in conclusion.metrics.items():
        if not metrics.answers:
            continue
        passes = len(metrics.runs)
        if phase.plan.block_passes:
            # Passes from cold starts are not what others are compared with.
            passes = 0
        moved = name == phase.plan.baseline.id and phase.has_moved
        spec = parse_spec(name)
        rests = provenance.fingerprint(spec, spec)
        numbers = metrics
        if name == conclusion.in_force.id:
            numbers = conclusion.standing
        yield name, measured_entry(numbers, suite, rests=rests, passes=passes, moved=moved)


def _state(judgement: CandidateJudgement, conclusion: Conclusion) -> ComparisonState:
    if judgement is conclusion.pick.winner:
        return "promoted"
    if judgement.verdict is Verdict.REJECT:
        return "rejected"
    if lasting_reason(judgement.gates):
        return "exhausted"
    return "held"
