"""`--selfopt-dry-run`: a cycle's plan, calls and cost, without making a call."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_selfopt.console.quantities import counted
from pytest_selfopt.cycle.proof import most_calls
from pytest_selfopt.ledger.ledger import Ledger
from pytest_selfopt.loop.evaluate import find_refusal
from pytest_selfopt.loop.thresholds import Claim
from pytest_selfopt.planning.capabilities import can_force_cold_start
from pytest_selfopt.planning.cost import cost_warning, estimate_phase
from pytest_selfopt.planning.plan import PhasePlan
from pytest_selfopt.planning.power import describe_needs, known_of, outlooks_of
from pytest_selfopt.planning.session_plan import SessionPlan
from pytest_selfopt.settings import Settings
from pytest_selfopt.trial import Trial


def dry_run(session_plan: SessionPlan, settings: Settings, ledger: Ledger | None) -> list[str]:
    """Return lines on each phase's plan: baseline, candidates, calls and cost."""
    lines = ["selfopt dry run: no call is made, nothing is written"]
    for plan in session_plan.plans.values():
        lines += _phase(plan, session_plan, settings, ledger)
    return lines


def _phase(plan: PhasePlan, session_plan: SessionPlan, settings: Settings, ledger: Ledger | None) -> list[str]:
    cases = len(session_plan.cases(plan.phase))
    planned = session_plan.planned.values()
    trials = [trial for trial in planned if trial.key.phase == plan.phase]
    cost = estimate_phase(plan, trials, settings, ledger)
    lines = [f"{plan.phase}: baseline {plan.baseline.id}"]
    lines.extend(f"  {reason}" for reason in plan.because)
    for candidate in plan.candidates:
        address = candidate.spec.id
        lines.append(f"  candidate {address} ({candidate.why})")
    if not plan.candidates:
        lines.append(f"  plateau: {plan.plateau}")
    if ledger is not None:
        lines.extend(_refused(plan, ledger))
    calls = f"{cost.calls:,}"
    if cost.calls != cost.most_calls:
        calls += f" to {cost.most_calls:,}"
    price = f"{cost.sentence}{cost_warning(cost, settings)}"
    lines.append(f"  {counted(cases, 'prompt')}, {calls} calls, {price}")
    if settings.phase(plan.phase).limits.claim is Claim.NEW_PROMPTS and plan.candidates:
        lines.append(f"  {_claim_needs(plan, cases, settings)}")
    if settings.proves_at_once:
        in_blocks = can_force_cold_start(settings, plan.baseline.model)
        proof = most_calls(settings, plan.phase, cases, in_blocks=in_blocks)
        promise = "a rule that follows from it is proven at once"
        lines.append(f"  {promise}, in up to {proof:,} more calls")
    return lines


def _claim_needs(plan: PhasePlan, cases: int, settings: Settings) -> str:
    """Say how many prompts the claim on new prompts needs."""
    known = known_of(settings, plan.phase)
    limits = settings.phase(plan.phase).limits
    return describe_needs(outlooks_of(plan, limits, cases=cases, first=known.first_test, churn=known.churn))


def _refused(plan: PhasePlan, ledger: Ledger) -> Iterator[str]:
    """Yield a line on each candidate that is not tried again because its server refused it."""
    comparisons = ledger.comparisons(plan.phase)
    last = {comparison.candidate: comparison for comparison in comparisons if comparison.baseline == plan.baseline.id}
    for name in sorted(plan.rejected & last.keys()):
        trials: list[Trial] = []
        for of_cycle in ledger.trials(last[name].cycles, plan.phase).values():
            trials += [trial for trial in of_cycle if trial.spec == name]
        reason = find_refusal(trials)
        if reason:
            yield f"  not tried again: {name}, because its server refused every call ({reason})"
