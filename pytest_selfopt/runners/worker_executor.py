"""The worker's side of a runner whose calls are made elsewhere: calls come in, each is carried out here."""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pytest_selfopt.errors import SelfoptError
from pytest_selfopt.runners.local import LocalRunner
from pytest_selfopt.runners.runner import Call
from pytest_selfopt.runners.wire import call_from_bytes
from pytest_selfopt.specs.variants import Variant
from pytest_selfopt.trial import CallError, CallResult, ErrorKind


def _new_name() -> str:
    random_part = uuid.uuid4().hex[:6]
    name = f"{socket.gethostname()}-{os.getpid()}-{random_part}"
    return name.replace(".", "-")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerConfig:
    """What a worker has to do, wherever its calls come from."""

    executor: Executor
    providers: Sequence[str]
    concurrency: int
    """How many calls it makes at a time, to each provider."""
    variant: Callable[[str], Variant]
    """The variant with a name, as configured here."""
    say: Callable[[str], None]
    """Tells people how it goes."""
    name: str = field(default_factory=_new_name)
    """What the worker is called, which no other is."""

    @property
    def threads(self) -> int:
        """How many calls it makes at a time, to all providers."""
        return self.concurrency * len(self.providers)

    def introduce(self) -> None:
        """Say what it does."""
        self.say(
            f"worker {self.name} makes calls to {', '.join(self.providers)}, {self.concurrency} at a time; "
            "Ctrl-C ends it"
        )

    def take_leave(self) -> None:
        """Say that it takes no more."""
        self.say(f"ends after the {self.executor.under_way} calls that are under way")

    def read(self, opened: Callable[[], bytes]) -> Call | CallResult:
        """A call as it was sent, once it is opened; or, when it cannot be read, what comes of it."""
        try:
            return call_from_bytes(opened(), self.variant)
        except SelfoptError as problem:
            self.say(f"a call cannot be read: {problem}")
            return failed(ErrorKind.REQUEST, str(problem))


def failed(kind: ErrorKind, why: str, result: CallResult | None = None) -> CallResult:
    """What a call comes to that was not made, or (with its result) whose reply cannot be passed on."""
    error = CallError(kind=kind, message=why)
    if result is None:
        now = time.time()
        return CallResult(error=error, started=now, ended=now)
    return CallResult(error=error, started=result.started, ended=result.ended)


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
