"""The worker's side of a runner whose calls are made elsewhere: calls come in, each is carried out here."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from pytest_selfopt.errors import SelfoptError
from pytest_selfopt.runners.local import LocalRunner
from pytest_selfopt.runners.runner import Call
from pytest_selfopt.trial import CallError, CallResult, ErrorKind


class Executor:
    """Carries calls out, those of each model by a local runner that is made when the first one comes."""

    def __init__(self, make: Callable[[str], LocalRunner]) -> None:
        """Make runners by model id; what `make` raises as a `SelfoptError` is the error of the call."""
        self._make = make
        self._turn = threading.Lock()
        self._runners: dict[str, LocalRunner] = {}
        self._of_call: dict[str, LocalRunner] = {}

    @property
    def under_way(self) -> int:
        """How many calls are being carried out."""
        return len(self._of_call)

    def carry_out(self, call: Call) -> CallResult:
        """Carry a call out on the calling thread."""
        began = time.time()
        try:
            with self._turn:
                if call.model not in self._runners:
                    self._runners[call.model] = self._make(call.model)
                runner = self._of_call[call.id] = self._runners[call.model]
        except SelfoptError as problem:
            error = CallError(kind=ErrorKind.REQUEST, message=f"the worker cannot ask it: {problem}")
            return CallResult(error=error, started=began, ended=time.time(), lane=call.lane)
        try:
            return runner.run(call)
        finally:
            with self._turn:
                self._of_call.pop(call.id, None)

    def give_up(self, call_id: str) -> None:
        """Abort one call; it ends as a time-out."""
        runner = self._of_call.get(call_id)
        if runner is not None:
            runner.give_up(call_id)

    def abort(self, call_id: str) -> None:
        """Abort one call; it ends as cancelled."""
        runner = self._of_call.get(call_id)
        if runner is not None:
            runner.abort(call_id)

    def abort_all(self) -> None:
        """Abort everything that is under way."""
        for call_id in list(self._of_call):
            self.abort(call_id)
