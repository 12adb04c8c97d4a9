"""The events of a cycle under way; each observer decides how to present them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from pytest_selfopt.cycle.phase_run import PhaseRun
from pytest_selfopt.execution.call_meter import CallMeter
from pytest_selfopt.execution.dispatcher import Dispatcher
from pytest_selfopt.execution.time_left import CallLimits
from pytest_selfopt.execution.workload import WorkloadPlan
from pytest_selfopt.planning.plan import PhasePlan, TrialKey
from pytest_selfopt.planning.session_plan import SessionPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleStart:
    """The facts about a cycle or a gate when its calls begin."""

    session_plan: SessionPlan
    phases: Mapping[str, PhaseRun]
    workload: WorkloadPlan
    dispatcher: Dispatcher
    meter: CallMeter
    limits: CallLimits
    may_prove: bool
    """Whether a proof of what the cycle puts on trial may follow."""
    cycle: int
    """Its number; 0 for a gate."""
    partial: bool
    resumed: int
    """The number of calls that are in the ledger and are not made again."""
    cost: str
    """A warning about its cost; empty if none is needed."""


class CycleObserver(Protocol):
    """A receiver of the events of a cycle; called on the main thread only."""

    def on_start(self, start: CycleStart) -> None:
        """Handle the start of the calls."""

    def on_wait(self, key: TrialKey, unfinished: int = 0) -> None:
        """Handle the wait for a trial's reply, or for `unfinished` tests of its pass that run elsewhere."""

    def on_pass_end(self, phase: str, run: int) -> None:
        """Handle the end of a pass: all its trials were judged, or no more of them will be."""

    def on_other_output(self) -> None:
        """Make room for pytest, which is going to write where this observer may have written."""

    def on_overruled(self, plan: PhasePlan) -> None:
        """Handle that the command line forces a model that its rule disables, in a session without a cycle."""

    def on_routing_not_logged(self, problem: str) -> None:
        """Handle a failure to log that another model than the configured one is asked."""
