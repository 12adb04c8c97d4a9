"""The runs of items, as they happen: what is run again gets the same reply, and counts once or ends the session.

Plugins run an item again in many ways: they repeat its protocol, one of its phases, or call its hooks themselves. They
also run items in child processes, or several at a time. There is no list of them all, so this looks at what happens.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pytest_selfopt.errors import SelfoptError
from pytest_selfopt.execution.replies import CallFailed
from pytest_selfopt.planning.plan import TrialKey
from pytest_selfopt.trial import CallError, CallResult, ErrorKind

_RAN = pytest.StashKey[bool]()
"""Whether an item's body was run."""


class SecondRunError(SelfoptError):
    """A second run of an item whose first run is evidence."""


class ItemRuns:
    """The runs of the items of a process; the reply of the last item is kept, because the item may be run again."""

    def __init__(self, *, judges: bool) -> None:
        """Allow second runs of an item unless the session `judges`."""
        self._judges = judges
        self._process = os.getpid()
        self._running = threading.RLock()
        """Held by the thread that runs an item."""
        self._several = False
        """Whether several items were run at a time."""
        self._last: tuple[TrialKey, CallResult] | None = None

    @property
    def is_at_home(self) -> bool:
        """Whether items are run here in the process that collected them, and not in a child of it."""
        return os.getpid() == self._process

    @contextmanager
    def item(self) -> Iterator[None]:
        """Note that an item is being run meanwhile."""
        alone = self._running.acquire(blocking=False)
        self._several = self._several or not alone
        try:
            yield
        finally:
            if alone:
                self._running.release()

    def begin_body(self, item: pytest.Item) -> None:
        """Note that the body of an item is going to be run.

        Raises:
            SecondRunError: if it was run before, and every run is evidence.
        """
        if self._judges and item.stash.get(_RAN, False):
            raise SecondRunError(
                f"{item.nodeid}: another plugin runs this item a second time, but each run is evidence of a cycle or "
                "gate and counts once; pytest --trace-config lists the plugins, and -p no:NAME switches one off"
            )
        item.stash[_RAN] = True

    def require_alone(self) -> None:
        """Check that items are run one after the other.

        Raises:
            CallFailed: if they are not.
        """
        if self._several:
            raise _no_reply(
                "another plugin runs several items at a time in one process, where it is not known which of them a "
                "reply belongs to; use pytest-xdist (-n 2), which runs them in several processes"
            )

    def kept(self, key: TrialKey) -> CallResult | None:
        """Return the result of a trial's call if its item was the last to get one.

        Raises:
            CallFailed: if there is none, and none can be had in this process.
        """
        if self._last is not None and self._last[0] == key:
            return self._last[1]
        if not self.is_at_home:
            raise _no_reply(
                "another plugin runs this item in a child process, which gets no replies; use pytest-xdist (-n 2) to "
                "run items in several processes"
            )
        return None

    def keep(self, key: TrialKey, result: CallResult) -> None:
        """Keep the result of a trial's call until the next one comes."""
        self._last = (key, result)


def _no_reply(why: str) -> CallFailed:
    return CallFailed(CallError(kind=ErrorKind.TEST, message=why))


def is_forked(item: pytest.Item) -> bool:
    """Whether pytest-forked (1.7.5) runs an item in a child process, which has none of this process's threads."""
    if not item.config.pluginmanager.hasplugin("pytest_forked"):
        return False
    return bool(item.config.getoption("forked", default=False)) or item.get_closest_marker("forked") is not None
