"""`--selfopt-dry-run`: what a cycle would do, in how many calls and at what cost, without making one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pytest_selfopt.ledger.ledger import Ledger
from pytest_selfopt.models.config import ModelConfig
from pytest_selfopt.session.collection import Collection
from pytest_selfopt.session.planned import PhasePlan
from pytest_selfopt.session.proving import most_calls
from pytest_selfopt.session.serving import cold_at_will
from pytest_selfopt.settings import Settings

DOLLAR_WARNING = 0.50


def dry_run(collection: Collection, settings: Settings, ledger: Ledger | None) -> list[str]:
    """What each phase would do: baseline, candidates, calls and cost."""
    lines = ["selfopt dry run: no call is made, nothing is written"]
    for plan in collection.plans.values():
        lines += _phase(plan, len(collection.cases(plan.phase)), settings, ledger)
    return lines


def _phase(plan: PhasePlan, cases: int, settings: Settings, ledger: Ledger | None) -> list[str]:
    fewest = {spec.model: 0 for spec in plan.specs}
    for spec in (spec for run in range(plan.least_passes) for spec in plan.specs_in(run)):
        fewest[spec.model] += cases
    further = plan.most_calls(cases) - plan.fewest_calls(cases)
    least, most = sum(fewest.values()), sum(fewest.values()) + further
    lines = [f"{plan.phase}: baseline {plan.baseline.id}"]
    lines += [f"  {reason}" for reason in plan.because]
    lines += [f"  candidate {candidate.spec.id} ({candidate.why})" for candidate in plan.candidates]
    lines += [] if plan.candidates else ["  plateau: every neighbour of the baseline was tried"]
    calls = f"{least:,}" if least == most else f"{least:,} to {most:,}"
    cost = _cost(fewest, further, settings, ledger, plan.phase)
    lines.append(f"  {cases} prompts, {calls} calls, {cost}")
    if settings.proves_at_once:
        proof = most_calls(settings, plan.phase, cases, turns=cold_at_will(settings, plan.baseline.model))
        lines.append(f"  a rule that follows from it is proven at once, in up to {proof:,} calls more")
    return lines


def _cost(fewest: Mapping[str, int], further: int, settings: Settings, ledger: Ledger | None, phase: str) -> str:
    """The cost of so many calls by model, and of further ones to the dearest; unknown is said to be unknown."""
    models = [settings.model(name) for name in fewest]
    if all(model.free for model in models):
        return "free"
    unpriced = [model.id for model in models if not model.free and None in (model.price_in, model.price_out)]
    if unpriced:
        return f"cost unknown: {', '.join(unpriced)} has no price"
    known = ledger.tokens_by_model(phase) if ledger is not None else {}
    unmeasured = [model.id for model in models if not model.free and model.id not in known]
    if unmeasured:
        return f"cost unknown: {', '.join(unmeasured)} was not asked yet, so nobody knows its tokens"
    each = {model.id: _per_call(model, known) for model in models}
    low = sum(each[name] * calls for name, calls in fewest.items())
    high = low + further * max(each.values())
    warning = f"; that is more than ${DOLLAR_WARNING:.2f}" if high > DOLLAR_WARNING else ""
    return f"about ${low:.4f} to ${high:.4f} by the tokens of earlier calls{warning}"


def _per_call(model: ModelConfig, known: Mapping[str, Sequence[float]]) -> float:
    if model.free:
        return 0.0
    tokens_in, tokens_out = known[model.id]
    return ((model.price_in or 0.0) * tokens_in + (model.price_out or 0.0) * tokens_out) / 1e6
