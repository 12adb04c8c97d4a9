"""The proof that follows a cycle at once: the rules on trial, within the rest of the budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_selfopt.console.quantities import format_cost
from pytest_selfopt.loop.actions import RuleChange
from pytest_selfopt.loop.cycle import Conclusion
from pytest_selfopt.loop.race import most_passes
from pytest_selfopt.planning.plan import PhasePlan
from pytest_selfopt.planning.turns import BLOCKS_OF_A_SPEC, PASSES_OF_A_BLOCK
from pytest_selfopt.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofRun:
    """A proof to be run: `what` names the rules, and the limits are the rest of the budget (None: no bound)."""

    phases: tuple[str, ...]
    what: str
    max_calls: int | None = None
    max_cost_usd: float | None = None


def proof_of(
    conclusions: Sequence[Conclusion],
    following: Mapping[str, PhasePlan],
    cases: Mapping[str, int],
    settings: Settings,
    *,
    spent: tuple[int, float],
) -> tuple[ProofRun | None, str]:
    """Return the proof of the rules that this cycle put on trial, or a sentence on why it has to wait.

    `following` are the plans of the next cycle, `cases` the number of prompts, both by phase; `spent` are the calls and
    the USD of this cycle.
    """
    trials = _put_on_trial(conclusions, following)
    if not trials or not settings.proves_at_once:
        return None, ""
    calls, cost_usd = spent
    left_calls = left_usd = None
    if settings.max_calls is not None:
        left_calls = settings.max_calls - calls
    if settings.max_cost_usd is not None:
        left_usd = settings.max_cost_usd - cost_usd
    needed = sum(
        fewest_calls(following[phase], cases[phase], settings.phase(phase).limits.min_samples) for phase in trials
    )
    what = _describe(trials)
    waits = f"{what} is left to the next cycle"
    if left_calls is not None and left_calls < needed:
        reason = f"proving it takes {needed} calls, the budget has {left_calls}"
        return None, f"{waits}: {reason}"
    # A call of the proof is taken to cost as much as the mean call of this cycle.
    if left_usd is not None and left_usd < needed * cost_usd / max(1, calls):
        reason = f"the budget has {format_cost(max(0.0, left_usd))}, which is too little"
        return None, f"{waits}: {reason}"
    proof = ProofRun(
        phases=tuple(trials),
        what=what,
        max_calls=left_calls,
        max_cost_usd=left_usd,
    )
    return proof, ""


def _put_on_trial(conclusions: Sequence[Conclusion], following: Mapping[str, PhasePlan]) -> dict[str, RuleChange]:
    """Return the last change that put a rule on trial, for each phase whose next plan would prove it."""
    trials: dict[str, RuleChange] = {}
    for conclusion in conclusions:
        for change in conclusion.changes:
            if change.kind == "trial" and following[conclusion.phase].trial:
                trials[conclusion.phase] = change
    return trials


def _describe(trials: Mapping[str, RuleChange]) -> str:
    rules: list[str] = []
    for phase, change in trials.items():
        action = change.evidence["action"]
        rules.append(f"{action} for {change.model} in {phase}")
    return " and ".join(rules)


def fewest_calls(plan: PhasePlan, cases: int, passes: int) -> int:
    """Return the minimum of calls that a proof takes if it succeeds, which takes so many `passes` of both specs."""
    if plan.block_passes:
        return plan.fewest_calls(cases)
    return 2 * passes * cases


def most_calls(settings: Settings, phase: str, cases: int, *, in_blocks: bool) -> int:
    """Return the maximum of calls that a proof after a cycle takes."""
    passes = PASSES_OF_A_BLOCK * BLOCKS_OF_A_SPEC
    if not in_blocks:
        passes = most_passes(1, settings.phase(phase).limits.min_samples)
    return 2 * cases * passes
