"""A plugin of the sessions of the matrix: writes which item was reported how, as reporters see it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest


class OutcomeLog:
    """Writes a line of JSON for each report."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Write who was reported, when and how."""
        line = {"item": report.nodeid, "when": report.when, "outcome": report.outcome}
        with self._path.open("a") as file:
            file.write(json.dumps(line) + "\n")


def pytest_configure(config: pytest.Config) -> None:
    """Write where reports are told: in xdist's controller, not in its workers."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(OutcomeLog(Path(os.environ["OUTCOME_LOG"])), "neighbours-outcome-log")
