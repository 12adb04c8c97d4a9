"""The worker's side of a remote runner: it carries out incoming calls."""

from __future__ import annotations

import os
import socket
import threading
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pytest_selfopt import clock
from pytest_selfopt.errors import SelfoptError
from pytest_selfopt.runners.local import LocalRunner
from pytest_selfopt.runners.runner import Call
from pytest_selfopt.runners.wire import call_from_bytes
from pytest_selfopt.runners.without_reply import ended_now
from pytest_selfopt.specs.variants import Variant
from pytest_selfopt.trial import CallError, CallResult, ErrorKind


def _new_name() -> str:
    random_part = uuid.uuid4().hex[:6]
    name = f"{socket.gethostname()}-{os.getpid()}-{random_part}"
    return name.replace(".", "-")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerConfig:
    """The configuration of a worker for any engine."""

    executor: Executor
    providers: Sequence[str]
    concurrency: int
    """The maximum of calls in flight to each provider."""
    variant: Callable[[str], Variant]
    """Return a variant by name, as configured here."""
    say: Callable[[str], None]
    """Writes messages for people."""
    name: str = field(default_factory=_new_name)
    """The worker's unique name."""

    @property
    def threads(self) -> int:
        """The maximum of calls in flight to all providers together."""
        return self.concurrency * len(self.providers)

    def introduce(self) -> None:
        """Announce the worker."""
        self.say(
            f"worker {self.name} makes calls to {', '.join(self.providers)}, {self.concurrency} at a time; "
            "Ctrl-C ends it"
        )

    def take_leave(self) -> None:
        """Announce that the worker takes no more calls."""
        self.say(f"ends after the {self.executor.under_way} calls that are under way")

    def read(self, opened: Callable[[], bytes]) -> Call | CallResult:
        """Decode an opened call; if it cannot be read, return the failed result."""
        try:
            return call_from_bytes(opened(), self.variant)
        except SelfoptError as problem:
            self.say(f"a call cannot be read: {problem}")
            return failed(ErrorKind.REQUEST, str(problem))


def failed(kind: ErrorKind, why: str, result: CallResult | None = None) -> CallResult:
    """Return the failed result of a call that was not made, or whose reply (in `result`) cannot be passed on."""
    error = CallError(kind=kind, message=why)
    if result is None:
        return ended_now(error)
    return CallResult(error=error, started=result.started, ended=result.ended)


class Executor:
    """Carries out calls with one local runner per model, created on its first call."""

    def __init__(self, make: Callable[[str], LocalRunner]) -> None:
        """Create runners by model id with `make`; a `SelfoptError` it raises becomes the call's error."""
        self._make = make
        self._turn = threading.Lock()
        self._runners: dict[str, LocalRunner] = {}
        self._of_call: dict[str, LocalRunner] = {}

    @property
    def under_way(self) -> int:
        """The number of calls in flight."""
        return len(self._of_call)

    def carry_out(self, call: Call) -> CallResult:
        """Carry out a call on the calling thread."""
        began = clock.now()
        try:
            with self._turn:
                if call.model not in self._runners:
                    self._runners[call.model] = self._make(call.model)
                runner = self._of_call[call.id] = self._runners[call.model]
        except SelfoptError as problem:
            error = CallError(kind=ErrorKind.REQUEST, message=f"the worker cannot ask it: {problem}")
            return CallResult(error=error, started=began, ended=clock.now(), lane=call.lane)
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
        """Abort all calls in flight."""
        for call_id in list(self._of_call):
            self.abort(call_id)
