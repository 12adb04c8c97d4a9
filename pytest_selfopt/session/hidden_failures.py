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

    def _counted(self) -> int:
        session: pytest.Session | None = self._config.pluginmanager.get_plugin("session")
        if session is None:
            return 0
        return session.testsfailed


def was_cut_short(session: pytest.Session) -> bool:
    """Whether a session has ended before all of its items were run."""
    return bool(session.shouldfail) or bool(session.shouldstop) or session.exitstatus in _CUT_SHORT


def may_be_replaced(session: pytest.Session) -> bool:
    """Whether the exit status of a session says nothing but whether tests failed."""
    return session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
