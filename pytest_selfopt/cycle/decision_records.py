"""The decisions of a cycle in the log, each with its evidence."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_selfopt.cycle.phase_run import PhaseRun
from pytest_selfopt.cycle.store import CycleStore
from pytest_selfopt.loop.actions import RuleChange
from pytest_selfopt.loop.cycle import Conclusion
from pytest_selfopt.routing.decisions import Decision, decisions_of
from pytest_selfopt.routing.history import DECISIONS
from pytest_selfopt.routing.state_change import StateChange
from pytest_selfopt.trial import Json


def log_decisions(
    written: StateChange,
    state: CycleStore,
    phases: Sequence[PhaseRun],
    conclusions: Sequence[Conclusion],
    *,
    cycle: int,
    now: str,
) -> None:
    """Append each decision to the log that is written."""
    path = state.settings.state_dir / DECISIONS
    logged = decisions_of(written.entries, cycle)
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
                    "gates": _gates_of(conclusion),
                    **change.record,
                    "rests_on": _rests_on(phase, conclusion, change, cycle),
                },
            )
            written.log(path, decision)


def _gates_of(conclusion: Conclusion) -> dict[str, Json]:
    """Return the value and the limit of each gate, by its name."""
    gates: dict[str, Json] = {}
    for gate in conclusion.gates:
        gates[gate.name] = [gate.value, gate.limit]
    return gates


def _rests_on(phase: PhaseRun, conclusion: Conclusion, change: RuleChange, cycle: int) -> dict[str, Json]:
    """Return where a decision's trials are in the ledger, and the diagnoses of the spec in force."""
    specs = [conclusion.baseline.id]
    cycles: tuple[int, ...] = (cycle,)
    candidate = change.evidence.get("spec")
    if isinstance(candidate, str):
        specs.append(candidate)
        if candidate in phase.comparisons:
            cycles = phase.comparisons[candidate].cycles
    return {
        "table": "call",
        "phase": phase.plan.phase,
        "cycles": list[Json](cycles),
        "specs": list[Json](specs),
        "trials_of_this_cycle": sum(len(phase.trials(spec)) for spec in specs),
        "diagnoses": [str(diagnosis.kind) for diagnosis in conclusion.diagnoses],
    }
