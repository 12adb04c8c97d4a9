"""Estimates before spending: of what a session has planned, and of swarms; and whether one may go on."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pytest_selfopt.bench.suites import Suite, load_suite, suite_files
from pytest_selfopt.economy.estimate import (
    USUAL,
    Estimate,
    Part,
    Stage,
    Tokens,
    dollars,
    earlier_tokens,
    estimate_stages,
    model_and_variant,
    most_tokens,
    together,
)
from pytest_selfopt.errors import SettingsError, SpecError
from pytest_selfopt.ledger.ledger import Ledger
from pytest_selfopt.ledger.records import TokensOfSpec
from pytest_selfopt.models.config import ModelConfig
from pytest_selfopt.models.cost import cost_of_tokens
from pytest_selfopt.planning.budget import require_prices
from pytest_selfopt.planning.plan import PhasePlan, PlannedTrial
from pytest_selfopt.planning.swarms import resolve_members
from pytest_selfopt.settings import Mode, Settings
from pytest_selfopt.specs.request import ChatRequest
from pytest_selfopt.specs.spec import Spec
from pytest_selfopt.specs.variants import VARIANTS, build_request
from pytest_selfopt.swarm.pattern import Step, Topology

Ask = Callable[[str], bool]
"""Asks a person a question that is answered by yes or no."""


def cost_notice(
    plans: Mapping[str, PhasePlan], trials: Sequence[PlannedTrial], settings: Settings, ledger: Ledger | None
) -> str:
    """What these trials of a cycle or a gate will cost, if that is worth a warning; empty when it is not.

    Raises:
        SettingsError: when it cannot be bounded as it should, or surely costs more than the budget has.
        StateError: when the ledger cannot be read.
    """
    if settings.mode is Mode.PLAIN:
        return ""
    names = dict.fromkeys(spec.model for plan in plans.values() for spec in plan.specs)
    require_prices(settings, resolve_members(settings, names))
    # Of a cycle that is gone on with most may be paid for already, and a proof was measured before it began.
    if settings.resume or settings.only_proves:
        return ""
    cost = together(
        estimate_phase(plan, [one for one in trials if one.key.phase == plan.phase], settings, ledger)
        for plan in plans.values()
    )
    refuse_cost(cost, settings)
    warning = cost_warning(cost, settings)
    return f"cost {cost.sentence}{warning}" if warning else ""


def estimate_phase(
    plan: PhasePlan, trials: Sequence[PlannedTrial], settings: Settings, ledger: Ledger | None
) -> Estimate:
    """What the trials of a phase will cost: those of all, and further ones of whoever goes on, at the dearest's cost.

    Raises:
        SelfoptError: when the ledger cannot be read.
    """
    least = [one for one in trials if one.key.run < plan.least_passes]
    cases = len({one.key.case for one in least})
    known = ledger.tokens(plan.phase) if ledger is not None else ()
    parts: list[Part] = []
    dearest: tuple[Part, ...] = ()
    most = -1.0
    for spec_id, calls in Counter(one.key.spec for one in least).items():
        asked = {one.key.case: one for one in least if one.key.spec == spec_id}
        one_call = _parts_of_a_call(tuple(asked.values()), settings, known)
        parts += [replace(part, calls=part.calls * calls) for part in one_call]
        each = sum(part.calls * (part.each_usd or 0.0) for part in one_call)
        dearest, most = (one_call, each) if each > most else (dearest, most)
    # Of a selection of trials, those that are left of them.
    further = min(plan.most_calls(cases) - plan.fewest_calls(cases), len(trials) - len(least))
    parts += [replace(part, calls=part.calls * further, certain=False) for part in dearest if further]
    if settings.max_cost_usd is None or ledger is None or not least:
        return Estimate(parts=tuple(parts))
    return Estimate(parts=tuple(parts), surely_usd=_surely(least, settings, ledger))


def estimate_swarm(
    topology: Topology, tier: str, suites: Sequence[Path], settings: Settings, *, phase: str | None, runs: int
) -> Estimate:
    """What going through a topology costs, once for each case of the suites (without any: once) and run.

    Calls are counted by what earlier ones took, in a phase or in all of them (None).

    Raises:
        SelfoptError: when there is no such tier, or a suite or the ledger cannot be read.
    """
    return _estimate(stages_of(topology), tier, suites, settings, phase=phase, runs=runs)


def estimate_batch(tier: str, suites: Sequence[Path], settings: Settings, *, phase: str | None, runs: int) -> Estimate:
    """What it costs to ask each model of a tier each case of the suites.

    Raises:
        SelfoptError: when there is no such tier, or a suite or the ledger cannot be read.
    """
    everybody = (Stage(calls=len(settings.tier(tier))),)
    return _estimate(everybody, tier, suites, settings, phase=phase, runs=runs)


def _estimate(
    stages: Sequence[Stage], tier: str, suites: Sequence[Path], settings: Settings, *, phase: str | None, runs: int
) -> Estimate:
    models = settings.tier(tier)
    loaded = [load_suite(path) for path in suite_files(suites)] if suites else []
    baseline = settings.phase(phase or "atomic").baseline
    known = _known(settings, phase)
    judge = settings.model(settings.swarms.judge) if settings.swarms.judge else models[0]
    tokens: dict[str, Tokens | None] = {}
    for model in (*models, judge):
        asked = replace(baseline, model=model.id)
        found = earlier_tokens(model.id, asked.variant, known)
        if found is None and not loaded:
            found = USUAL
        tokens[model.id] = found or most_tokens(_requests(loaded, settings, asked))
    cases = sum(len(suite.cases) for suite in loaded) if loaded else 1
    return estimate_stages(stages, models, judge, tokens, cases * runs)


def stages_of(topology: Topology) -> tuple[Stage, ...]:
    """The stages of a topology: how many calls, how many answers each is given, and which may be votes."""
    return tuple(
        Stage(calls=calls, sources=len(topology.sources(place, 0)), vote=topology.step(place) is Step.AGGREGATE)
        for place, calls in enumerate(topology.stages)
    )


def cost_warning(estimate: Estimate, settings: Settings) -> str:
    """The end of a sentence about a cost that is above the limit for warnings; empty when it is not."""
    most = settings.warn_usd
    # In cents, unless the limit is a part of one.
    limit = f"${most:.2f}" if round(most, 2) == most else f"${most:g}"
    return f"; that is more than {limit}" if estimate.exceeds(most) else ""


def refuse_cost(estimate: Estimate, settings: Settings) -> None:
    """Refuse to begin what cannot be had within the budget.

    Raises:
        SettingsError: when it surely costs more.
    """
    most = settings.max_cost_usd
    if most is not None and estimate.surely_usd > most:
        raise SettingsError(
            f"--selfopt-max-cost: the prompts alone cost {dollars(estimate.surely_usd)}, by the tokens that the same "
            f"prompts took before, and at most ${most:g} may be spent; raise it, or ask fewer prompts or candidates"
        )


def asker() -> Ask | None:
    """Asks at the terminal; None where nobody sits at one, because input or output is a file or a pipe."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return None

    def ask(question: str) -> bool:
        try:
            return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
        except EOFError:
            return False

    return ask


def confirmed(cost: Estimate, settings: Settings, ask: Ask | None) -> bool:
    """Whether a command may spend: whoever sits at the terminal is asked when the cost is unknown or above the limit.

    Without anybody to `ask` it goes on; what bounds it then is the budget.

    Raises:
        SettingsError: when it surely costs more than the budget has.
    """
    refuse_cost(cost, settings)
    if ask is None or (cost.high_usd is not None and not cost.exceeds(settings.warn_usd)):
        return True
    return ask(f"{cost.sentence}{cost_warning(cost, settings)}. Go on?")


def _parts_of_a_call(
    trials: Sequence[PlannedTrial], settings: Settings, known: Sequence[TokensOfSpec]
) -> tuple[Part, ...]:
    """What one call of the trials of a spec consists of: itself, or those of a swarm's members."""
    name = trials[0].spec.model
    swarm = settings.swarm(name)
    if swarm is None:
        model = settings.model(name)
        return (Part(model=model, calls=1, tokens=_tokens(model, trials, known)),)
    members, judge = [settings.model(member) for member in swarm.members], settings.model(swarm.judge)
    tokens = {one.id: _tokens(one, trials, known) for one in (*members, judge)}
    return estimate_stages(stages_of(swarm.topology), members, judge, tokens, 1).parts


def _tokens(model: ModelConfig, trials: Sequence[PlannedTrial], known: Sequence[TokensOfSpec]) -> Tokens | None:
    """The tokens of a call of a spec, by earlier calls or by its prompts; None when nobody can tell."""
    found = earlier_tokens(model.id, trials[0].spec.variant, known)
    if found is not None or None in (model.price_in, model.price_out) or any(one.case.world for one in trials):
        return found
    try:
        return most_tokens([build_request(one.case, one.suite.examples, one.spec, one.variant) for one in trials])
    except SpecError:
        # A variant that cannot ask makes errors of its trials, and is no reason to begin none.
        return None


def _requests(suites: Sequence[Suite], settings: Settings, spec: Spec) -> list[ChatRequest]:
    """What the cases are asked by; nothing when there are conversations, whose length nobody knows beforehand."""
    if any(case.world for suite in suites for case in suite.cases):
        return []
    variant = settings.variant(spec.variant)
    return [build_request(case, suite.examples, spec, variant) for suite in suites for case in suite.cases]


def _known(settings: Settings, phase: str | None) -> tuple[TokensOfSpec, ...]:
    path = settings.state_dir / "ledger.sqlite"
    if not path.exists():
        return ()
    with Ledger(path) as ledger:
        return ledger.tokens(phase)


def _surely(trials: Sequence[PlannedTrial], settings: Settings, ledger: Ledger) -> float:
    """The USD that the prompts of trials cost alone, as far as the very same ones were sent before."""
    fewest: dict[tuple[str, str, str], int] = {}
    phase = trials[0].key.phase
    for (spec, case_hash), tokens in ledger.fewest_prompt_tokens(phase).items():
        address = (*model_and_variant(spec, phase), case_hash)
        fewest[address] = min(tokens, fewest.get(address, tokens))
    total = 0.0
    for one in trials:
        # What else goes into a prompt, such as worked examples or the results of tools, may be another now.
        same = one.variant.name in VARIANTS and not one.variant.needs_examples and one.case.world is None
        tokens_in = fewest.get((one.spec.model, one.spec.variant, one.case.content_hash), 0) if same else 0
        total += cost_of_tokens(tokens_in, 0, settings.model(one.spec.model)) or 0.0
    return total
