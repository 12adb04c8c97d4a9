"""The course of a session from pass to pass: which specs continue, as follows from the passes before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pytest_selfopt.cycle.phase_run import PhaseRun
from pytest_selfopt.execution.dispatcher import Pass
from pytest_selfopt.planning.plan import TrialKey


class PassGate:
    """Lets passes begin, for the specs that go on; in sessions that judge nothing, and in parts of them, all do."""

    def __init__(self, passes: Sequence[Pass], phases: Mapping[str, PhaseRun], *, partial: bool) -> None:
        """Decide about these passes by the evidence of these phases, if there are any."""
        self._passes = {(calls.phase, calls.run): calls for calls in passes}
        self._phases = phases
        self._partial = partial

    def depends(self, key: TrialKey) -> bool:
        """Whether the trials before a trial's pass decide who is asked in it."""
        phase = self._phases.get(key.phase)
        if phase is None or self._partial:
            return False
        return phase.depends(key.run)

    def active_specs(self, key: TrialKey) -> frozenset[str] | None:
        """The specs that are asked in a trial's pass; None where that is not settled."""
        calls = self._passes.get((key.phase, key.run))
        if calls is None or not calls.released.is_set():
            return None
        return calls.live

    def should_run(self, key: TrialKey) -> bool:
        """Whether a trial is still to be made, or the race has stopped its spec; its pass begins, if it had not.

        Raises:
            SelfoptError: when a gate of the project's own fails.
        """
        phase = self._phases.get(key.phase)
        if phase is None:
            return True
        going_on = self._going_on(phase, key.run)
        calls = self._passes.get((key.phase, key.run))
        if calls is not None:
            calls.release(going_on)
        return key.spec in going_on

    def _going_on(self, phase: PhaseRun, run: int) -> frozenset[str]:
        # A part of a phase gives the race too little evidence, so it ends with the passes that all specs get.
        if self._partial and run >= phase.plan.least_passes:
            return frozenset()
        return phase.live(run)

    def decide_next(self, key: TrialKey) -> None:
        """Decide which specs continue after a trial's pass, which has ended.

        Raises:
            SelfoptError: when a gate of the project's own fails.
        """
        if self._partial:
            return
        phase = self._phases.get(key.phase)
        calls = self._passes.get((key.phase, key.run + 1))
        if phase is not None and calls is not None:
            calls.release(phase.live(calls.run))
