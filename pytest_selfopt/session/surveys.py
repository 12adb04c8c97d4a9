"""Surveys in the ledger: what `selfopt swarm` and `selfopt batch` have recorded, a line each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pytest_selfopt.ledger.ledger import Ledger
from pytest_selfopt.routing.files import timestamp
from pytest_selfopt.settings import Settings
from pytest_selfopt.specs.spec import parse_spec
from pytest_selfopt.trial import Outcome, Trial


def survey_lines(settings: Settings) -> list[str]:
    """A line for each survey, oldest first; nothing where there is none.

    Raises:
        StateError: when the ledger cannot be used.
    """
    path = settings.state_dir / "ledger.sqlite"
    if not path.exists():
        return []
    with Ledger(path) as ledger:
        found = [cycle for cycle in ledger.cycles() if "survey" in cycle["plan"]]
        return [_line(cycle, _trials(ledger, cycle)) for cycle in found]


def _trials(ledger: Ledger, cycle: Mapping[str, Any]) -> list[Trial]:
    specs = cycle["plan"]["survey"]["specs"]
    phases = dict.fromkeys(parse_spec(spec).phase for spec in specs)
    number = cycle["id"]
    return [one for phase in phases for one in ledger.trials([number], phase)[number] if one.spec in specs]


def _line(cycle: Mapping[str, Any], trials: Sequence[Trial]) -> str:
    """Such as "survey (cycle 4)  2026-11-27T10:00:00Z  swarm:10@tier1/atomic/…: 9 of 12 right, 1 without answer"."""
    specs: Sequence[str] = cycle["plan"]["survey"]["specs"]
    who = specs[0] if len(specs) == 1 else f"{len(specs)} models"
    return f"survey (cycle {cycle['id']})  {timestamp(cycle['started'])}  {who}: {_came(specs, trials)}"


def _came(specs: Sequence[str], trials: Sequence[Trial]) -> str:
    if not trials:
        return "nothing was answered"
    if len(specs) == 1:
        return _right(trials)
    each = {spec: [one for one in trials if one.spec == spec] for spec in specs}
    best = max((spec for spec in specs if each[spec]), key=lambda spec: _share(each[spec]))
    return f"best is {parse_spec(best).model} with {_right(each[best])}"


def _right(trials: Sequence[Trial]) -> str:
    errors = sum(one.outcome is Outcome.ERROR for one in trials)
    lost = f", {errors} without answer" if errors else ""
    return f"{sum(one.outcome is Outcome.PASS for one in trials)} of {len(trials)} right{lost}"


def _share(trials: Sequence[Trial]) -> float:
    return sum(one.outcome is Outcome.PASS for one in trials) / len(trials)
