"""The failures that a verdict stands for: wrong answers, and calls without an answer. All others stay failures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

_CUT_SHORT = (
    pytest.ExitCode.INTERRUPTED,
    pytest.ExitCode.INTERNAL_ERROR,
    pytest.ExitCode.USAGE_ERROR,
    pytest.ExitCode.NO_TESTS_COLLECTED,
)


class HiddenFailures:
    """Counts, of the failures that pytest counts, those that a verdict may hide."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._hidden = 0

    @contextmanager
    def counting(self, *, hidden: bool) -> Iterator[None]:
        """Count the failures that pytest counts inside as hidden, or not."""
        before = self._counted()
        yield
        if hidden:
            self._hidden += self._counted() - before

    def are_all_of(self, session: pytest.Session) -> bool:
        """Whether pytest counted no other failure. Plugins add some of their own, as for a coverage that is too low."""
        return session.testsfailed <= self._hidden

    def take_off(self) -> None:
        """Take the hidden failures off pytest's count, once all items were run.

        Otherwise pytest tells plugins that end the session that tests failed, and some make it the exit status again.
        """
        session = self._session()
        if session is not None:
            session.testsfailed -= self._hidden
        self._hidden = 0

    def _counted(self) -> int:
        session = self._session()
        if session is None:
            return 0
        return session.testsfailed

    def _session(self) -> pytest.Session | None:
        session: pytest.Session | None = self._config.pluginmanager.get_plugin("session")
        return session


def was_cut_short(session: pytest.Session) -> bool:
    """Whether a session has ended before all of its items were run."""
    return bool(session.shouldfail) or bool(session.shouldstop) or session.exitstatus in _CUT_SHORT


def may_be_replaced(session: pytest.Session) -> bool:
    """Whether nothing but wrong answers can have failed in a session: any other failure is its exit status already."""
    return session.exitstatus == pytest.ExitCode.OK
