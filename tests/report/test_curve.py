"""The improvement curve: what is known now of what was in force after each cycle."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_selfopt.economy.measures import answers_of
from pytest_selfopt.economy.score import score_of
from pytest_selfopt.ledger.aggregates import CaseCount
from pytest_selfopt.report.curve import by_address, curve_of, in_force_in

SPECS = ("m/atomic/native_api/t60/r1/i0", "m/atomic/schema/t60/r1/i0")


def count(cycle: int, spec: str, case: str, passes: int, *, phase: str = "atomic", text: str = "") -> CaseCount:
    """How a case went in three runs."""
    return CaseCount(
        cycle=cycle,
        phase=phase,
        spec=spec,
        case=case,
        case_hash=case + text,
        restraint=False,
        weight=1.0,
        passes=passes,
        misses=3 - passes,
        errors=0,
        calls=0,
        tokens_in=0,
        tokens_out=0,
        cost_usd=0.0,
        unpriced=0,
        first=0.0,
        last=0.0,
    )


def entry(cycle: int, spec: str, **more: Any) -> dict[str, Any]:
    return {"cycle": cycle, "phase": "atomic", "baseline_before": spec, "baseline_after": spec, **more}


@given(
    passes=st.lists(
        st.tuples(st.sampled_from(SPECS), st.integers(0, 3), st.integers(0, 3), st.sampled_from(["", "!"])),
        min_size=1,
        max_size=8,
    )
)
def test_estimates_use_all_later_trials(passes: list[tuple[str, int, int, str]]) -> None:
    history = [entry(cycle, spec) for cycle, (spec, *_) in enumerate(passes, start=1)]
    counts = [
        count(cycle, spec, case, right, text=text)
        for cycle, (spec, one, other, text) in enumerate(passes, start=1)
        for case, right in (("a", one), ("b", other))
    ]
    points = curve_of(history, by_address(counts), [])
    assert [point.cycle for point in points] == list(range(1, len(passes) + 1))
    for point in points:
        spec, *_, text = passes[point.cycle - 1]
        later = [
            one for one in counts if one.cycle > point.cycle and one.spec == spec and one.case_hash == one.case + text
        ]
        score = score_of(map(answers_of, later))
        assert point.known_trials == score.trials == 3 * len(later)
        assert (point.known, point.known_low, point.known_high) == (
            (pytest.approx(score.accuracy), pytest.approx(score.low), pytest.approx(score.high))
            if later
            else (None, None, None)
        )


def test_cycles_without_current_trials_draw_no_point() -> None:
    history = [entry(1, SPECS[0]), entry(2, ""), entry(3, SPECS[1])]
    assert in_force_in(history) == set(SPECS)
    points = curve_of(history, by_address([count(1, SPECS[0], "a", 3), count(3, SPECS[0], "a", 3)]), [])
    assert [(point.cycle, point.known_trials) for point in points] == [(1, 3)]
