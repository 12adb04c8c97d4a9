"""The reporter of a session under way: its plan, the result of each pass, and its progress."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pytest_selfopt import clock
from pytest_selfopt.cycle.build_gate import describe_gate
from pytest_selfopt.cycle.observer import CycleStart
from pytest_selfopt.execution.time_left import CallsSoFar, time_left
from pytest_selfopt.execution.wait_announcer import WaitAnnouncer
from pytest_selfopt.planning.plan import PhasePlan, TrialKey
from pytest_selfopt.session.subsessions import is_followed, which_of
from pytest_selfopt.session.terminal.announcements import describe_pass, describe_plan, describe_stopped
from pytest_selfopt.session.terminal.progress import Progress, Status, describe_activity
from pytest_selfopt.session.terminal.writer import StyledText, TerminalWriter

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter


class ProgressReporter:
    """A reporter on pytest's terminal, on the main thread only; without a terminal it writes nothing."""

    def __init__(self, terminal: TerminalReporter | None) -> None:
        """Report on a terminal, if there is one."""
        self._terminal = terminal
        self._progress: Progress | None = None
        self._start: CycleStart | None = None
        self._stopped: dict[str, frozenset[str]] = {}
        """The candidates last announced as stopped, by phase."""
        self._waits = WaitAnnouncer()

    def on_overruled(self, plan: PhasePlan) -> None:
        """Warn that a forced model is asked although its rule disables it."""
        self.warn("; ".join(plan.because))

    def on_routing_not_logged(self, problem: str) -> None:
        """Warn that a routing is not logged."""
        self.warn(f"a routing is not logged: {problem}")

    def warn(self, text: str) -> None:
        """Write a warning about the session."""
        if self._terminal is not None:
            writer = TerminalWriter(self._terminal)
            writer.write_lines([StyledText(f"selfopt: {text}", "yellow")])

    def on_start(self, start: CycleStart) -> None:
        """Write the notes on suites, the plan, the number of calls that are not made again, and the cost warning."""
        self._start = start
        if self._terminal is not None:
            which = which_of(os.environ)
            self._progress = Progress.on(self._terminal, which)
        self._write_lines(start.session_plan.notes)
        for plan in start.session_plan.plans.values():
            self._write_lines(_describe(plan, start))
        if start.resumed:
            resumed = f"{start.resumed:,} calls are in the ledger"
            self._write_lines([f"  resumed: {resumed} and are not made again"])
        if start.cost:
            self._write_lines([f"  {start.cost}"])

    def on_pass_end(self, phase: str, run: int) -> None:
        """Write the result of a pass, and the candidates that stopped."""
        if self._start is None:
            return
        measured = self._start.phases[phase]
        announced = self._stopped.get(phase, ())
        lines = [describe_pass(measured, run), *describe_stopped(measured, announced)]
        self._write_lines([line for line in lines if line])
        self._stopped[phase] = frozenset(measured.stopped)

    def on_wait(self, key: TrialKey, unfinished: int = 0) -> None:
        """Show the progress of a trial's pass, if it is due; announce a wait at once."""
        if self._start is None or self._progress is None:
            return
        waiting = self._waits.next_line(self._start.dispatcher.held, clock.now())
        if waiting:
            self._write_lines([f"  {waiting}"])
        if self._progress.due:
            label = f"{key.phase} pass {key.run + 1}"
            self._progress.tick(_read_status(self._start, label, unfinished, which_of(os.environ)))

    def on_other_output(self) -> None:
        """Erase the rewritten line."""
        if self._progress is not None:
            self._progress.clear()

    def _write_lines(self, lines: Sequence[str]) -> None:
        if self._progress is not None:
            self._progress.write_lines(lines)


def _describe(plan: PhasePlan, start: CycleStart) -> list[str]:
    """Return lines on the plan of a phase."""
    cases = len(start.session_plan.cases(plan.phase))
    if start.cycle:
        outlooks = start.phases[plan.phase].outlooks()
        lines = describe_plan(plan, cases, start.cycle, outlooks, partial=start.partial)
    else:
        lines = describe_gate(plan, cases, partial=start.partial)
    further = start.session_plan.trials_of_expected_failures(plan.phase)
    if further:
        lines.append(f"  and {further:,} calls to see whether expected failures begin to pass")
    return lines


def _read_status(start: CycleStart, label: str, unfinished: int, which: str) -> Status:
    """Read how far the calls are, and what is waited for."""
    metered = start.meter.read()
    workload = start.workload.at(metered, partial=start.partial)
    left = sum(work.calls for one_pass in workload.remaining for work in one_pass.values())
    now = clock.now()
    hold = start.dispatcher.held
    if hold is not None:
        model, until = hold
        hold = (model, max(0.0, until - now))
    so_far = CallsSoFar(
        measured=metered.measured, elapsed_s=metered.elapsed_s, in_flight=start.dispatcher.in_flight, hold=hold
    )
    activity = describe_activity(
        warming=start.dispatcher.warming,
        in_flight=so_far.in_flight,
        hold=hold,
        clock=now,
        unfinished=unfinished * (workload.released == 0),
    )
    return Status(
        label=label,
        done=workload.calls - left,
        total=workload.calls,
        activity=activity,
        waits=bool(start.dispatcher.warming) or not so_far.in_flight,
        left_s=time_left(workload.remaining, so_far, start.limits),
        may_grow=workload.may_grow or start.may_prove or is_followed(which),
    )
