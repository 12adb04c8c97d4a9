"""The warm-up call of a spec."""

from __future__ import annotations

from pathlib import Path

from pytest_selfopt.execution.calls import CallFactory
from pytest_selfopt.planning.plan import PhasePlan
from pytest_selfopt.settings import Mode, Overrides, load_settings
from pytest_selfopt.specs.spec import Spec


def test_it_may_take_ten_seconds(tmp_path: Path) -> None:
    cold = Spec(model="m", phase="atomic", variant="native_api", timeout_s=300)
    warm = Spec(model="m", phase="atomic", variant="native_api", timeout_s=300, warmup=True)
    calls = CallFactory(0, {}, load_settings(tmp_path, Mode.PLAIN, Overrides()))
    (call,) = calls.warmups(PhasePlan(phase="atomic", baseline=warm), 0)
    assert (call.options.timeout_s, calls.warmed_spec(call)) == (10, warm)
    assert calls.warmups(PhasePlan(phase="atomic", baseline=cold), 0) == ()
