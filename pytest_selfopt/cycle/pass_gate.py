"""The course of a session from pass to pass: who goes on, which follows from the passes before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pytest_selfopt.cycle.phase_run import PhaseRun
from pytest_selfopt.execution.dispatcher import Pass
from pytest_selfopt.planning.plan import TrialKey


class PassGate:
    """Lets passes begin, for the specs that go on; in sessions that judge nothing, and in parts of them, all do."""

    def __init__(self, passes: Sequence[Pass], phases: Mapping[str, PhaseRun], *, partial: bool) -> None:
        """Decide about these passes by the evidence of these phases, if there are any."""
        self._passes = {(one.phase, one.run): one for one in passes}
        self._phases = phases
        self._partial = partial

    def depends(self, key: TrialKey) -> bool:
        """Whether the trials before a trial's pass decide who is asked in it."""
        phase = self._phases.get(key.phase)
        return phase is not None and not self._partial and phase.depends(key.run)

    def active_specs(self, key: TrialKey) -> frozenset[str] | None:
        """The specs that are asked in a trial's pass; None where that is not settled."""
        one = self._passes.get((key.phase, key.run))
        return one.live if one is not None and one.released.is_set() else None

    def should_run(self, key: TrialKey) -> bool:
        """Whether a trial is still to be made, or the race has stopped its spec; its pass begins, if it had not.

        Raises:
            SelfoptError: when a gate of the project's own fails.
        """
        phase = self._phases.get(key.phase)
        if phase is None:
            return True
        going_on = phase.live(key.run) if key.run < phase.plan.least_passes or not self._partial else frozenset()
        one = self._passes.get((key.phase, key.run))
        if one is not None:
            one.release(going_on)
        return key.spec in going_on

    def decide_next(self, key: TrialKey) -> None:
        """Decide who goes on after a trial's pass, which has ended.

        Raises:
            SelfoptError: when a gate of the project's own fails.
        """
        phase = self._phases.get(key.phase)
        one = self._passes.get((key.phase, key.run + 1))
        if phase is not None and one is not None and not self._partial:
            one.release(phase.live(one.run))
