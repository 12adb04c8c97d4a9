"""The pending trials of a distributed session, by pass, and the workers that wait for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping

from pytest_selfopt.planning.plan import TrialKey

PassName = tuple[str, int]
"""Phase and run."""


class PendingTrials:
    """Open trials by pass, and the items that are being run.

    A pass may begin when no trial of an earlier pass is open, because those decide which specs continue.
    """

    def __init__(self, items: Mapping[str, TrialKey], times: int = 1) -> None:
        """Begin with all selected items, by their ids, each of which is run so many `times`."""
        self._keys = dict(items)
        self._items_left = Counter(self._keys.values())
        for key in self._items_left:
            self._items_left[key] *= times
        """The items of each trial that have not ended; a plain session may have several."""
        self._open: dict[PassName, set[TrialKey]] = {}
        for key in self._keys.values():
            self._open.setdefault((key.phase, key.run), set()).add(key)
        self._running: set[str] = set()
        self._waiting: dict[str, TrialKey] = {}
        """The trial that each worker is kept waiting for, by the worker's name."""

    def key_of(self, item: str) -> TrialKey | None:
        """Return the trial of an item; None for an item that is no benchmark."""
        return self._keys.get(item)

    def open_before(self, key: TrialKey) -> int:
        """Return the number of open trials in the passes before a trial's own."""
        return sum(len(trials) for (phase, run), trials in self._open.items() if phase == key.phase and run < key.run)

    def open_in_pass(self, key: TrialKey) -> int:
        """Return the number of open trials in a trial's pass."""
        return len(self._open.get((key.phase, key.run), ()))

    def discard(self, key: TrialKey) -> bool:
        """Discard a trial; return whether its pass has ended with it."""
        trials = self._open.get((key.phase, key.run))
        if trials is None or key not in trials:
            return False
        trials.discard(key)
        return not trials

    def discard_stopped(self, key: TrialKey, live: Collection[str]) -> None:
        """Discard the trials of a trial's pass whose specs are not asked in it."""
        trials = self._open.get((key.phase, key.run), set())
        trials -= {trial for trial in trials if trial.spec not in live}

    def open_trials(self) -> Iterable[TrialKey]:
        """Return all open trials."""
        return (key for trials in self._open.values() for key in trials)

    def start_item(self, item: str) -> None:
        """Note that an item of any kind is being run."""
        self._running.add(item)

    def end_item(self, item: str) -> None:
        """Note that an item is not run any more."""
        self._running.discard(item)

    def is_last_item(self, key: TrialKey) -> bool:
        """Note that an item of a trial has ended; return whether the trial has no other."""
        self._items_left[key] -= 1
        return self._items_left[key] <= 0

    def start_waiting(self, worker: str, key: TrialKey) -> None:
        """Note that a worker waits for the passes before a trial."""
        self._waiting[worker] = key

    def stop_waiting(self, worker: str) -> None:
        """Note that a worker does not wait any more."""
        self._waiting.pop(worker, None)

    @property
    def is_stalled(self) -> bool:
        """Whether a worker waits for earlier passes, and no item is being run that could end them."""
        return bool(self._waiting) and not self._running
