"""Comparisons in turns: what can show in which way, and what is searched."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from pytest_selfopt.ledger.comparisons import Comparison
from pytest_selfopt.loop.generate import Candidate, generate
from pytest_selfopt.planning.plan import PhasePlan
from pytest_selfopt.planning.turns import NO_COLD_START, could_show, suite_hash, with_candidates
from pytest_selfopt.specs.neighbours import SearchSpace
from pytest_selfopt.specs.spec import parse_spec

BASELINE = parse_spec("m/atomic/native_api/t60/r1/i0")
WARM, SCHEMA = f"{BASELINE.id}/w1", "m/atomic/schema/t60/r1/i0"
SPACE = SearchSpace(variants=("schema",), retries=(), timeouts_s=(), isolation=())
BASE = PhasePlan(phase="atomic", baseline=BASELINE)


def plan(*, held: Sequence[str] = (), rejected: Sequence[str] = (), base: PhasePlan = BASE, turns: bool) -> PhasePlan:
    search = partial(generate, BASELINE, held=held, rejected=rejected, limit=1)
    return with_candidates(base, SPACE, search, in_turns=turns)


def names(made: PhasePlan) -> list[str]:
    return [candidate.spec.id for candidate in made.candidates]


def test_a_warm_up_waits_for_others_and_comes_alone() -> None:
    first = plan(turns=True)
    assert (names(first), first.left, first.block_passes) == ([SCHEMA], 1, 0)
    then = plan(rejected=[SCHEMA], turns=True)
    assert (names(then), then.left, then.block_passes) == ([WARM], 0, 3)
    undecided = plan(held=[WARM], turns=True)
    assert (names(undecided), undecided.left, undecided.block_passes) == ([WARM], 1, 3)


def test_a_warm_up_that_cannot_show_is_left_out() -> None:
    first = plan(turns=False)
    assert (names(first), first.because) == ([SCHEMA], BASE.because), "it would be said too early"
    then = plan(held=[WARM], rejected=[SCHEMA], turns=False)
    assert (names(then), then.left) == ([], 0)
    (why,) = then.because
    assert why.endswith(NO_COLD_START)


def test_nothing_is_asked_in_turns_beside_a_trial() -> None:
    trial = PhasePlan(phase="atomic", baseline=BASELINE, candidates=(Candidate(spec=parse_spec(SCHEMA), why="trial"),))
    made = plan(rejected=[SCHEMA], base=trial, turns=True)
    assert (names(made), made.block_passes, made.because) == ([SCHEMA], 0, ())


def test_trials_side_by_side_say_nothing_of_warm_ups() -> None:
    assert _shows(WARM, passes=3)
    assert _shows(SCHEMA, passes=0)
    assert not _shows(WARM, passes=0)


def _shows(candidate: str, *, passes: int) -> bool:
    """Whether a comparison that was made in blocks of so many passes (0: side by side) could show anything."""
    asked = PhasePlan(phase="atomic", baseline=BASELINE, block_passes=passes)
    comparison = Comparison(
        number=1,
        test=1,
        share=0.0,
        phase="atomic",
        baseline=BASELINE.id,
        candidate=candidate,
        suite_hash=suite_hash(["items:1"], "rests:2", asked),
        state="rejected",
        cycles=(1,),
    )
    return could_show(comparison)
