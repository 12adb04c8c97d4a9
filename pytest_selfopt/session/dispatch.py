"""Dispatch: calls are made ahead, pass by pass, while pytest's own loop replays the items one after the other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pytest_selfopt.runners.runner import Call, Runner
from pytest_selfopt.session.planned import TrialKey
from pytest_selfopt.trial import CallResult

TICK_S = 0.2
"""How often somebody who waits for a reply looks up, to show progress and to notice Ctrl-C."""


@dataclass(slots=True)
class Pass:
    """One run index of a phase: its trials in order, and for later passes the word to go on."""

    phase: str
    run: int
    keys: tuple[TrialKey, ...]
    warmups: tuple[Call, ...] = ()
    released: threading.Event = field(default_factory=threading.Event)
    live: frozenset[str] = frozenset()

    def release(self, specs: frozenset[str]) -> None:
        """Let the trials of these specs be called; an empty set means that nobody goes on."""
        self.live = specs
        self.released.set()


class Dispatcher:
    """Makes the calls of a session on a thread of its own.

    A pass starts when the one before it has ended and it was released. `on_result` is called for each finished call,
    one at a time, before anybody can read its reply; whatever it raises ends the dispatch.
    """

    def __init__(
        self,
        *,
        runner: Runner,
        passes: Sequence[Pass],
        call_for: Callable[[TrialKey], Call],
        id_of: Callable[[TrialKey], str],
        on_result: Callable[[Call, CallResult], None],
        ahead: bool,
    ) -> None:
        self._runner = runner
        self._passes = tuple(passes)
        self._call_for = call_for
        self._id_of = id_of
        self._on_result = on_result
        self._ahead = ahead
        self._results: dict[str, CallResult] = {}
        self._arrived = threading.Condition()
        self._failure: BaseException | None = None
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self.done = 0
        """How many trials have their reply."""

    def start(self) -> None:
        """Begin to make calls, unless they are made on demand only."""
        if self._ahead:
            self._thread = threading.Thread(target=self._run, name="selfopt-dispatch", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Make no further call, abort those under way, and wait until nobody works any more."""
        self._stopped.set()
        for one in self._passes:
            one.released.set()
        self._runner.cancel()
        if self._thread is not None:
            self._thread.join(timeout=5)

    @property
    def in_flight(self) -> int:
        """How many calls are under way."""
        return self._runner.in_flight

    def result(self, key: TrialKey, while_waiting: Callable[[], None]) -> CallResult:
        """The result of a trial's call, waited for; made now if it was not made ahead.

        Raises:
            Exception: whatever ended the dispatch, such as a ledger that cannot be written.
        """
        if not self._ahead:
            return self._on_demand(key)
        name = self._id_of(key)
        while True:
            with self._arrived:
                if name in self._results:
                    return self._results.pop(name)
                if self._failure is not None:
                    raise self._failure
                self._arrived.wait(TICK_S)
            while_waiting()

    def _on_demand(self, key: TrialKey) -> CallResult:
        for one in self._passes:
            if one.phase == key.phase and one.warmups:
                warmups, one.warmups = one.warmups, ()
                self._runner.run_batch(warmups, self._on_result)
        call = self._call_for(key)
        result = self._runner.run(call)
        self._on_result(call, result)
        self.done += 1
        return result

    def _run(self) -> None:
        try:
            for one in self._passes:
                one.released.wait()
                if self._stopped.is_set():
                    return
                if one.warmups and one.live:
                    self._runner.run_batch(one.warmups, self._on_result)
                calls = [self._call_for(key) for key in one.keys if key.spec in one.live]
                self._runner.run_batch(calls, self._receive)
        except BaseException as problem:  # noqa: BLE001 (handed to the thread that waits, which raises it)
            self._fail(problem)

    def _receive(self, call: Call, result: CallResult) -> None:
        try:
            self._on_result(call, result)
        except BaseException as problem:  # noqa: BLE001 (the same)
            self._fail(problem)
            self._runner.cancel()
            return
        with self._arrived:
            self._results[call.id] = result
            self.done += 1
            self._arrived.notify_all()

    def _fail(self, problem: BaseException) -> None:
        with self._arrived:
            self._failure = self._failure or problem
            self._arrived.notify_all()
