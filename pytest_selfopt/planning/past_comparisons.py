"""The past comparisons of a phase: candidates that need more evidence, and candidates that are finished."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from pytest_selfopt.errors import StateError
from pytest_selfopt.ledger.comparisons import Comparison
from pytest_selfopt.ledger.ledger import Ledger
from pytest_selfopt.loop.evidence.odds import bar
from pytest_selfopt.loop.race import MOST_HELD_PASSES
from pytest_selfopt.loop.thresholds import Claim, DecisionRule, Limits
from pytest_selfopt.loop.undo.logged import taken_back_of
from pytest_selfopt.loop.undo.taken_back import TakenBack
from pytest_selfopt.planning.provenance import RESTS, ProvenanceResolver
from pytest_selfopt.planning.turns import could_show
from pytest_selfopt.routing.decisions import Entry, read_decisions
from pytest_selfopt.routing.history import DECISIONS
from pytest_selfopt.specs.spec import Spec, parse_spec


def read_taken_back(state_dir: Path) -> tuple[TakenBack, ...]:
    """Return what a person took back and has not allowed since, by the decisions log.

    Raises:
        StateError: if a rule in the log cannot be used.
    """
    return taken_back_in(read_decisions(state_dir / DECISIONS))


def taken_back_in(entries: Iterable[Entry]) -> tuple[TakenBack, ...]:
    """Return what a person took back and has not allowed since, by the entries of the decisions log.

    Raises:
        StateError: if a rule in the log cannot be used.
    """
    try:
        return taken_back_of(entries)
    except ValueError as problem:
        raise StateError(f"{DECISIONS} holds a rule that cannot be used: {problem}") from None


def comparisons_of(
    ledger: Ledger | None,
    phase: str,
    address: str,
    provenance: ProvenanceResolver,
) -> list[Comparison]:
    """Return the past comparisons on the suite of this address, with unchanged models and variants.

    Those of warm-ups count only if they were made in turns: side by side there was nothing to see.
    """
    if ledger is None:
        return []
    same: list[Comparison] = []
    for comparison in ledger.comparisons(phase):
        if address not in comparison.suite_hash.split():
            continue
        if _rests_on_same(comparison, provenance) and could_show(comparison):
            same.append(comparison)
    return same


def _rests_on_same(
    comparison: Comparison,
    provenance: ProvenanceResolver,
) -> bool:
    """Whether models and variants are unchanged; a comparison stored without their hash counts as unchanged."""
    tokens = comparison.suite_hash.split()
    rests = [token for token in tokens if token.startswith(RESTS)]
    if not rests:
        return True
    baseline = parse_spec(comparison.baseline)
    candidate = parse_spec(comparison.candidate)
    return provenance.fingerprint(baseline, candidate) in rests


def tried(
    past: Sequence[Comparison],
    baseline: Spec,
    claim: Claim,
) -> tuple[tuple[str, ...], frozenset[str]]:
    """Return the candidates that need more evidence against this baseline, and those that are finished.

    Finished, too, is what this baseline was promoted over: the same comparison the other way round.
    """
    about = [row for row in past if row.baseline == baseline.id]
    waiting = tuple(row.candidate for row in about if _waits(row, claim))
    beaten = {row.baseline for row in past if row.candidate == baseline.id and row.state == "promoted"}
    tried = frozenset(row.candidate for row in about) | beaten
    return waiting, tried.difference(waiting)


def highest_rejected(rejected: Iterable[str], baseline: Spec, max_tokens: int | None) -> int | None:
    """Return the highest limit of tokens that was too low: the baseline's, or that of a rejected remedy."""
    for name in rejected:
        spec = parse_spec(name)
        limit = spec.sampling.max_tokens
        same = replace(spec, sampling=replace(spec.sampling, max_tokens=baseline.sampling.max_tokens)) == baseline
        if same and limit is not None and max_tokens is not None:
            max_tokens = max(max_tokens, limit)
    return max_tokens


def _waits(comparison: Comparison, claim: Claim) -> bool:
    """Whether a candidate against the baseline in force needs more passes."""
    # If the candidate was promoted but its baseline is still in force, the rule was never written.
    if comparison.state == "promoted":
        return True
    undecided = comparison.state in ("held", "open")
    if comparison.state == "exhausted":
        # The prompts were too few to claim anything on others; for a claim on themselves they may do.
        undecided = claim is Claim.SUITE
    return undecided and comparison.passes < MOST_HELD_PASSES


def measured_specs(past: Sequence[Comparison]) -> set[str]:
    """Return the ids of the specs that were compared."""
    measured: set[str] = set()
    for comparison in past:
        measured.add(comparison.baseline)
        measured.add(comparison.candidate)
    return measured


def share_of(limits: Limits) -> Callable[[int], float] | None:
    """Return a function from a test's number to its share of the error budget; None for the classic rule."""
    if limits.profile is DecisionRule.CLASSIC:
        return None
    return lambda test: float(1 / bar(test, limits.alpha))
