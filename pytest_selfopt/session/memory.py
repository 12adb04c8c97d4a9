"""What is done inside pytest, so that sessions of 50,000 trials stay small and quick: all of it, and nowhere else.

| what is done | relies on | saves |
| --- | --- | --- |
| `drop_parameters` | `Function.callspec`, which nobody reads once an item is done | 850 bytes an item |
| `drop_keywords` | `TestReport.keywords`, a mapping that may be replaced | 250 bytes an item |
| `drop_from_terminal` | `TerminalReporter.stats[""]`, a list that a report was put at the end of | 850 bytes an item |
| `no_traceback` | `Item.repr_failure`, which an item may have of its own | a fifth of the time of a session |
| `tear_down` | `_pytest.runner.pytest_runtest_teardown`, called for an item that is left out | |

All of it holds for pytest 8.4, 9.0 and 9.2; the bytes are those of 9.2, by `python -m tests.performance.memory`.
`tests/acceptance/test_memory.py` fails where a pytest does not do what one of the first four relies on, and
`tests/acceptance/test_cycle.py` (what stands up for a module) where it does not do what the last one relies on.

The first three do nothing while the environment variable SELFOPT_KEEP_ITEMS is set. It is for maintainers, to tell
whether they are the cause of a fault: outcomes must be the same.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from _pytest.runner import pytest_runtest_teardown

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

KEEP_ITEMS = "SELFOPT_KEEP_ITEMS"
"""The environment variable that has items and reports kept as pytest made them; it is for maintainers."""

_NO_KEYWORDS: dict[str, Any] = {}
"""The keywords of all reports whose own nobody asks for."""


def _keeps_items() -> bool:
    return bool(os.environ.get(KEEP_ITEMS))


def drop_parameters(item: pytest.Item) -> None:
    """Drop the parameters of an item that is done: pytest keeps all items to the end, and these are most of each."""
    if isinstance(item, pytest.Function) and not _keeps_items():
        del item.callspec


def drop_keywords(report: pytest.TestReport) -> None:
    """Drop the keywords of a report: the terminal keeps three reports of each item, and a worker sends them all."""
    if not _keeps_items():
        report.keywords = _NO_KEYWORDS


def drop_from_terminal(terminal: TerminalReporter, report: pytest.TestReport) -> None:
    """Take a report out of those that the terminal keeps without a category, if it came in last."""
    kept = terminal.stats.get("")
    if kept and kept[-1] is report and not _keeps_items():
        kept.pop()


@contextmanager
def no_traceback(item: pytest.Item) -> Iterator[None]:
    """Keep pytest from making a traceback that nobody reads."""
    vars(item)["repr_failure"] = lambda _: ""
    try:
        yield
    finally:
        del vars(item)["repr_failure"]


def tear_down(item: pytest.Item, following: pytest.Item | None) -> pytest.CallInfo[None]:
    """Take down what an item before has left standing and `following` does not need, without running this item."""
    return pytest.CallInfo.from_call(
        lambda: pytest_runtest_teardown(item, following),
        when="teardown",
    )
