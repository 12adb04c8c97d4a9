"""`selfopt report`: what history, log and routing configuration say, put together for people."""

from __future__ import annotations

import json
from pathlib import Path

from pytest_selfopt.errors import StateError
from pytest_selfopt.report.markdown import report_on_all, report_on_cycle
from pytest_selfopt.routing.config import read_config
from pytest_selfopt.routing.decisions import read_decisions
from pytest_selfopt.routing.files import write_atomically
from pytest_selfopt.routing.records import DECISIONS, HISTORY, read_history
from pytest_selfopt.settings import Settings

VERSION = 1
"""Of the report as JSON."""


def report(settings: Settings, cycle: int | None, *, form: str) -> str:
    """The report on a cycle, or on all of them (None), as Markdown (`form` "md") or JSON ("json").

    Raises:
        StateError: when nothing was recorded, or a file cannot be used.
    """
    history = read_history(settings.state_dir / HISTORY)
    if not history:
        raise StateError(f"there is no history in {settings.state_dir}; run pytest with --selfopt-cycle first")
    chosen = [entry for entry in history if cycle in (None, entry.get("cycle"))]
    if not chosen:
        known = ", ".join(dict.fromkeys(str(entry.get("cycle")) for entry in history))
        raise StateError(f"cycle {cycle} is not in the history; known are {known}")
    decisions = [one for one in read_decisions(settings.state_dir / DECISIONS) if cycle in (None, one.get("cycle"))]
    if form == "json":
        document = {"version": VERSION, "cycles": chosen, "decisions": decisions}
        return json.dumps(document, indent=2, ensure_ascii=True) + "\n"
    if cycle is not None:
        return report_on_cycle(chosen, decisions)
    return report_on_all(chosen, decisions, read_config(settings.routing_path).rules)


def write_report(path: Path, text: str) -> None:
    """Write a report, replacing the file as a whole.

    Raises:
        StateError: when it cannot be written.
    """
    write_atomically(path, text)
