"""The dispatcher: makes calls ahead, pass by pass, while pytest's own loop replays the items one by one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from pytest_selfopt.deferred_signals import undisturbed
from pytest_selfopt.errors import SelfoptError
from pytest_selfopt.execution.call_meter import CallMeter
from pytest_selfopt.execution.outage import OutageWatch, unmade
from pytest_selfopt.execution.refusals import Refusals
from pytest_selfopt.planning.plan import TrialKey
from pytest_selfopt.runners.runner import Call, Finished, Holding, Runner
from pytest_selfopt.threads import no_thread_reported
from pytest_selfopt.trial import CallError, CallResult

TICK_S = 0.2
"""The seconds between wake-ups of a thread that waits for a reply, to show progress and notice Ctrl-C."""

BEGUN_TICK_S = 0.02
"""The seconds between wake-ups of a thread that waits for a call to begin."""

_IDLE_TICK_S = 1.0
"""The seconds between wake-ups of the dispatcher's thread while it waits for a pass or an item."""

STOPPING_S = 5.0
"""The seconds to wait for the calls under way when the session ends."""

MOST_TOGETHER = 8192
"""The most trials of overlapping passes; all their replies are held in memory until they are replayed."""


class Lookahead(Enum):
    """The distance by which calls run ahead of the items that are replayed."""

    AHEAD = "a whole pass, for a session that is likely to run to its end"
    CAREFUL = "as many calls as can be in flight, for a session that may end at any item"
    SINGLE = "one call, for a session that may stop in a debugger at any item"

    def window(self, most: int) -> int | None:
        """Return how many calls are made at a time if `most` can be in flight; None for no bound."""
        return {Lookahead.AHEAD: None, Lookahead.CAREFUL: most, Lookahead.SINGLE: 1}[self]


class NoResultError(SelfoptError):
    """A trial whose result does not come, or is no longer kept."""


@dataclass(slots=True)
class Pass:
    """One run of a phase: its trials in order, and the event that releases it.

    With `overlap`, it may begin while the pass before still waits for its last replies; `prepare` is called before its
    warm-up calls, if any of its trials is to be called.
    """

    phase: str
    run: int
    keys: tuple[TrialKey, ...]
    warmups: tuple[Call, ...] = ()
    overlap: bool = False
    prepare: Callable[[], None] | None = None
    released: threading.Event = field(default_factory=threading.Event)
    live: frozenset[str] = frozenset()

    def release(self, specs: frozenset[str]) -> None:
        """Release the trials of these specs; an empty set means that no spec continues."""
        self.live = specs
        self.released.set()


class Dispatcher:
    """A thread that makes the calls of a session.

    A pass starts when the one before it has ended and it was released. `on_results` is called with finished calls
    before any thread can read their replies, and returns what is read; an exception from it ends the dispatch. Calls
    that are `stored` (by id) are not made again. With a `window`, at most that many calls are made at a time, and only
    when an item waits for one of them or a later one. Of `candidates` (phase and spec), those of which every call was
    refused are asked no more in passes that begin later. A `meter` counts the calls that have ended; `outages` end
    them early.
    """

    def __init__(
        self,
        *,
        runner: Runner,
        passes: Sequence[Pass],
        call_for: Callable[[TrialKey], Call],
        id_of: Callable[[TrialKey], str],
        on_results: Callable[[Sequence[Finished]], Sequence[Finished]],
        stored: Mapping[str, CallResult],
        window: int | None = None,
        candidates: Collection[tuple[str, str]] = (),
        meter: CallMeter | None = None,
        outages: OutageWatch | None = None,
    ) -> None:
        self._runner = runner
        # Once, because a check against a protocol takes longer than the bookkeeping of a call.
        self._holding: Holding | None = None
        if isinstance(runner, Holding):
            self._holding = runner
        self._passes = tuple(passes)
        self._call_for = call_for
        self._id_of = id_of
        self._on_results = on_results
        self._stored = stored
        self._window = window
        self._refusals = Refusals(candidates)
        self._keys: dict[str, TrialKey] = {}
        """The trials of the calls that are being made, by id."""
        self._results: dict[str, CallResult] = {}
        self._discarded: set[TrialKey] = set()
        self._wanted: set[str] = set()
        self._arrived = threading.Condition()
        self._failure: BaseException | None = None
        self._stopped = threading.Event()
        self._pass_of = {(one_pass.phase, one_pass.run): one_pass for one_pass in self._passes}
        self._over: set[tuple[str, int]] = set()
        """Phase and run of the passes whose calls have all been made."""
        self._ended = False
        """Whether no result comes any more."""
        self._thread: threading.Thread | None = None
        self._meter = meter
        self._outages = outages or OutageWatch(None)
        self.warming: tuple[str, ...] = ()
        """The models that are being warmed up."""

    def start(self) -> None:
        """Start to make calls."""
        self._thread = threading.Thread(target=self._run, name="selfopt-dispatch", daemon=True)
        with undisturbed, no_thread_reported():
            self._thread.start()

    def stop(self) -> None:
        """Make no further call, abort those under way, and wait until all threads have ended."""
        with self._arrived:
            self._stopped.set()
            self._arrived.notify_all()
        for one_pass in self._passes:
            one_pass.released.set()
        self._runner.cancel()
        if self._thread is not None and self._thread.ident is not None:
            self._thread.join(STOPPING_S)
        self._end()

    def _end(self) -> None:
        """Note that no result comes any more."""
        with self._arrived:
            self._ended = True
            self._arrived.notify_all()

    @property
    def in_flight(self) -> int:
        """The number of calls in flight."""
        return self._runner.in_flight

    @property
    def held(self) -> tuple[str, float] | None:
        """The model that calls last had to wait for at its server's wish, and until when; None if not known."""
        if self._holding is None:
            return None
        return self._holding.held

    @property
    def spent(self) -> tuple[str, CallError] | None:
        """The model whose quota was used up first, and the answer that said so; None if that is not known."""
        if self._holding is None:
            return None
        return self._holding.spent

    def was_answered(self, key: TrialKey) -> bool:
        """Whether a trial's call has ended without being abandoned, and its item is not done."""
        return self.result_if_ready(key) is not None

    def result(self, key: TrialKey, while_waiting: Callable[[], None]) -> CallResult:
        """Wait for the result of a trial's call; handle signals meanwhile.

        After the beginning of an outage it is that of a cancelled call.

        Raises:
            NoResultError: if the result was discarded, before or during the wait, or none will come.
            Exception: the one that ended the dispatch, such as a ledger that cannot be written.
        """
        name = self._id_of(key)
        while True:
            with self._arrived:
                if name in self._results:
                    return self._results[name]
                if key in self._discarded:
                    raise NoResultError("the item of this trial has ended, so its reply is no longer kept")
                if self._failure is not None:
                    raise self._failure
                if self._outages.outage is not None:
                    return unmade()
                if not self._may_come(key):
                    raise NoResultError("no call was made for this trial, so it has no reply")
                self._want(name)
                self._arrived.wait(TICK_S)
            undisturbed.heed()
            while_waiting()

    def _may_come(self, key: TrialKey) -> bool:
        """Whether a result that has not arrived may still do so."""
        place = (key.phase, key.run)
        return not self._ended and place in self._pass_of and place not in self._over

    def is_blocked(self, key: TrialKey) -> bool:
        """Whether a trial's own pass or one before it is not released: calls are made pass by pass."""
        own = self._pass_of.get((key.phase, key.run))
        for one_pass in self._passes:
            if not one_pass.released.is_set():
                return True
            if one_pass is own:
                return False
        return False

    def result_if_ready(self, key: TrialKey) -> CallResult | None:
        """Return the result of a trial's call; None if it has not arrived, or the call was cancelled."""
        with self._arrived:
            result = self._results.get(self._id_of(key))
        if result is None or result.cancelled:
            return None
        return result

    def discard(self, key: TrialKey) -> None:
        """Forget the result of a trial whose item is done; until then the item may be run again, as after a crash."""
        with self._arrived:
            self._results.pop(self._id_of(key), None)
            # A worker's item may end by a time limit while the controller still waits for its reply.
            self._discarded.add(key)
            self._arrived.notify_all()

    def wait_until_begun(self, key: TrialKey, while_waiting: Callable[[], None]) -> None:
        """Wait until a trial's call is under way, or will not be made any more; handle signals meanwhile."""
        name = self._id_of(key)
        while True:
            with self._arrived:
                over = name in self._results or key in self._discarded or not self._may_come(key)
                over = over or self._failure is not None or self._stopped.is_set()
                if over or self._runner.has_begun(name):
                    return
                self._want(name)
                self._arrived.wait(BEGUN_TICK_S)
            undisturbed.heed()
            while_waiting()

    def abandon(self, key: TrialKey) -> None:
        """Abandon a trial's call, because no item waits for it any more."""
        self._runner.give_up(self._id_of(key))

    def _want(self, name: str) -> None:
        if self._window is not None and name not in self._wanted:
            self._wanted.add(name)
            self._arrived.notify_all()

    def _run(self) -> None:
        try:
            for group in self._groups():
                self._run_group(group)
        # An exception here is raised again in the thread that waits for replies, which would otherwise wait forever.
        except BaseException as problem:  # noqa: BLE001
            self._runner.cancel()
            with self._arrived:
                self._failure = self._failure or problem
        finally:
            self._end()

    def _run_group(self, group: Sequence[Pass]) -> None:
        """Make the calls of overlapping passes."""
        first = group[0]
        keys: list[TrialKey] = []
        for one_pass in group:
            live = one_pass.live
            keys += [key for key in one_pass.keys if key.spec in live]
        if first.prepare is not None and not self._all_stored(keys):
            first.prepare()
        if first.live:
            self._make_warmups(first.warmups)
        for batch in self._batches(keys):
            if self._meter is not None:
                self._meter.begin()
            calls = list(map(self._call_for, self._worth_asking(batch)))
            self._runner.run_batch(calls, self._receive)
        with self._arrived:
            self._over.update((one_pass.phase, one_pass.run) for one_pass in group)
            self._arrived.notify_all()

    def _worth_asking(self, batch: Sequence[TrialKey]) -> list[TrialKey]:
        """Return the trials whose calls are made; the others end as refused at once."""
        asked: list[TrialKey] = []
        refused: list[Finished] = []
        for key in batch:
            result = self._refusals.result_for(key)
            if result is None:
                self._keys[self._id_of(key)] = key
                asked.append(key)
            else:
                refused.append(Finished(self._call_for(key), result))
                self._count(key)
        if refused:
            self._receive(refused)
        return asked

    def _all_stored(self, keys: Sequence[TrialKey]) -> bool:
        return all(self._id_of(key) in self._stored for key in keys)

    def _groups(self) -> Iterator[list[Pass]]:
        """Yield released passes, grouped where they may overlap."""
        waiting = list(self._passes)
        while waiting:
            while not waiting[0].released.wait(_IDLE_TICK_S) and not self._stopped.is_set():
                pass
            if self._stopped.is_set():
                return
            group = [waiting.pop(0)]
            while waiting and _may_join(waiting[0], group):
                group.append(waiting.pop(0))
            yield group

    def _batches(self, keys: Sequence[TrialKey]) -> Iterator[Sequence[TrialKey]]:
        """Yield the trials to call; with a window, in batches that wait until an item waits for one of them."""
        known: dict[str, CallResult] = {}
        open_keys: list[TrialKey] = []
        for key in keys:
            name = self._id_of(key)
            if name in self._stored:
                known[name] = self._stored[name]
                self._refusals.add(key, known[name])
                self._count(key)
            else:
                open_keys.append(key)
        if known:
            self._hand_out(known)
        size = self._window or max(1, len(open_keys))
        for start in range(0, len(open_keys), size):
            batch = open_keys[start : start + size]
            if self._window is not None and not self._wait_until_wanted():
                return
            yield batch

    def _wait_until_wanted(self) -> bool:
        """Wait until an item waits for a trial, of this batch or a later one; False when the session ends first."""
        with self._arrived:
            while not self._wanted and not self._stopped.is_set():
                self._arrived.wait(_IDLE_TICK_S)
        return not self._stopped.is_set()

    def _make_warmups(self, warmups: Sequence[Call]) -> None:
        """Make the warm-up calls that are not stored yet."""
        missing = [call for call in warmups if call.id not in self._stored]
        if missing:
            self.warming = tuple(dict.fromkeys(call.model for call in missing))
            self._runner.run_batch(missing, self._on_results)
            self.warming = ()

    def _receive(self, finished: Sequence[Finished]) -> None:
        finished = self._on_results(finished)
        for answer in finished:
            key = self._keys.pop(answer.call.id, None)
            if key is not None:
                self._refusals.add(key, answer.result)
                self._count(key, answer.result)
                if self._outages.add(key.spec, answer.result):
                    self._stopped.set()
                    self._runner.cancel()
        results = {answer.call.id: answer.result for answer in finished}
        self._hand_out(results)

    def _count(self, key: TrialKey, result: CallResult | None = None) -> None:
        if self._meter is not None:
            self._meter.add(key, result)

    def _hand_out(self, results: Mapping[str, CallResult]) -> None:
        with self._arrived:
            self._results.update(results)
            self._wanted.difference_update(results)
            self._arrived.notify_all()


def _may_join(following: Pass, group: Sequence[Pass]) -> bool:
    """Whether a pass may overlap those before it."""
    if not following.overlap or following.warmups:
        return False
    if not following.released.is_set():
        return False
    size = len(following.keys)
    size += sum(len(member.keys) for member in group)
    return size <= MOST_TOGETHER
