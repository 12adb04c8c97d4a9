"""The gate between passes: decides from earlier passes which specs continue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pytest_selfopt.cycle.phase_run import PhaseRun
from pytest_selfopt.execution.dispatcher import Pass
from pytest_selfopt.planning.plan import TrialKey


class PassGate:
    """A gate that releases passes for the specs that continue; in plain sessions all specs continue."""

    def __init__(self, passes: Sequence[Pass], phases: Mapping[str, PhaseRun], *, partial: bool) -> None:
        """Decide on `passes` by the evidence of `phases`, of which a plain session has none."""
        self._passes = {(calls.phase, calls.run): calls for calls in passes}
        self._phases = phases
        self._partial = partial

    def depends(self, key: TrialKey) -> bool:
        """Whether earlier passes decide which specs are asked in a trial's pass."""
        phase = self._phases.get(key.phase)
        if phase is None or self._partial:
            return False
        return phase.depends(key.run)

    def active_specs(self, key: TrialKey) -> frozenset[str] | None:
        """Return the specs that are asked in a trial's pass; None if that is not decided."""
        calls = self._passes.get((key.phase, key.run))
        if calls is None or not calls.released.is_set():
            return None
        return calls.live

    def should_run(self, key: TrialKey) -> bool:
        """Release a trial's pass; return whether the trial is to be made, or the race has stopped its spec.

        Raises:
            SelfoptError: if one of the project's own gates fails.
        """
        phase = self._phases.get(key.phase)
        if phase is None:
            return True
        continuing = self._continuing(phase, key.run)
        calls = self._passes.get((key.phase, key.run))
        if calls is not None:
            calls.release(continuing)
        return key.spec in continuing

    def _continuing(self, phase: PhaseRun, run: int) -> frozenset[str]:
        # A part of a phase gives the race too little evidence, so it ends with the passes that all specs get.
        if self._partial and run >= phase.plan.least_passes:
            return frozenset()
        return phase.live(run)

    def decide_next(self, key: TrialKey) -> None:
        """Decide which specs continue after a trial's pass, which has ended.

        Raises:
            SelfoptError: if one of the project's own gates fails.
        """
        if self._partial:
            return
        phase = self._phases.get(key.phase)
        calls = self._passes.get((key.phase, key.run + 1))
        if phase is not None and calls is not None:
            calls.release(phase.live(calls.run))
