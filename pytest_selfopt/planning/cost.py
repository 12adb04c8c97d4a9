"""Cost estimates of planned trials, swarms and batches, the warning above a limit, and the confirmation."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from pytest_selfopt.bench.loading.suites import Suite
from pytest_selfopt.console.quantities import format_cost
from pytest_selfopt.economy.estimate import (
    CostPart,
    Estimate,
    Stage,
    Tokens,
    estimate_stages,
    together,
)
from pytest_selfopt.errors import SettingsError
from pytest_selfopt.ledger.ledger import Ledger
from pytest_selfopt.ledger.records import TokensOfSpec
from pytest_selfopt.planning.budget import require_prices
from pytest_selfopt.planning.plan import PhasePlan, PlannedTrial
from pytest_selfopt.planning.prompt_tokens import (
    prompts_usd,
    tokens_of_suites,
    tokens_of_trials,
)
from pytest_selfopt.planning.swarms import resolve_members
from pytest_selfopt.settings import Mode, Settings
from pytest_selfopt.specs.spec import Spec
from pytest_selfopt.swarm.pattern import PatternStep, Topology

Ask = Callable[[str], bool]
"""A function that asks the user a yes-or-no question."""


def cost_notice(
    plans: Mapping[str, PhasePlan],
    trials: Sequence[PlannedTrial],
    settings: Settings,
    ledger: Ledger | None,
) -> str:
    """Return a warning about the cost of these trials of a cycle or a gate; empty if none is needed.

    Raises:
        SettingsError: if a price that the budget needs is missing, or the prompts alone exceed the budget.
        StateError: if the ledger cannot be read.
    """
    if settings.mode is Mode.PLAIN:
        return ""
    require_prices(settings, resolve_members(settings, _models_of(plans)))
    # Most of a resumed cycle may be paid for already, and the budget of a proof was checked before it began.
    if settings.resume or settings.only_proves:
        return ""
    estimates: list[Estimate] = []
    for plan in plans.values():
        of_phase = _of_phase(trials, plan.phase)
        estimate = estimate_phase(plan, of_phase, settings, ledger)
        estimates.append(estimate)
    cost = together(estimates)
    refuse_cost(cost, settings)
    warning = cost_warning(cost, settings)
    if not warning:
        return ""
    return f"cost {cost.sentence}{warning}"


def _models_of(plans: Mapping[str, PhasePlan]) -> list[str]:
    """Return the names of the models that plans ask, each once."""
    names: dict[str, None] = {}
    for plan in plans.values():
        for spec in plan.specs:
            names[spec.model] = None
    return list(names)


def _of_phase(
    trials: Sequence[PlannedTrial],
    phase: str,
) -> list[PlannedTrial]:
    return [trial for trial in trials if trial.key.phase == phase]


def estimate_phase(
    plan: PhasePlan,
    trials: Sequence[PlannedTrial],
    settings: Settings,
    ledger: Ledger | None,
) -> Estimate:
    """Estimate a phase: the calls of every spec, and further calls at the price of the most expensive spec.

    Raises:
        SelfoptError: if the ledger cannot be read.
    """
    least = [trial for trial in trials if plan.is_certain(trial.key.spec, trial.key.run)]
    known: Sequence[TokensOfSpec] = ()
    if ledger is not None:
        known = ledger.tokens(plan.phase)
    calls_of_specs = _calls_of_specs(least, settings, known)
    parts: list[CostPart] = []
    for one_call, calls in calls_of_specs:
        parts += _times(one_call, calls)
    cases = len({trial.key.case for trial in least if not trial.case.expected_failure})
    further = _further_calls(plan, cases, len(trials) - len(least))
    if further:
        expensive = _most_expensive(calls_of_specs)
        parts += _times(expensive, further, certain=False)
    estimate = Estimate(parts=tuple(parts))
    if settings.max_cost_usd is None or ledger is None or not least:
        return estimate
    surely_usd = prompts_usd(least, settings, ledger)
    return replace(estimate, surely_usd=surely_usd)


def _calls_of_specs(
    trials: Sequence[PlannedTrial],
    settings: Settings,
    known: Sequence[TokensOfSpec],
) -> list[tuple[tuple[CostPart, ...], int]]:
    """Return the parts of one call and the number of calls, for each spec."""
    counts = Counter(trial.key.spec for trial in trials)
    cases_by_spec: dict[str, dict[str, PlannedTrial]] = {}
    for trial in trials:
        cases = cases_by_spec.setdefault(trial.key.spec, {})
        cases[trial.key.case] = trial
    calls_of_specs: list[tuple[tuple[CostPart, ...], int]] = []
    for spec_id, calls in counts.items():
        asked = tuple(cases_by_spec[spec_id].values())
        one_call = _parts_of_a_call(asked, settings, known)
        calls_of_specs.append((one_call, calls))
    return calls_of_specs


def _times(
    parts: Sequence[CostPart],
    calls: int,
    *,
    certain: bool | None = None,
) -> list[CostPart]:
    """Multiply parts by a number of calls; `certain` replaces that of each part, unless it is None."""
    multiplied: list[CostPart] = []
    for part in parts:
        many = replace(part, calls=part.calls * calls)
        if certain is not None:
            many = replace(many, certain=certain)
        multiplied.append(many)
    return multiplied


def _further_calls(plan: PhasePlan, cases: int, left: int) -> int:
    """Return the calls beyond those that every spec gets; at most the `left` calls of a partial selection."""
    most = plan.most_calls(cases)
    fewest = plan.fewest_calls(cases)
    return min(most - fewest, left)


def _most_expensive(
    calls_of_specs: Sequence[tuple[tuple[CostPart, ...], int]],
) -> tuple[CostPart, ...]:
    """Return the parts of the most expensive call (the first of equals); no parts without a spec."""
    expensive: tuple[CostPart, ...] = ()
    most_usd = -1.0
    for one_call, _ in calls_of_specs:
        call_usd = sum(map(_usd_of, one_call))
        if call_usd > most_usd:
            expensive = one_call
            most_usd = call_usd
    return expensive


def _usd_of(part: CostPart) -> float:
    return part.calls * (part.each_usd or 0.0)


def estimate_swarm(
    topology: Topology,
    tier: str,
    suites: Sequence[Suite],
    settings: Settings,
    *,
    phase: str | None,
    runs: int,
) -> Estimate:
    """Estimate a swarm's topology, once for each run and case of the suites (once a run without suites).

    Tokens are those of earlier calls, in one phase or in all phases (None).

    Raises:
        SelfoptError: if the tier is unknown, or the ledger cannot be read.
    """
    stages = stages_of(topology)
    return _estimate(stages, tier, suites, settings, phase=phase, runs=runs)


def estimate_batch(
    tier: str,
    suites: Sequence[Suite],
    settings: Settings,
    *,
    phase: str | None,
    runs: int,
) -> Estimate:
    """Estimate the calls to each model of a tier for each case of the suites.

    Raises:
        SelfoptError: if the tier is unknown, or the ledger cannot be read.
    """
    models = settings.tier(tier)
    stages = (Stage(calls=len(models)),)
    return _estimate(stages, tier, suites, settings, phase=phase, runs=runs)


def estimate_specs(specs: Sequence[Spec], suites: Sequence[Suite], settings: Settings, *, runs: int) -> Estimate:
    """Estimate the calls to each of the specs for each case of the suites.

    Raises:
        SelfoptError: if a model is unknown, or the ledger cannot be read.
    """
    known = _known(settings, specs[0].phase)
    cases = sum(len(suite.cases) for suite in suites)
    parts: list[CostPart] = []
    for spec in specs:
        model = settings.model(spec.model)
        tokens = {model.id: tokens_of_suites(spec, suites, settings, known)}
        parts += estimate_stages((Stage(calls=1),), (model,), model, tokens, cases * runs).parts
    return Estimate(parts=tuple(parts))


def _estimate(
    stages: Sequence[Stage],
    tier: str,
    suites: Sequence[Suite],
    settings: Settings,
    *,
    phase: str | None,
    runs: int,
) -> Estimate:
    models = settings.tier(tier)
    baseline = settings.phase(phase or "atomic").baseline
    known = _known(settings, phase)
    judge = models[0]
    if settings.swarms.judge:
        judge = settings.model(settings.swarms.judge)
    tokens: dict[str, Tokens | None] = {}
    for model in (*models, judge):
        asked = replace(baseline, model=model.id)
        tokens[model.id] = tokens_of_suites(asked, suites, settings, known)
    cases = sum(len(suite.cases) for suite in suites)
    if not suites:
        cases = 1
    return estimate_stages(stages, models, judge, tokens, cases * runs)


def stages_of(topology: Topology) -> tuple[Stage, ...]:
    """Return the stages of a topology: calls, answers that each call gets, and whether it may be a vote."""
    stages: list[Stage] = []
    for place, calls in enumerate(topology.stages):
        sources = len(topology.sources(place, 0))
        vote = topology.step(place) is PatternStep.AGGREGATE
        stage = Stage(calls=calls, sources=sources, vote=vote)
        stages.append(stage)
    return tuple(stages)


def cost_warning(estimate: Estimate, settings: Settings) -> str:
    """Return the end of a sentence about a cost above the limit for warnings; empty below it."""
    most = settings.warn_usd
    if not estimate.exceeds(most):
        return ""
    # In cents, unless the limit is a fraction of a cent.
    limit = f"${most:g}"
    if round(most, 2) == most:
        limit = f"${most:.2f}"
    return f"; that is more than {limit}"


def refuse_cost(estimate: Estimate, settings: Settings) -> None:
    """Refuse a cost that exceeds the budget for certain.

    Raises:
        SettingsError: if the prompts alone cost more.
    """
    most = settings.max_cost_usd
    if most is not None and estimate.surely_usd > most:
        least = format_cost(estimate.surely_usd)
        raise SettingsError(
            f"--selfopt-max-cost: the prompts alone cost {least}, "
            "by the tokens that the same prompts took before, "
            f"and at most ${most:g} may be spent; "
            "raise the budget, or use fewer prompts or candidates"
        )


def terminal_question() -> Ask | None:
    """Return a function that asks at the terminal; None if input or output is a file or a pipe."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return None
    return _ask_at_terminal


def _ask_at_terminal(question: str) -> bool:
    try:
        answer = input(f"{question} [y/N] ")
    except EOFError:
        return False
    return answer.strip().lower() in ("y", "yes")


def confirm_cost(
    cost: Estimate,
    settings: Settings,
    ask: Ask | None,
) -> bool:
    """Return whether a command may spend; ask the user if the cost is unknown or above the limit.

    Without `ask` the command runs, bounded by the budget alone.

    Raises:
        SettingsError: if the prompts alone cost more than the budget.
    """
    refuse_cost(cost, settings)
    if ask is None:
        return True
    if cost.high_usd is not None and not cost.exceeds(settings.warn_usd):
        return True
    warning = cost_warning(cost, settings)
    return ask(f"{cost.sentence}{warning}. Continue?")


def _parts_of_a_call(
    trials: Sequence[PlannedTrial],
    settings: Settings,
    known: Sequence[TokensOfSpec],
) -> tuple[CostPart, ...]:
    """Return the parts of one call of a spec: the call itself, or the calls of a swarm's members."""
    name = trials[0].spec.model
    swarm = settings.swarm(name)
    if swarm is None:
        model = settings.model(name)
        tokens_of_model = tokens_of_trials(model, trials, known)
        return (CostPart(model=model, calls=1, tokens=tokens_of_model),)
    members = list(map(settings.model, swarm.members))
    judge = settings.model(swarm.judge)
    tokens: dict[str, Tokens | None] = {}
    for member in (*members, judge):
        tokens[member.id] = tokens_of_trials(member, trials, known)
    stages = stages_of(swarm.topology)
    return estimate_stages(stages, members, judge, tokens, 1).parts


def _known(
    settings: Settings,
    phase: str | None,
) -> tuple[TokensOfSpec, ...]:
    path = settings.ledger_path
    if not path.exists():
        return ()
    with Ledger(path) as ledger:
        return ledger.tokens(phase)
