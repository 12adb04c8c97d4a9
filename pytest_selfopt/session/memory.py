"""All changes to pytest's internals, which keep sessions of 50,000 trials small and fast.

| function | relies on | saves |
| --- | --- | --- |
| `drop_parameters` | `Function.callspec`, which pytest does not read after an item is done | 850 bytes an item |
| `drop_keywords` | `TestReport.keywords`, a mapping that may be replaced | 250 bytes an item |
| `drop_from_terminal` | `TerminalReporter.stats[""]`, a list to which a report was appended | 850 bytes an item |
| `no_traceback` | `Item.repr_failure`, which an item may override | a fifth of the time of a session |
| `gate_items` | `config.hook.pytest_runtest_protocol`, which pytest and xdist call once for each item | |
| `tear_down` | `_pytest.runner.pytest_runtest_teardown`, called for an item that is skipped | |
| `mark_as_error` | the report that `_pytest.junitxml.LogXML` makes of an item, and its counts | |

All of it holds for pytest 8.4, 9.0 and 9.2; the bytes are those of 9.2, by `python -m tests.performance.memory`.
On a pytest that breaks what the first four rely on, `tests/acceptance/test_memory.py` fails; for the others,
`tests/acceptance/test_cycle.py` (fixtures of a module), `tests/acceptance/test_collected_items.py` (a plugin that
sees items) and `tests/acceptance/test_outages.py` (JUnit).

The first three do nothing while the environment variable SELFOPT_KEEP_ITEMS is set. So maintainers
can find out whether these cause a fault: outcomes must be the same.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from _pytest.junitxml import xml_key
from _pytest.runner import pytest_runtest_teardown

if TYPE_CHECKING:
    from _pytest._code.code import TerminalRepr
    from _pytest.terminal import TerminalReporter

KEEP_ITEMS = "SELFOPT_KEEP_ITEMS"
"""The environment variable, for maintainers, that keeps items and reports as pytest made them."""

_NO_KEYWORDS: dict[str, Any] = {}
"""The empty keywords that reports share once their own are dropped."""


def _keeps_items() -> bool:
    return bool(os.environ.get(KEEP_ITEMS))


def drop_parameters(item: pytest.Item) -> None:
    """Drop the parameters of a finished item: pytest keeps all items, and parameters are most of their size."""
    if isinstance(item, pytest.Function) and not _keeps_items():
        del item.callspec


def drop_keywords(report: pytest.TestReport) -> None:
    """Drop the keywords of a report: the terminal keeps three reports of each item, and a worker sends them all."""
    if not _keeps_items():
        report.keywords = _NO_KEYWORDS


def mark_as_error(config: pytest.Config, report: pytest.TestReport) -> None:
    """Turn the failure of a test body that pytest has just written to JUnit, if it does, into an error.

    pytest knows errors only of fixtures and of collection.
    """
    junit = config.stash.get(xml_key, None)
    if junit is None:
        return
    for node in junit.node_reporter(report).nodes:
        if node.tag == "failure":
            node.tag = "error"
            junit.stats["failure"] -= 1
            junit.stats["error"] += 1


def drop_from_terminal(terminal: TerminalReporter, report: pytest.TestReport) -> None:
    """Remove the last report from those that the terminal keeps without a category."""
    kept = terminal.stats.get("")
    if kept and kept[-1] is report and not _keeps_items():
        kept.pop()


class _Gate:
    """A hook caller that first asks whether an item is to be run at all."""

    def __init__(self, caller: Any, admits: Callable[[pytest.Item, pytest.Item | None], bool]) -> None:
        self._caller = caller
        self._admits = admits

    def __call__(self, *, item: pytest.Item, nextitem: pytest.Item | None) -> object:
        if not self._admits(item, nextitem):
            return True
        return self._caller(item=item, nextitem=nextitem)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._caller, name)


def gate_items(config: pytest.Config, admits: Callable[[pytest.Item, pytest.Item | None], bool]) -> None:
    """Run only items that `admits` accepts, given the item and the one after it.

    Other plugins wrap the hook that runs an item, and would report an item that is not run as skipped.
    """
    caller = config.hook.pytest_runtest_protocol
    vars(config.hook)["pytest_runtest_protocol"] = _Gate(caller, admits)


@contextmanager
def no_traceback(item: pytest.Item, failure: TerminalRepr) -> Iterator[None]:
    """Let pytest and other plugins render a failure as this one, instead of a traceback that is not shown."""
    vars(item)["repr_failure"] = lambda _: failure
    try:
        yield
    finally:
        del vars(item)["repr_failure"]


def tear_down(item: pytest.Item, following: pytest.Item | None) -> pytest.CallInfo[None]:
    """Tear down fixtures of an earlier item that `following` does not need, without running this item."""
    return pytest.CallInfo.from_call(
        lambda: pytest_runtest_teardown(item, following),
        when="teardown",
    )
