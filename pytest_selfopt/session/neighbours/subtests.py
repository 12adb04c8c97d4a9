"""Subtests (pytest's own, and pytest-subtests'): their reports come while the body runs; the trial is the item's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pytest_selfopt.session.judgement import PASSED, Judgement, worst
from pytest_selfopt.session.report_evidence import classify_outcome, mark_as_part, set_evidence
from pytest_selfopt.trial import ErrorKind


class Subtests:
    """The subtests of the current item: what they found is part of its trial."""

    def __init__(self, *, judges: bool) -> None:
        """In a session that judges, failed subtests are told by the item's own report alone."""
        self._judges = judges
        self._body_runs = False
        self._report_is_due = False
        """Whether the next report on a body is the item's own."""
        self._found: list[Judgement] = []
        self.traceback = ""
        """Where the first broken subtest of the current item broke."""

    @contextmanager
    def body(self) -> Iterator[None]:
        """Collect the subtests of the body that runs inside."""
        self._found.clear()
        self.traceback = ""
        self._body_runs = True
        try:
            yield
        finally:
            self._body_runs = False
            self._report_is_due = True

    def is_next(self, call: pytest.CallInfo[None]) -> bool:
        """Whether a report to be made on a phase is that of a subtest; to be asked once for each report."""
        if call.when != "call":
            return False
        due, self._report_is_due = self._report_is_due, False
        return not due

    def take(self, call: pytest.CallInfo[None], report: pytest.TestReport) -> None:
        """Take a subtest's outcome; one of a fixture's set-up or teardown stays what it is for pytest."""
        set_evidence(report, None)
        if not self._body_runs:
            return
        judgement = classify_outcome(call)
        if judgement is not None:
            self._found.append(judgement)
            if judgement[1] is ErrorKind.TEST:
                self.traceback = self.traceback or report.longreprtext
        if self._judges:
            mark_as_part(report)

    def combine(self, body: Judgement | None) -> Judgement | None:
        """Return the judgement of an item from its body's own and its subtests'; None if nothing was judged."""
        if body is not None:
            return worst([*self._found, body])
        found = worst(self._found)
        if found == PASSED:
            return None
        return found
