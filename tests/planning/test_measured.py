"""What earlier cycles have measured of a baseline, and whether a cycle can rely on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_selfopt.ledger.ledger import Ledger
from pytest_selfopt.loop.evaluate import evaluate
from pytest_selfopt.planning.measured import known_cycles, known_trials, measured_entry
from pytest_selfopt.planning.plan import PhasePlan
from pytest_selfopt.specs.spec import parse_spec
from tests.loop.worlds import SPEC, matrix, names

BASELINE = parse_spec(SPEC)


def known(folder: Path, *entries: dict[str, Any] | None) -> tuple[int, ...]:
    """The cycles to rely on after cycles with these entries of the baseline; None: it was not asked."""
    with Ledger(folder / "ledger.sqlite") as ledger:
        for entry in entries:
            cycle = ledger.start_cycle(started=0.0, seed=0, command="", plan={})
            measured: Any = {} if entry is None else {SPEC: {**told(3), **entry}}
            ledger.store_result(cycle, {"measured": {"atomic": measured}})
        return known_cycles(ledger, BASELINE, "items:1", "rests:1", least=3)


def told(passes: int) -> dict[str, Any]:
    return measured_entry(evaluate(SPEC, [], ()), "items:1", rests="rests:1", passes=passes)


@pytest.mark.parametrize(
    ("entries", "cycles"),
    [
        ([], ()),
        ([{}], (1,)),
        ([{"passes": 2}], ()),
        ([{"passes": 2}, {"passes": 1}], (1, 2)),
        ([{}, None, {"passes": 1}], (1, 3)),
        ([{}, {"passes": 0}, {"passes": 1}], (1, 3)),
        ([{}, {"suite": "items:2"}], ()),
        ([{"suite": "items:2"}, {}], (2,)),
        ([{"rests": "rests:2"}, {}], (2,)),
        ([{}, {"moved": True}, {"passes": 1}], (2, 3)),
        ([{}, {"moved": True, "passes": 1}], ()),
        ([{}, {"passes": 4}, {}], (2, 3)),
    ],
)
def test_the_newest_cycles_on_the_same_ground_count(
    tmp_path: Path, entries: list[dict[str, Any] | None], cycles: tuple[int, ...]
) -> None:
    assert known(tmp_path, *entries) == cycles


def test_results_of_older_versions_are_not_relied_on(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        cycle = ledger.start_cycle(started=0.0, seed=0, command="", plan={})
        entry: Any = {"suite": "items:1", "wrong": 0, "errors_by_kind": {}, "churn": 0.0, "cost_of_1000_usd": None}
        ledger.store_result(cycle, {"measured": {"atomic": {SPEC: entry}}})
        assert known_cycles(ledger, BASELINE, "items:1", "rests:1", least=3) == ()
    assert known_cycles(None, BASELINE, "items:1", "rests:1", least=3) == ()


def test_trials_count_only_if_every_case_has_some() -> None:
    plan = PhasePlan(phase="atomic", baseline=BASELINE, known_cycles=(4, 5))
    earlier = {4: matrix(["PP"] * 3), 5: matrix(["F"] * 3), 6: matrix(["P"] * 3)}
    trials = known_trials(plan, earlier, (), names(3))
    assert sorted({trial.run for trial in trials}) == [4_000, 4_001, 5_000]
    assert known_trials(plan, earlier, (), names(4)) == ()
