"""Items that will be skipped by their marks: this is known before any call is made, so none is made for them.

The marks are evaluated by pytest's own functions in `_pytest.skipping` (pytest 8.4, 9.0 and 9.2), after all other
plugins had their turn at the collected items. On a pytest that changes them, `tests/acceptance/test_skips.py` fails.
A skip that a fixture, a hook or a body raises cannot be foreseen: its call is made.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from _pytest.skipping import evaluate_skip_marks, evaluate_xfail_marks

from pytest_selfopt.execution.replies import one_line
from pytest_selfopt.planning.plan import TrialKey
from pytest_selfopt.planning.session_plan import SkippedTrials
from pytest_selfopt.session.stash import LEFT_OUT, PLANNED

_NAMES = frozenset({"skip", "skipif", "xfail"})
"""The marks by which pytest may skip an item."""


def leave_out_skipped(config: pytest.Config, items: Sequence[pytest.Item]) -> tuple[list[SkippedTrials], list[str]]:
    """Take the planned trial from each item that will be skipped; the item stays, and pytest skips it.

    Return these trials by test and reason, and a sentence on each mark that cannot be evaluated.
    """
    # Without pytest's own plugin nothing is skipped by a mark.
    if not config.pluginmanager.hasplugin("skipping"):
        return [], []
    marks = SkipMarks()
    found: dict[tuple[str, str], list[TrialKey]] = {}
    for item in items:
        planned = item.stash.get(PLANNED, None)
        if planned is None:
            continue
        reason = marks.reason_for(item)
        if reason is not None:
            del item.stash[PLANNED]
            item.stash[LEFT_OUT] = reason
            test = item.nodeid.partition("[")[0]
            found.setdefault((test, reason), []).append(planned.key)
    skipped = [SkippedTrials(test, reason, tuple(keys)) for (test, reason), keys in found.items()]
    return skipped, marks.problems


class SkipMarks:
    """Evaluates skip marks once for all items of a test that have the same ones."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        """A sentence on each mark that cannot be evaluated."""
        self._inherited: dict[int, tuple[int, ...]] = {}
        """The ids of the marks on each item's parent and its parents, by the parent's id."""
        self._reasons: dict[tuple[object, ...], str | None] = {}

    def reason_for(self, item: pytest.Item) -> str | None:
        """Return why an item will be skipped; None if it will not, as far as its marks say."""
        own = [id(mark) for mark in item.own_markers if mark.name in _NAMES]
        inherited = self._inherited_by(item)
        # The decorator of unittest, on a plain function.
        decorated = getattr(getattr(item, "obj", None), "__unittest_skip__", False)
        if not own and not inherited and not decorated:
            return None
        test = item.nodeid.partition("[")[0]
        key = (test, *own, *inherited)
        if key not in self._reasons:
            self._reasons[key] = self._evaluate(item, test)
        return self._reasons[key]

    def _inherited_by(self, item: pytest.Item) -> tuple[int, ...]:
        parent = item.parent
        if parent is None:
            return ()
        if id(parent) not in self._inherited:
            marks = (mark for mark in parent.iter_markers() if mark.name in _NAMES)
            self._inherited[id(parent)] = tuple(map(id, marks))
        return self._inherited[id(parent)]

    def _evaluate(self, item: pytest.Item, test: str) -> str | None:
        try:
            return _skip_reason(item)
        except (pytest.fail.Exception, TypeError) as problem:
            # pytest fails such an item before its body.
            sentence = f"{test}: a skip mark cannot be evaluated: {one_line(str(problem))}"
            self.problems.append(sentence)
            return sentence


def _skip_reason(item: pytest.Item) -> str | None:
    """Return why pytest will skip an item.

    Raises:
        pytest.fail.Exception: if a condition cannot be evaluated.
        TypeError: if a mark has arguments that it does not take.
    """
    body = getattr(item, "obj", None)
    if getattr(body, "__unittest_skip__", False):
        return str(getattr(body, "__unittest_skip_why__", ""))
    skipped = evaluate_skip_marks(item)
    if skipped is not None:
        return skipped.reason
    if item.config.getoption("runxfail", default=False):
        return None
    expected = evaluate_xfail_marks(item)
    if expected is not None and not expected.run:
        return f"not run, expected to fail: {expected.reason}"
    return None
