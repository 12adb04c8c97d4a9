"""The plan of a phase: its baseline from configuration and routing, and the candidates to compare with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial

from pytest_selfopt.bench.loading.suites import Suite
from pytest_selfopt.errors import SettingsError
from pytest_selfopt.ledger.ledger import Ledger
from pytest_selfopt.loop.build_gate import Compare
from pytest_selfopt.loop.diagnosis.troubles import may_cure
from pytest_selfopt.loop.generate import Candidate, generate
from pytest_selfopt.loop.race import FULL_PASSES, most_passes
from pytest_selfopt.loop.undo.taken_back import TakenBack, changed_settings, why_not
from pytest_selfopt.planning.askable import (
    check_refused,
    converses,
    require_askable,
    require_conversations,
    with_isolation_told,
    without_alike,
    without_refused,
)
from pytest_selfopt.planning.capabilities import can_force_cold_start, max_tokens_of
from pytest_selfopt.planning.measured import known_cycles, last_result, too_expensive, troubles_of
from pytest_selfopt.planning.past_comparisons import (
    comparisons_of,
    highest_rejected,
    measured_specs,
    read_taken_back,
    tried,
)
from pytest_selfopt.planning.plan import PhasePlan
from pytest_selfopt.planning.provenance import ProvenanceResolver
from pytest_selfopt.planning.turns import BLOCKS_OF_A_SPEC, NO_COLD_START, PASSES_OF_A_BLOCK, with_candidates
from pytest_selfopt.routing.config import RoutingConfig
from pytest_selfopt.routing.rule import Rule
from pytest_selfopt.settings import Mode, Settings
from pytest_selfopt.specs.neighbours import SearchSpace, differs_in_warmup
from pytest_selfopt.specs.routed import apply_route
from pytest_selfopt.specs.spec import Spec, parse_spec

_GIVEN = "the baseline was given by --selfopt-baseline, over the routing configuration"
_CONFIGURED = "the baseline is the configured start; no rule changes it"


def plan_phase(
    phase: str,
    suite: Suite,
    *,
    settings: Settings,
    routing: RoutingConfig,
    ledger: Ledger | None,
    provenance: ProvenanceResolver,
) -> PhasePlan:
    """Plan a phase; only a cycle gets candidates, without those that the ledger says were tried.

    A rule on trial that came from no diagnosis, such as a promotion to be proven again, is settled before new
    candidates are searched.

    Raises:
        SettingsError: if the baseline's model or variant is unknown, or the model is disabled without a fallback.
    """
    base = _base_plan(phase, settings, routing)
    _require_answers(base, suite, settings)
    if settings.mode is Mode.PLAIN:
        return base
    base = replace(base, because=(*base.because, *check_refused(base.specs, suite, settings)))
    if settings.mode is Mode.GATE:
        return gate_plan(base, settings, ledger)
    past = comparisons_of(ledger, phase, suite_address(suite), provenance)
    held, rejected = tried(past, base.baseline, settings.phase(phase).limits.claim)
    on_trial = {candidate.spec.id for candidate in base.candidates}
    limit = settings.phase(phase).limits.cost_ratio
    waiting = too_expensive(ledger, base.baseline, held, limit)
    taken_back = read_taken_back(settings.state_dir)
    search = partial(
        generate,
        base.baseline,
        held=[candidate for candidate in held if candidate not in waiting],
        rejected=rejected | on_trial | set(waiting),
        measured=measured_specs(past),
        asked_for=_asked_for(ledger, phase),
        taken_back=taken_back,
        max_tokens=highest_rejected(rejected, base.baseline, max_tokens_of(base.baseline, settings)),
        cures=partial(may_cure, base.baseline, troubles=troubles_of(ledger, base.baseline, suite_address(suite))),
        limit=_candidates_wanted(base, settings),
    )
    in_turns = can_force_cold_start(settings, base.baseline.model)
    space, alike = without_alike(_feasible(settings, suite), base.baseline, suite)
    space, refused = without_refused(space, base.baseline, suite, settings)
    left_alone = _left_alone(base.baseline, taken_back)
    base = replace(base, rejected=rejected, because=(*base.because, *alike, *refused, *waiting.values(), *left_alone))
    plan = with_candidates(base, space, search, in_turns=in_turns)
    candidates = with_isolation_told(plan.candidates, plan.baseline, settings)
    plan = replace(plan, candidates=candidates)
    return _with_passes(_with_known(plan, suite, settings, ledger, provenance), settings)


def _with_known(
    plan: PhasePlan, suite: Suite, settings: Settings, ledger: Ledger | None, provenance: ProvenanceResolver
) -> PhasePlan:
    """Add the earlier cycles that measured the baseline, on which a race can rely."""
    if plan.block_passes or not settings.race:
        return plan
    baseline, least = plan.baseline, settings.phase(plan.phase).limits.min_samples
    rests = provenance.fingerprint(baseline, baseline)
    return replace(plan, known_cycles=known_cycles(ledger, baseline, suite_address(suite), rests, least=least))


def _left_alone(baseline: Spec, taken_back: Iterable[TakenBack]) -> Iterator[str]:
    """Yield a sentence on each setting that a person took back for the baseline's model."""
    for one in taken_back:
        if (one.model, one.phase) == (baseline.model, baseline.phase):
            yield why_not(one)


def _require_answers(base: PhasePlan, suite: Suite, settings: Settings) -> None:
    """Check that the baseline, and the rule on trial, can be asked the suite.

    Raises:
        SettingsError: if its model or variant is unknown, or a swarm would have to hold a conversation.
    """
    for spec in base.specs:
        where = f"phase {base.phase!r}"
        if spec.model != base.requested and not base.forced:
            where = f"{settings.routing_path.name}, {where}"
        require_conversations(spec.model, where, suite, settings)
    settings.variant(base.baseline.variant)


def _candidates_wanted(base: PhasePlan, settings: Settings) -> int:
    """Return the number of candidates to generate beside the rule on trial."""
    if base.block_passes or base.only_proves:
        return 0
    return settings.max_candidates - len(base.candidates)


def gate_plan(
    base: PhasePlan,
    settings: Settings,
    ledger: Ledger | None,
) -> PhasePlan:
    """Plan a phase of a gate: the passes of the spec in force, and of the recorded spec if configured."""
    bars = settings.phase(base.phase).bars
    plan = replace(
        base,
        candidates=(),
        least_passes=bars.passes,
        most_passes=bars.passes,
    )
    if bars.compare is Compare.NONE:
        return plan
    recorded = spec_to_compare(settings, ledger, base.baseline)
    if bars.compare is not Compare.BESIDE:
        return plan
    if recorded is None or recorded == base.baseline:
        return plan
    # Side by side, a warm-up would warm the model for both.
    if differs_in_warmup(recorded, base.baseline):
        return plan
    beside = Candidate(spec=recorded, why="in force after the last cycle")
    return replace(plan, candidates=(beside,))


def recorded_spec(ledger: Ledger | None, phase: str) -> Spec | None:
    """Return the spec that the last decided cycle left in force; None without one."""
    spec = last_result(ledger, "in_force", phase, None)
    if not isinstance(spec, str):
        return None
    return parse_spec(spec)


def spec_to_compare(settings: Settings, ledger: Ledger | None, baseline: Spec) -> Spec | None:
    """Return the spec whose answers a build is compared with; None without a decided cycle.

    It is the one that the last decided cycle left in force, unless a person has rolled back what it has and the
    `baseline` has not: then it is the baseline itself.

    Raises:
        StateError: if the decisions log cannot be used.
    """
    recorded = recorded_spec(ledger, baseline.phase)
    if recorded is None or recorded == baseline:
        return recorded
    changed = set(changed_settings(baseline, recorded))
    for one in read_taken_back(settings.state_dir):
        if (one.model, one.phase) == (baseline.model, baseline.phase) and changed <= set(one.settings):
            return baseline
    return recorded


def _base_plan(
    phase: str,
    settings: Settings,
    routing: RoutingConfig,
) -> PhasePlan:
    """Plan a phase before candidates are generated: the baseline and, in a cycle, the rule on trial."""
    plan = _with_trial(phase, settings, routing)
    if settings.warmup is not None:
        plan = _with_warmup(plan, warmup=settings.warmup)
    trial = ""
    proves = settings.only_proves
    if plan.candidates:
        trial = plan.candidates[0].spec.id
        rule = routing.get_rule(plan.baseline.model, phase)
        proves = proves or _from_no_diagnosis(rule)
    return replace(
        plan,
        only_proves=proves,
        requested=settings.phase(phase).baseline.model,
        forced=settings.forced_model is not None,
        overruled=_overruled_by_force(phase, settings, routing),
        trial=trial,
    )


def _with_trial(
    phase: str,
    settings: Settings,
    routing: RoutingConfig,
) -> PhasePlan:
    """Plan the baseline and, in a cycle, the baseline with the rule on trial as a candidate."""
    if settings.mode is not Mode.CYCLE:
        baseline, because = baseline_of(phase, settings, routing)
        return PhasePlan(phase=phase, baseline=baseline, because=because)
    without = routing.without_trials()
    baseline, because = baseline_of(phase, settings, without)
    tried = _on_trial(phase, settings, routing, baseline)
    plan = PhasePlan(
        phase=phase,
        baseline=baseline,
        candidates=tried,
        because=because,
    )
    if not tried or not differs_in_warmup(tried[0].spec, baseline):
        return plan
    if can_force_cold_start(settings, baseline.model):
        return replace(plan, block_passes=PASSES_OF_A_BLOCK)
    # Interleaved specs share a model, so the warm-up of one would warm the other, too.
    cannot = f"its warm-up stays on trial: {NO_COLD_START}"
    return PhasePlan(
        phase=phase,
        baseline=tried[0].spec,
        because=(*because, cannot),
    )


def _with_warmup(plan: PhasePlan, *, warmup: bool) -> PhasePlan:
    """Set the command line's warm-up in every spec, and remove candidates that then equal the baseline."""
    baseline = replace(plan.baseline, warmup=warmup)
    candidates: list[Candidate] = []
    for candidate in plan.candidates:
        spec = replace(candidate.spec, warmup=warmup)
        if spec != baseline:
            candidates.append(replace(candidate, spec=spec))
    state = "off"
    if warmup:
        state = "on"
    reason = f"warm-up is {state} by the command line"
    return replace(
        plan,
        baseline=baseline,
        candidates=tuple(candidates),
        because=(*plan.because, reason),
        block_passes=0,
    )


def _from_no_diagnosis(rule: Rule | None) -> bool:
    return rule is not None and "action" not in (rule.evidence or {})


def _with_passes(plan: PhasePlan, settings: Settings) -> PhasePlan:
    """Set the passes that every spec gets, and the most that one candidate may get."""
    if plan.block_passes:
        round_passes = plan.block_passes * len(plan.specs)
        return replace(plan, least_passes=round_passes, most_passes=BLOCKS_OF_A_SPEC * round_passes)
    least = settings.phase(plan.phase).limits.min_samples
    full = max(FULL_PASSES, least)
    if not settings.race:
        return replace(plan, least_passes=full, most_passes=full)
    baseline_passes = least
    if plan.known_cycles:
        baseline_passes = 1
    if not plan.candidates:
        return replace(plan, least_passes=baseline_passes, most_passes=least)
    return replace(
        plan,
        least_passes=1,
        most_passes=most_passes(len(plan.candidates), least),
        baseline_passes=baseline_passes,
        leaves_early=True,
    )


def _on_trial(
    phase: str,
    settings: Settings,
    routing: RoutingConfig,
    baseline: Spec,
) -> tuple[Candidate, ...]:
    """Return the baseline with the rule on trial, as a candidate; empty if no rule is on trial."""
    spec, _ = baseline_of(phase, settings, routing)
    rule = routing.get_rule(baseline.model, phase)
    if rule is None or not rule.on_trial or spec == baseline:
        return ()
    where = f"{settings.routing_path.name}: the fallback_model of the rule on trial for {baseline.model} in {phase}"
    require_askable(spec.model, where, settings)
    why = f"on trial: {rule.reason}"
    return (Candidate(spec=spec, why=why),)


def baseline_of(
    phase: str,
    settings: Settings,
    routing: RoutingConfig,
) -> tuple[Spec, tuple[str, ...]]:
    """Return the spec in force for a phase, and the sentences that say where it comes from."""
    start = settings.phase(phase).baseline
    given = settings.forced_baseline
    if given is not None and given.phase == phase:
        return start, (_GIVEN,)
    if settings.forced_model is not None:
        forced = f"{settings.forced_model} is asked by --selfopt-force-model, over the routing configuration"
        overruled = _overruled_by_force(phase, settings, routing)
        return replace(start, model=settings.forced_model), tuple(filter(None, [forced, overruled]))
    route = routing.apply_routing(start.model, phase, fallback=settings.phase(phase).fallback)
    if not route.allowed:
        reasons = "; ".join(route.because)
        raise SettingsError(
            f"{settings.routing_path.name}: {start.model!r} is disabled "
            f"for phase {phase!r} and has no usable fallback ({reasons}); "
            "name a fallback_model in that rule, a fallback of the phase in the settings, or another baseline"
        )
    because = route.because or (_CONFIGURED,)
    return apply_route(start, route), because


def _overruled_by_force(phase: str, settings: Settings, routing: RoutingConfig) -> str:
    """Return a sentence on the rule that disables the model given by --selfopt-force-model; empty if none does."""
    model = settings.forced_model
    if model is None:
        return ""
    rule = routing.get_rule(model, phase)
    if rule is None or rule.allow:
        return ""
    return f"overruled: {routing.apply_routing(model, phase).because[0]}"


def suite_address(suite: Suite) -> str:
    """Return the name and content hash of a suite, so that evidence never applies to other questions."""
    return f"{suite.name}:{suite.content_hash}"


def _asked_for(ledger: Ledger | None, phase: str) -> tuple[str, ...]:
    """Return the actions that the diagnosis of the last decided cycle asked for."""
    actions = last_result(ledger, "asked_for", phase, [])
    return tuple(action for action in actions if isinstance(action, str))


def _feasible(settings: Settings, suite: Suite) -> SearchSpace:
    """Return the search space without specs that cannot ask this suite or that the command line excludes."""
    space = settings.space
    if converses(suite):
        single = [name for name in space.models if not settings.model(name).members]
        space = replace(space, models=tuple(single))
    if not suite.examples:
        bare = [name for name in space.variants if not settings.variant(name).needs_examples]
        space = replace(space, variants=tuple(bare))
    if settings.warmup is not None:
        space = replace(space, warmup=())
    return space
