"""What a session says while it is under way: what it is going to do, how each pass went, and how far it is."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pytest_selfopt.cycle.gate import describe_gate
from pytest_selfopt.cycle.phase_run import PhaseRun
from pytest_selfopt.execution.dispatcher import Dispatcher, Pass
from pytest_selfopt.planning.plan import TrialKey
from pytest_selfopt.session.collection import Collection
from pytest_selfopt.session.subsessions import which_of
from pytest_selfopt.session.terminal.announcements import describe_pass, describe_plan, describe_stopped
from pytest_selfopt.session.terminal.progress import Progress

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter


class ProgressReporter:
    """Speaks on pytest's terminal, on the main thread only; without one it says nothing."""

    def __init__(
        self,
        terminal: TerminalReporter | None,
        phases: Mapping[str, PhaseRun],
        passes: Sequence[Pass],
        calls: Dispatcher,
    ) -> None:
        """Speak of these phases and their passes, and of how far their calls are."""
        self._progress = Progress.on(terminal, which_of(os.environ)) if terminal is not None else None
        self._phases = phases
        self._passes = tuple(passes)
        self._calls = calls
        self._said_stopped: dict[str, frozenset[str]] = {}
        """The candidates that were last said to be stopped, by phase."""

    def announce(self, collection: Collection, cycle: int, *, partial: bool, resumed: int, cost: str) -> None:
        """Say what is going to be done, and what `cost` to mind (empty: none).

        `cycle` is 0 for a gate, `resumed` counts calls that are not made again.
        """
        for plan in collection.plans.values():
            cases = len(collection.cases(plan.phase))
            if cycle:
                outlooks = self._phases[plan.phase].outlooks()
                self.say_all(describe_plan(plan, cases, cycle, outlooks, partial=partial))
            else:
                self.say_all(describe_gate(plan, cases, partial=partial))
        if resumed:
            self.say_all([f"  resumed: {resumed:,} calls are in the ledger and are not made again"])
        if cost:
            self.say_all([f"  {cost}"])

    def say_all(self, lines: Sequence[str]) -> None:
        """Write lines that stay."""
        if self._progress is not None:
            self._progress.say_all(lines)

    def say_pass(self, name: str, run: int) -> None:
        """Say how a pass of a phase went, and who does not go on."""
        phase = self._phases[name]
        self.say_all([describe_pass(phase, run), *describe_stopped(phase, self._said_stopped.get(name, ()))])
        self._said_stopped[name] = frozenset(phase.stopped)

    def tick(self, key: TrialKey) -> None:
        """Show how far the pass of a trial is, if it is time to."""
        if self._progress is not None and self._progress.due:
            released = [one for one in self._passes if one.released.is_set()]
            self._progress.tick(
                label=f"{key.phase} pass {key.run + 1}",
                done=self._calls.done,
                total=sum(sum(known.spec in one.live for known in one.keys) for one in released),
                in_flight=self._calls.in_flight,
            )

    def clear(self) -> None:
        """Take the rewritten line away."""
        if self._progress is not None:
            self._progress.clear()
