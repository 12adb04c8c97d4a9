"""The worker's side of a remote runner: it carries out incoming calls."""

from __future__ import annotations

import os
import socket
import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from pytest_selfopt import clock
from pytest_selfopt.errors import SelfoptError
from pytest_selfopt.runners.local import LocalRunner
from pytest_selfopt.runners.message import UnusableMessageError, seal_within
from pytest_selfopt.runners.runner import Call
from pytest_selfopt.runners.without_reply import ended_now
from pytest_selfopt.specs.variants import Variant
from pytest_selfopt.trial import CallError, CallResult, ErrorKind
from pytest_selfopt.trial_bounds import usage_of

MOST_KEPT = 10_000
MOST_KEPT_BYTES = 64 * 1024 * 1024

MOST_SAID = 100
"""How many different messages a worker writes about calls that it cannot read."""


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
    said: set[str] = field(default_factory=set)
    """What was said of calls that cannot be read."""

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

    def read(self, call: Callable[[], Call]) -> Call | CallResult:
        """Return a call that is read by `call`; if it cannot be read, the failed result."""
        try:
            return call()
        except SelfoptError as problem:
            self._say_once(f"a call cannot be read: {problem}")
            return failed(ErrorKind.REQUEST, str(problem))

    def _say_once(self, text: str) -> None:
        """Write a message about what others sent, who may send any number."""
        if text not in self.said and len(self.said) < MOST_SAID:
            self.said.add(text)
            self.say(text)


def failed(kind: ErrorKind, why: str, result: CallResult | None = None) -> CallResult:
    """Return the failed result of a call that was not made, or whose reply (in `result`) cannot be passed on."""
    error = CallError(kind=kind, message=why)
    if result is None:
        return ended_now(error)
    if result.reply is not None:
        error = replace(error, reply=usage_of(result.reply))
    return replace(result, reply=None, error=error, failed_attempts=())


def encoded(
    result: CallResult,
    encode: Callable[[CallResult], bytes],
    most: int,
    limit: str,
    seal: Callable[[bytes], bytes] = bytes,
) -> bytes:
    """Encode and seal a result, compressed if it is longer than `most` bytes otherwise.

    If that is impossible, or it is still longer, it becomes an error with what it cost. `limit` says who demands that,
    and what to do, as in "Temporal's history takes at most 512,000; ask for shorter replies".
    """
    try:
        data = encode(result)
    except UnusableMessageError as problem:
        return seal(encode(failed(ErrorKind.MALFORMED, f"the reply cannot be passed on: {problem}", result)))
    sealed = seal_within(data, seal, most)
    if len(sealed) <= most:
        return sealed
    why = f"the reply is {len(data):,} bytes long, compressed {len(sealed):,}, but {limit}"
    return seal(encode(failed(ErrorKind.MALFORMED, why, result)))


class MadeResults:
    """The encoded results of the last calls that were made here.

    A copy of a call, or one whose result its server has lost, is not made again.
    """

    def __init__(self) -> None:
        self._results: OrderedDict[tuple[str, str, str], bytes] = OrderedDict()
        self._size = 0

    def get(self, cycle: str, call_id: str, question: str) -> bytes | None:
        """Return the result of a call of a cycle that asked this; None if it is not known."""
        return self._results.get((cycle, call_id, question))

    def keep(self, cycle: str, call_id: str, question: str, result: bytes) -> None:
        """Keep a result, and forget the oldest ones beyond a number and a size."""
        key = (cycle, call_id, question)
        self._size += len(result) - len(self._results.pop(key, b""))
        self._results[key] = result
        while len(self._results) > MOST_KEPT or self._size > MOST_KEPT_BYTES:
            _, oldest = self._results.popitem(last=False)
            self._size -= len(oldest)


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
