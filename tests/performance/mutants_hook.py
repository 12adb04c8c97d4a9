"""Lives in the environment of a tree with mutants: tells whether one is switched on, and which tests come past it.

PYTEST_DONT_REWRITE: it is imported before pytest is.
"""

from __future__ import annotations

import builtins
import json
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

_seen: set[tuple[int, str | None]] = set()


def _log(**entry: object) -> None:
    path = os.environ.get("MUTANTS_LOG")
    if path:
        with open(path, "a") as file:  # noqa: PTH123  # as light as can be: every process of the tests imports this
            file.write(json.dumps(entry) + "\n")


def is_on(number: int) -> bool:
    """Whether a mutant is switched on; notes that the test under way came past it."""
    test = os.environ.get("MUTANTS_TEST")
    if (number, test) not in _seen:
        _seen.add((number, test))
        _log(reached=number, test=test)
    return os.environ.get("MUTANT") == str(number)


vars(builtins)["_mutant"] = is_on


def pytest_runtest_protocol(item: pytest.Item) -> None:
    """Tell processes that a test starts whose they are."""
    os.environ["MUTANTS_TEST"] = item.nodeid


def pytest_runtest_logreport(report: Any) -> None:
    """Note how long a test took, and whether it failed; once, in the process that hears of all."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        if report.failed:
            _log(failed=report.nodeid)
        if report.when == "call":
            _log(ended=report.nodeid, took=report.duration)
