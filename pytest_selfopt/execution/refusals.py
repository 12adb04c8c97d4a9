"""Candidates whose every call their server refuses: passes that begin later ask them no more."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import replace

from pytest_selfopt import clock
from pytest_selfopt.loop.gates.measures import LEAST_REFUSALS
from pytest_selfopt.planning.plan import TrialKey
from pytest_selfopt.trial import CallError, CallResult, refuses_request

_Address = tuple[str, str]
"""A phase and a spec."""


class Refusals:
    """Counts what was refused and answered; not safe to share between threads."""

    def __init__(self, candidates: Collection[_Address]) -> None:
        """Stop none but `candidates`: a baseline that is refused is reported as ever."""
        self._candidates = frozenset(candidates)
        self._refused: Counter[_Address] = Counter()
        self._other: defaultdict[str, Counter[str]] = defaultdict(Counter)
        """The calls that were not refused, by phase and spec."""
        self._errors: dict[_Address, CallError] = {}

    def add(self, key: TrialKey, result: CallResult) -> None:
        """Count the result of a trial's call."""
        address = (key.phase, key.spec)
        error = result.error
        if error is not None and refuses_request(error.kind, error.message):
            self._refused[address] += 1
            self._errors.setdefault(address, error)
        elif not result.cancelled:
            self._other[key.phase][key.spec] += 1

    def result_for(self, key: TrialKey) -> CallResult | None:
        """Return the result of a call that need not be made, as its server would refuse it; None if it is made."""
        address = (key.phase, key.spec)
        others = self._other[key.phase]
        if address not in self._candidates or key.spec in others or not others:
            return None
        if self._refused[address] < LEAST_REFUSALS:
            return None
        now = clock.now()
        error = replace(self._errors[address], reply=None)
        return CallResult(error=error, started=now, ended=now, answers=0)
