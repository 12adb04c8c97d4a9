"""The meter of a session's calls: how many have ended, by pass, and how long they took."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pytest_selfopt import clock
from pytest_selfopt.execution.time_left import NO_WORK, Group, Measured, Work
from pytest_selfopt.planning.plan import PlannedTrial, TrialKey
from pytest_selfopt.trial import CallResult

PassPart = tuple[str, int, str]
"""Phase, run and model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metered:
    """The calls that have ended, and the measurements of those that were made in this session."""

    done: Mapping[PassPart, Work]
    measured: Mapping[Group, Measured]
    elapsed_s: float
    """The seconds since the first of them was begun."""


class CallMeter:
    """Counts calls as they end; any thread may use it."""

    def __init__(self, planned: Mapping[TrialKey, PlannedTrial], clock: Callable[[], float] = clock.monotonic) -> None:
        """Count the calls of planned trials; `clock` gives seconds."""
        self._planned = planned
        self._clock = clock
        self._lock = threading.Lock()
        self._began: float | None = None
        self._done: dict[PassPart, Work] = {}
        self._measured: dict[Group, Measured] = {}

    def begin(self) -> None:
        """Note that calls begin; only the first time counts."""
        if self._began is None:
            self._began = self._clock()

    def add(self, key: TrialKey, result: CallResult | None = None) -> None:
        """Count a call that has ended, with its result if it was made in this session."""
        trial = self._planned[key]
        work = work_of(trial)
        model = trial.spec.model
        with self._lock:
            part = (key.phase, key.run, model)
            self._done[part] = self._done.get(part, NO_WORK) + work
            if result is not None and result.ended > result.started and not result.cancelled:
                group = (key.phase, model)
                before = self._measured.get(group, Measured(work=NO_WORK, seconds=0.0))
                seconds = before.seconds + result.ended - result.started
                self._measured[group] = Measured(work=before.work + work, seconds=seconds)

    def read(self) -> Metered:
        """Return what was counted so far."""
        elapsed_s = 0.0
        if self._began is not None:
            elapsed_s = self._clock() - self._began
        with self._lock:
            return Metered(done=dict(self._done), measured=dict(self._measured), elapsed_s=elapsed_s)


def work_of(trial: PlannedTrial) -> Work:
    """Return the work of a trial: one call, and a turn for each message of its user."""
    return Work(calls=1, turns=1 + len(trial.case.turns))
