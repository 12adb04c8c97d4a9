"""The events of a cycle under way; each observer decides how to present them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from pytest_selfopt.cycle.phase_run import PhaseRun
from pytest_selfopt.execution.dispatcher import Dispatcher, Pass
from pytest_selfopt.planning.plan import TrialKey
from pytest_selfopt.planning.session_plan import SessionPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleStart:
    """What is known of a cycle or a gate when its calls begin."""

    session_plan: SessionPlan
    phases: Mapping[str, PhaseRun]
    passes: Sequence[Pass]
    dispatcher: Dispatcher
    cycle: int
    """Its number; 0 for a gate."""
    partial: bool
    resumed: int
    """How many calls are in the ledger and are not made again."""
    cost: str
    """What it costs, where that has to be minded; empty otherwise."""


class CycleObserver(Protocol):
    """Hears of what happens; called on the main thread only."""

    def on_start(self, start: CycleStart) -> None:
        """Calls begin."""

    def on_wait(self, key: TrialKey) -> None:
        """A trial's reply is waited for."""

    def on_pass_end(self, phase: str, run: int) -> None:
        """All trials of a pass were judged, or no more of them will be."""

    def on_other_output(self) -> None:
        """Pytest is going to write where this observer may have written."""

    def on_routing_not_logged(self, problem: str) -> None:
        """That another model is asked than the configured one could not be logged."""
