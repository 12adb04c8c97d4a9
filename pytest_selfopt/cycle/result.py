"""The result of a cycle or a gate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pytest_selfopt.cycle.build_gate import GateOutcome
from pytest_selfopt.cycle.phase_run import EvidenceProblem, PhaseRun
from pytest_selfopt.cycle.proof import ProofRun
from pytest_selfopt.ledger.ledger import CycleStatus, Warmup
from pytest_selfopt.ledger.records import CycleTotals
from pytest_selfopt.loop.cycle import Conclusion
from pytest_selfopt.planning.plan import PhasePlan
from pytest_selfopt.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleResult:
    """The result of a cycle or a gate: its decisions, or why there are none."""

    settings: Settings
    cycle: int
    """The number of the cycle; 0 for a gate."""
    began: float
    """The start of its calls, in seconds since the epoch."""
    phases: Mapping[str, PhaseRun]
    """The measurements, by phase; empty once single trials are no longer needed."""
    status: CycleStatus = "running"
    took_s: float = 0.0
    totals: CycleTotals | None = None
    """The calls, the seconds and the cost of a decided cycle, including those before it was resumed."""
    conclusions: tuple[Conclusion, ...] = ()
    gated: tuple[GateOutcome, ...] = ()
    """The results of a gate's phases."""
    following: Mapping[str, PhasePlan] = field(default_factory=dict)
    """The plans of the next cycle, by phase."""
    silent: Mapping[str, str] = field(default_factory=dict)
    """Why nothing was decided in the phases of a decided cycle in which no server answered anything."""
    proof: ProofRun | None = None
    """The proof that a following session is to run."""
    warmups: tuple[Warmup, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    """The number of calls of an undecided cycle, by outcome."""
    stopped_because: str = ""
    """Why no more calls were made, if the budget was used up."""
    evidence_problems: Mapping[EvidenceProblem, int] = field(default_factory=dict)
    """The number of trials with each problem of the evidence."""
    problem: str = ""
    """Why the cycle could not be concluded; empty if it was."""
    notes: tuple[str, ...] = ()
    """Sentences for the summary that belong to no phase."""

    @property
    def proven_next(self) -> tuple[str, ...]:
        """The phases whose rule on trial is proven right after this."""
        if self.proof is None:
            return ()
        return self.proof.phases
