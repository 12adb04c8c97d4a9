"""Comparisons in turns: a warm-up is measured in blocks of passes that each begin with a cold model.

Side by side, the warm-up of one spec would warm the model for the other, too, so that there would be nothing to see.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from pytest_selfopt.ledger.comparisons import Comparison
from pytest_selfopt.loop.generate import Candidate, Generation
from pytest_selfopt.planning.plan import PhasePlan
from pytest_selfopt.specs.neighbours import SearchSpace, differs_in_warmup
from pytest_selfopt.specs.spec import Spec, parse_spec

PASSES_OF_A_BLOCK = 3
"""The number of first runs that a cold start can affect."""
BLOCKS_OF_A_SPEC = 3
"""The blocks of each spec: nine passes in all, enough for specs that are not interleaved."""
NO_COLD_START = "this server cannot be told to unload the model for a cold start"
_NOT_COMPARED = f"no other warm-up is compared, because it shows only from a cold start: {NO_COLD_START}"

_IN_TURNS = "in-turns"
"""The part of a stored suite hash by which a comparison in turns is another one than the same side by side."""


def suite_hash(addresses: Iterable[str], fingerprint: str, plan: PhasePlan) -> str:
    """Return what a comparison is about besides its specs: its suites, its provenance and its design.

    Trials in turns from cold starts are not more of the same as trials side by side.
    """
    parts = [*sorted(addresses), fingerprint]
    if plan.block_passes:
        parts.append(_IN_TURNS)
    return " ".join(parts)


def could_show(comparison: Comparison) -> bool:
    """Whether the difference of two specs could show in the way that they were asked."""
    baseline, candidate = parse_spec(comparison.baseline), parse_spec(comparison.candidate)
    return not differs_in_warmup(candidate, baseline) or _IN_TURNS in comparison.suite_hash.split()


def with_candidates(
    base: PhasePlan,
    space: SearchSpace,
    search: Callable[..., Generation],
    *,
    in_turns: bool,
) -> PhasePlan:
    """Add what a `search` (`generate` with a space yet to be given) finds to a plan, in blocks if it is a warm-up.

    A warm-up is not searched beside a rule on trial, nor at all if specs cannot be asked `in_turns` that begin cold;
    then a sentence says so once it would have been tried.
    """
    without = replace(space, warmup=())
    shown = without
    if in_turns and not base.candidates:
        shown = space
    found = search(shown, turns=True)
    candidates = (*base.candidates, *found.candidates)
    plan = replace(base, candidates=candidates, left=found.left, unneeded=found.unneeded)
    if _has_warmup(found.candidates, base.baseline):
        return replace(plan, block_passes=PASSES_OF_A_BLOCK)
    said = any(reason.endswith(NO_COLD_START) for reason in base.because)
    if in_turns or said or not _has_warmup(search(space).candidates, base.baseline):
        return plan
    return replace(plan, because=(*base.because, _NOT_COMPARED))


def _has_warmup(candidates: Iterable[Candidate], baseline: Spec) -> bool:
    """Whether a candidate differs from the baseline in its warm-up."""
    return any(differs_in_warmup(candidate.spec, baseline) for candidate in candidates)
