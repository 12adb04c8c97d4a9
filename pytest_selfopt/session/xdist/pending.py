"""The board of a distributed session: which trials of which pass are still to be judged, and who waits for what."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from pytest_selfopt.planning.plan import TrialKey

PassName = tuple[str, int]
"""Phase and run."""


class PendingTrials:
    """Open trials by pass, and the items that are being run.

    A pass may begin when those before it have nothing open, because they decide which specs continue.
    """

    def __init__(self, items: Mapping[str, TrialKey]) -> None:
        """Begin with all selected items, by their ids."""
        self._keys = dict(items)
        self._open: dict[PassName, set[TrialKey]] = {}
        for key in self._keys.values():
            self._open.setdefault((key.phase, key.run), set()).add(key)
        self._running: set[str] = set()
        self._waiting: dict[str, TrialKey] = {}
        """The trial that each worker is kept waiting for, by the worker's name."""

    def key_of(self, item: str) -> TrialKey | None:
        """The trial of an item; None for one that is none of ours."""
        return self._keys.get(item)

    def open_before(self, key: TrialKey) -> int:
        """How many trials of the passes before a trial's own are still open."""
        return sum(len(trials) for (phase, run), trials in self._open.items() if phase == key.phase and run < key.run)

    def settle(self, key: TrialKey) -> bool:
        """Take a trial off the board; whether its pass has come to its end with that."""
        trials = self._open.get((key.phase, key.run))
        if trials is None or key not in trials:
            return False
        trials.discard(key)
        return not trials

    def settle_all_but(self, key: TrialKey, live: Collection[str]) -> None:
        """Take the trials of a trial's pass off the board whose specs are not asked in it."""
        trials = self._open.get((key.phase, key.run), set())
        trials -= {one for one in trials if one.spec not in live}

    def still_open(self) -> Iterable[TrialKey]:
        """All trials that are open."""
        return (key for trials in self._open.values() for key in trials)

    def starts(self, item: str) -> None:
        """Note that an item, of whatever kind, is being run."""
        self._running.add(item)

    def ends(self, item: str) -> None:
        """Note that it is no more."""
        self._running.discard(item)

    def waits(self, worker: str, key: TrialKey) -> None:
        """Note that a worker waits for the passes before a trial."""
        self._waiting[worker] = key

    def waits_no_more(self, worker: str) -> None:
        """Note that it does not."""
        self._waiting.pop(worker, None)

    @property
    def is_stalled(self) -> bool:
        """Whether a worker waits for the passes before, and nothing is being run that could end them."""
        return bool(self._waiting) and not self._running
