"""A phase under way by the race: which specs are asked in the next pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from pytest_selfopt.cycle.phase_run import PhaseRun
from pytest_selfopt.loop.gates.gate_result import no_project_gates
from pytest_selfopt.loop.generate import Candidate
from pytest_selfopt.loop.thresholds import Limits
from pytest_selfopt.planning.plan import PhasePlan
from pytest_selfopt.specs.spec import Spec, parse_spec
from pytest_selfopt.trial import Trial
from tests.cycle.comparing import open_comparison
from tests.loop.worlds import matrix, names

BASELINE = parse_spec("m/atomic/native_api/t60/r1/i0")
SCHEMA, FEW_SHOT = replace(BASELINE, variant="schema"), replace(BASELINE, variant="few_shot")
PATIENT = replace(BASELINE, retries=2)
CASES = 8
NOTHING: Mapping[int, Sequence[Trial]] = {}


def phase_run(*candidates: Spec, known: Mapping[int, Sequence[Trial]] = NOTHING) -> PhaseRun:
    """A phase with these candidates, whose baseline is known from these cycles."""
    comparisons = {
        candidate.id: open_comparison(BASELINE, candidate, number=number, test=number)
        for number, candidate in enumerate(candidates, 1)
    }
    plan = PhasePlan(
        phase="atomic",
        baseline=BASELINE,
        candidates=tuple(Candidate(spec=spec, why="") for spec in candidates),
        least_passes=1,
        most_passes=13,
        baseline_passes=1 if known else 3,
        known_cycles=tuple(known),
        leaves_early=bool(candidates),
    )
    return PhaseRun(
        plan=plan,
        cases=names(CASES),
        suites=(),
        limits=Limits(),
        comparisons=comparisons,
        earlier=known,
        project_gates=no_project_gates,
        churn=None,
    )


def answer(run: PhaseRun, spec: Spec, *passes: str) -> None:
    """Add passes, each with a letter for each case."""
    rows = ["".join(row) for row in zip(*passes, strict=True)]
    for trial in matrix(rows, spec=spec.id):
        run.add(trial)


def ids(*specs: Spec) -> frozenset[str]:
    return frozenset(spec.id for spec in specs)


def test_who_is_not_ahead_leaves_after_the_first_pass() -> None:
    run = phase_run(SCHEMA, FEW_SHOT)
    answer(run, BASELINE, "FFFFPPPP")
    answer(run, SCHEMA, "PFFFFPPP")
    answer(run, FEW_SHOT, "PPFFPPPP")
    assert run.live(1) == ids(BASELINE, FEW_SHOT)
    assert run.stopped == {SCHEMA.id: "stopped: not ahead (fixed 1, broke 1)"}


@pytest.mark.parametrize(("known", "asked"), [({}, True), ({4: "PPP"}, False), ({4: "FFF"}, True)])
def test_an_unknown_or_moved_baseline_goes_on_alone(known: dict[int, str], *, asked: bool) -> None:
    """It was always right before, or always wrong, and is right now."""
    run = phase_run(SCHEMA, known={cycle: matrix([row] * CASES, spec=BASELINE.id) for cycle, row in known.items()})
    answer(run, BASELINE, "PPPPPPPP")
    answer(run, SCHEMA, "PPPPPPPP")
    assert run.live(1) == (ids(BASELINE) if asked else frozenset())
    assert run.has_moved is (known == {4: "FFF"})


def test_a_cure_of_errors_is_asked_while_it_is_level() -> None:
    run = phase_run(SCHEMA, PATIENT)
    for spec in (BASELINE, SCHEMA, PATIENT):
        answer(run, spec, "FFFFPPPP")
    assert run.live(1) == ids(BASELINE, PATIENT)


def test_an_incomplete_pass_tells_nothing() -> None:
    run = phase_run(SCHEMA)
    answer(run, BASELINE, "PPPPPPPP")
    answer(run, SCHEMA, "FFFF")
    assert run.live(1) == ids(BASELINE, SCHEMA)
    assert run.live(3) == frozenset()


def test_a_diagnosis_rests_on_earlier_cycles_too() -> None:
    run = phase_run(SCHEMA, known={4: matrix(["PPP"] * CASES, spec=BASELINE.id)})
    answer(run, BASELINE, "P" * CASES)
    assert sorted({trial.run for trial in run.standing_trials(9)}) == [4_000, 4_001, 4_002, 9_000]
    answer(run, BASELINE, *["P" * CASES] * 3)
    assert sorted({trial.run for trial in run.standing_trials(9)}) == [0, 1, 2]
