"""Opening a session: the baseline of a phase from configuration and routing, and the candidates to set beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pytest_selfopt.bench.suites import Suite
from pytest_selfopt.errors import SettingsError
from pytest_selfopt.ledger.ledger import Comparison, Ledger
from pytest_selfopt.loop.build_gate import Compare
from pytest_selfopt.loop.enforce import MOST_HELD_PASSES
from pytest_selfopt.loop.generate import Candidate, generate
from pytest_selfopt.loop.race import FULL_PASSES, most_passes
from pytest_selfopt.planning.capabilities import can_force_cold_start
from pytest_selfopt.planning.plan import PhasePlan
from pytest_selfopt.planning.provenance import RESTS, ProvenanceResolver
from pytest_selfopt.routing.config import RoutingConfig
from pytest_selfopt.routing.resolve import Route
from pytest_selfopt.routing.rule import Rule
from pytest_selfopt.settings import Mode, Settings
from pytest_selfopt.specs.neighbours import SearchSpace
from pytest_selfopt.specs.request import Sampling
from pytest_selfopt.specs.spec import Spec, parse_spec

PASSES_OF_A_TURN = 3
"""As many first runs as a cold start can take."""
ROUNDS_OF_TURNS = 3
"""Nine passes of each: enough for specs that are not interleaved."""


def plan_phase(
    phase: str,
    suite: Suite,
    *,
    settings: Settings,
    routing: RoutingConfig,
    ledger: Ledger | None,
    surroundings: ProvenanceResolver,
) -> PhasePlan:
    """What this session does for a phase; candidates only in a cycle, knowing what the ledger says was tried.

    What is on trial and came from no diagnosis, such as a promotion to be proven anew, is settled before anything else
    is searched.

    Raises:
        SettingsError: when the baseline's model or variant is unknown, or the model is disabled without a fallback.
    """
    begun = _begin(phase, settings, routing)
    if settings.model(begun.baseline.model).members and _converses(suite):
        raise SettingsError(
            f"{begun.baseline.model} cannot be the baseline of phase {phase!r}: a swarm answers single questions, and "
            f"{suite.name} holds conversations of several turns; name one model"
        )
    settings.variant(begun.baseline.variant)
    if settings.mode is Mode.PLAIN:
        return begun
    if settings.mode is Mode.GATE:
        return gate_plan(begun, settings, ledger)
    past = _comparisons(ledger, phase, suite, surroundings)
    held, rejected = _tried(past, begun.baseline)
    generation = generate(
        begun.baseline,
        _feasible(settings, suite),
        held=held,
        rejected={*rejected, *(candidate.spec.id for candidate in begun.candidates)},
        measured={name for one in past for name in (one.baseline, one.candidate)},
        asked_for=_asked_for(ledger, phase),
        limit=0 if begun.turns or begun.only_proves else settings.max_candidates - len(begun.candidates),
    )
    plan = replace(begun, candidates=(*begun.candidates, *generation.candidates), left=generation.left)
    least, most = _passes(plan, settings)
    return replace(plan, least_passes=least, most_passes=most)


def gate_plan(begun: PhasePlan, settings: Settings, ledger: Ledger | None) -> PhasePlan:
    """What a gate does for a phase: the passes of what is in force, and beside it what was recorded, if asked for."""
    bars = settings.phase(begun.phase).bars
    recorded = recorded_spec(ledger, begun.phase) if bars.compare is Compare.BESIDE else None
    beside: tuple[Candidate, ...] = ()
    if recorded is not None and recorded != begun.baseline:
        beside = (Candidate(spec=recorded, why="in force after the last cycle"),)
    return replace(begun, candidates=beside, least_passes=bars.passes, most_passes=bars.passes)


def recorded_spec(ledger: Ledger | None, phase: str) -> Spec | None:
    """What the last decided cycle left in force; None when none did."""
    spec = _last(ledger, "in_force", phase, None)
    return parse_spec(spec) if isinstance(spec, str) else None


def _begin(phase: str, settings: Settings, routing: RoutingConfig) -> PhasePlan:
    """The plan of a phase before candidates are generated: its baseline and, in a cycle, what is on trial beside it."""
    cycle = settings.mode is Mode.CYCLE
    baseline, because = baseline_of(phase, settings, routing.without_trials() if cycle else routing)
    tried = _on_trial(phase, settings, routing, baseline) if cycle else ()
    turns = 0
    if tried and replace(tried[0].spec, warmup=baseline.warmup) == baseline:
        if not can_force_cold_start(settings, baseline.model):
            # Interleaved, the warm-up of one would warm the other, too: nothing could be seen.
            cannot = "its warm-up stays on trial: nobody can tell this server to unload the model, to see it cold again"
            baseline, because, tried = tried[0].spec, (*because, cannot), ()
        else:
            turns = PASSES_OF_A_TURN
    if settings.warmup is not None:
        baseline, turns = replace(baseline, warmup=settings.warmup), 0
        overridden = (replace(one, spec=replace(one.spec, warmup=settings.warmup)) for one in tried)
        tried = tuple(one for one in overridden if one.spec != baseline)
        because = (*because, f"warm-up is {'on' if settings.warmup else 'off'} by the command line")
    return PhasePlan(
        phase=phase,
        baseline=baseline,
        candidates=tried,
        only_proves=settings.only_proves
        or (bool(tried) and _from_no_diagnosis(routing.get_rule(baseline.model, phase))),
        because=because,
        requested=settings.phase(phase).baseline.model,
        forced=settings.forced_model is not None,
        trial=tried[0].spec.id if tried else "",
        turns=turns,
    )


def _from_no_diagnosis(rule: Rule | None) -> bool:
    return rule is not None and "action" not in (rule.evidence or {})


def _passes(plan: PhasePlan, settings: Settings) -> tuple[int, int]:
    """The passes that everybody gets, and those that one candidate may get."""
    if plan.turns:
        a_round = plan.turns * len(plan.specs)
        return a_round, ROUNDS_OF_TURNS * a_round
    least = settings.phase(plan.phase).limits.min_samples
    full = max(FULL_PASSES, least)
    return (least, most_passes(len(plan.candidates), least)) if settings.race else (full, full)


def _on_trial(phase: str, settings: Settings, routing: RoutingConfig, baseline: Spec) -> tuple[Candidate, ...]:
    """The baseline with what is on trial, to be measured beside its absence; nothing when nothing is."""
    spec, _ = baseline_of(phase, settings, routing)
    rule = routing.get_rule(baseline.model, phase)
    if rule is None or not rule.on_trial or spec == baseline:
        return ()
    settings.model(spec.model)
    return (Candidate(spec=spec, why=f"on trial: {rule.reason}"),)


def baseline_of(phase: str, settings: Settings, routing: RoutingConfig) -> tuple[Spec, tuple[str, ...]]:
    """The spec in force for a phase, and the sentences that say where it comes from."""
    start = settings.phase(phase).baseline
    if settings.forced_baseline is not None and settings.forced_baseline.phase == phase:
        return start, ("the baseline was given by --selfopt-baseline, over the routing configuration",)
    if settings.forced_model is not None:
        forced = f"{settings.forced_model} is asked by --selfopt-force-model, over the routing configuration"
        return replace(start, model=settings.forced_model), (forced,)
    route = routing.apply_routing(start.model, phase)
    if not route.allowed:
        raise SettingsError(
            f"{settings.routing_path.name}: {start.model!r} is disabled for phase {phase!r} and has no usable "
            f"fallback ({'; '.join(route.because)}); name a fallback_model in that rule, or another baseline"
        )
    return routed(start, route), route.because or ("the baseline is the configured start; no rule changes it",)


def routed(start: Spec, route: Route) -> Spec:
    """The spec that `start` becomes under a route: the effective model, and what its rule sets."""
    return replace(
        start,
        model=route.model,
        variant=route.variant or start.variant,
        timeout_s=route.timeout_s if route.timeout_s is not None else start.timeout_s,
        retries=route.retries if route.retries is not None else start.retries,
        isolated=route.isolated if route.isolated is not None else start.isolated,
        warmup=route.enable_warmup if route.enable_warmup is not None else start.warmup,
        sampling=Sampling(**route.sampling) if route.sampling is not None else start.sampling,
    )


def suite_address(suite: Suite) -> str:
    """Name and content of a suite, so that evidence is never carried over to other questions."""
    return f"{suite.name}:{suite.content_hash}"


def _comparisons(
    ledger: Ledger | None, phase: str, suite: Suite, surroundings: ProvenanceResolver
) -> tuple[Comparison, ...]:
    """What was compared before on this very suite, of these very models."""

    def same(one: Comparison) -> bool:
        known = one.suite_hash.split()
        rests = [part for part in known if part.startswith(RESTS)]
        return suite_address(suite) in known and (
            not rests or surroundings.fingerprint(parse_spec(one.baseline), parse_spec(one.candidate)) in rests
        )

    return tuple(one for one in (ledger.comparisons(phase) if ledger is not None else ()) if same(one))


def _tried(past: Sequence[Comparison], baseline: Spec) -> tuple[tuple[str, ...], frozenset[str]]:
    """Which candidates wait for more evidence against this baseline, and which are done with."""
    about = [one for one in past if one.baseline == baseline.id]
    waiting = tuple(
        one.candidate
        for one in about
        # One that was promoted while its baseline is still in force: the rule was never written.
        if one.state == "promoted" or (one.state in ("held", "open") and one.passes < MOST_HELD_PASSES)
    )
    return waiting, frozenset(one.candidate for one in about if one.candidate not in waiting)


def _asked_for(ledger: Ledger | None, phase: str) -> tuple[str, ...]:
    """The actions that the diagnosis of the last decided cycle asked for."""
    return tuple(action for action in _last(ledger, "asked_for", phase, []) if isinstance(action, str))


def known_churn(ledger: Ledger, baseline: Spec) -> float | None:
    """The share of a baseline's repeats that differed in the last decided cycle; None when it was not measured."""
    churn = _last(ledger, "churn", baseline.phase, {}).get(baseline.id)
    return churn if isinstance(churn, (int, float)) else None


def last_churn(ledger: Ledger, phase: str) -> float | None:
    """The same of whatever was in force for a phase after the last decided cycle."""
    values = list(_last(ledger, "churn", phase, {}).values())
    return values[0] if values and isinstance(values[0], (int, float)) else None


def _last(ledger: Ledger | None, what: str, phase: str, default: Any) -> Any:
    """What the last decided cycle of a phase left of something."""
    results = [cycle["result"] or {} for cycle in ledger.cycles()] if ledger is not None else []
    known = [result[what][phase] for result in results if phase in (result.get(what) or {})]
    return known[-1] if known else default


def _converses(suite: Suite) -> bool:
    return any(case.world is not None for case in suite.cases)


def _feasible(settings: Settings, suite: Suite) -> SearchSpace:
    """The space without what cannot ask this suite, and without what the command line settled."""
    space = settings.space
    if _converses(suite):
        space = replace(space, models=tuple(name for name in space.models if not settings.model(name).members))
    possible = tuple(name for name in space.variants if suite.examples or not settings.variant(name).needs_examples)
    return replace(space, variants=possible, warmup=space.warmup if settings.warmup is None else ())
