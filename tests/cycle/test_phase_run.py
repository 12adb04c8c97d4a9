"""A phase under way by the classic rule, which has no race."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_selfopt.cycle.phase_run import PhaseRun
from pytest_selfopt.loop.gates.gate_result import no_project_gates
from pytest_selfopt.loop.generate import Candidate
from pytest_selfopt.loop.thresholds import DecisionRule, Limits
from pytest_selfopt.planning.plan import PhasePlan
from pytest_selfopt.specs.spec import parse_spec
from tests.cycle.comparing import open_comparison
from tests.loop.worlds import matrix, names

BASELINE = parse_spec("m/atomic/native_api/t60/r1/i0")
WARM = replace(BASELINE, warmup=True)
ALL = frozenset((BASELINE.id, WARM.id))


def phase_run(plan: PhasePlan) -> PhaseRun:
    return PhaseRun(
        plan=plan,
        cases=names(2),
        suites=(),
        limits=Limits(profile=DecisionRule.CLASSIC),
        comparisons={WARM.id: open_comparison(BASELINE, WARM)},
        earlier={},
        project_gates=no_project_gates,
        churn=None,
    )


def test_a_cycle_resumed_by_it_asks_every_spec_in_full() -> None:
    """The plan is of a cycle that began with a race, whose leader would go on alone."""
    plan = PhasePlan(
        phase="atomic",
        baseline=BASELINE,
        candidates=(Candidate(spec=WARM, why=""),),
        least_passes=3,
        most_passes=7,
    )
    run = phase_run(plan)
    for spec in (BASELINE, WARM):
        for trial in matrix(["FFF"] * 2, spec=spec.id):
            run.add(trial)
    assert run.live(3) == ALL


@pytest.mark.parametrize(("warm", "goes_on"), [("PPP", False), ("FFF", False), ("PFP", True)])
def test_blocks_are_asked_until_it_decides(warm: str, *, goes_on: bool) -> None:
    """Better in every run: promoted; as good: rejected; better but unsteady: another round."""
    plan = PhasePlan(
        phase="atomic",
        baseline=BASELINE,
        candidates=(Candidate(spec=WARM, why=""),),
        least_passes=6,
        most_passes=18,
        trial=WARM.id,
        block_passes=3,
    )
    run = phase_run(plan)
    for trial in matrix(["FFF"] * 2, spec=BASELINE.id):
        run.add(trial)
    for trial in matrix([warm] * 2, spec=WARM.id):
        run.add(replace(trial, run=trial.run + 3))
    assert run.live(6) == ({BASELINE.id} if goes_on else frozenset())
