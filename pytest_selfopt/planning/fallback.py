"""The fallback for a model that is not up to a phase: the configured one, or the best in the ledger."""

from __future__ import annotations

from dataclasses import replace

from pytest_selfopt.bench.loading.suites import Suite
from pytest_selfopt.errors import SelfoptError, SettingsError
from pytest_selfopt.ledger.ledger import Ledger
from pytest_selfopt.loop.fallback import FallbackScore, best_fallback
from pytest_selfopt.planning.askable import check_askable, require_askable, require_conversations
from pytest_selfopt.routing.config import RoutingConfig
from pytest_selfopt.routing.resolve import Route
from pytest_selfopt.routing.rule import Rule
from pytest_selfopt.settings import Mode, Settings
from pytest_selfopt.specs.spec import Spec, parse_spec


def fallback_for(
    model: str,
    phase: str,
    settings: Settings,
    routing: RoutingConfig,
    ledger: Ledger | None,
) -> str | None:
    """Return the fallback for `model` in a phase; None if none is configured and the ledger has none."""
    named = settings.phase(phase).fallback
    if named == model:
        return None
    if named is not None and not replaced_fallback(model, phase, settings, routing):
        return named
    if ledger is None:
        return None
    usable: dict[str, FallbackScore] = {}
    for name, score in _scores(ledger, phase).items():
        if name == model:
            continue
        if _usable(name, phase, settings, routing):
            usable[name] = score
    limits = settings.phase(phase).limits
    minimum = limits.extended_phase_min_accuracy
    return best_fallback(usable, minimum=minimum)


def replaced_fallback(model: str, phase: str, settings: Settings, routing: RoutingConfig) -> str:
    """Say that the loop itself has replaced a phase's fallback by `model`, which it then cannot replace; else empty.

    This is no mistake of the settings: a better model was found, or the former one was found to be better.
    """
    fallback = settings.phase(phase).fallback
    if fallback is None or fallback == model:
        return ""
    rule = routing.get_rule(fallback, phase)
    if rule is None or rule.source not in _OF_THE_LOOP:
        return ""
    if routing.apply_routing(fallback, phase).model != model:
        return ""
    return (
        f"{fallback}, the fallback of {phase}, was itself replaced by {model} in cycle {rule.cycle}: it is none for it"
    )


_OF_THE_LOOP = ("selfopt-cycle", "harness_feedback")
"""The sources of rules that cycles make."""


def require_fallback(baseline: Spec, suite: Suite, settings: Settings, routing: RoutingConfig) -> None:
    """Refuse a configured fallback that could not be asked, before the calls after which it may be put on trial.

    Raises:
        SettingsError: if it is unknown, lacks its key or package, leads nowhere or in a circle, or cannot hold the
            suite's conversations.
    """
    phase = baseline.phase
    fallback = settings.phase(phase).fallback
    if fallback is None or fallback == baseline.model or not settings.switches.fall_back:
        return
    if replaced_fallback(baseline.model, phase, settings, routing):
        return
    where = f"{settings.place} phases {phase}: fallback"
    route = _route_to(fallback, baseline, routing)
    if not route.allowed:
        raise SettingsError(
            f"{where}: {fallback!r} cannot replace {baseline.model}: {'; '.join(route.because)}; name another model "
            f"there, or change the rule in {settings.routing_path.name}"
        )
    require_askable(route.model, where, settings)
    require_conversations(route.model, where, suite, settings)


def _route_to(fallback: str, baseline: Spec, routing: RoutingConfig) -> Route:
    """Return where a phase would be routed to if the baseline's model was disabled and replaced by the fallback."""
    address = (baseline.model, baseline.phase)
    disabled = Rule(model=baseline.model, phase=baseline.phase, allow=False, fallback_model=fallback)
    others = (rule for rule in routing.rules if not rule.in_force or (rule.model, rule.phase) != address)
    return replace(routing, rules=(*others, disabled)).apply_routing(*address)


def _scores(ledger: Ledger, phase: str) -> dict[str, FallbackScore]:
    """Return the score of each model in a phase, over all its specs."""
    scores: dict[str, FallbackScore] = {}
    by_spec = ledger.answers_by_spec(phase)
    for spec, (passes, answers) in by_spec.items():
        name = parse_spec(spec).model
        known = scores.get(name, FallbackScore(passes=0, answers=0))
        scores[name] = FallbackScore(
            passes=known.passes + passes,
            answers=known.answers + answers,
        )
    return scores


def _usable(model: str, phase: str, settings: Settings, routing: RoutingConfig) -> bool:
    """Whether a model is still configured, not disabled for the phase itself, and in a cycle can be asked."""
    try:
        settings.model(model)
        if settings.mode is Mode.CYCLE:
            check_askable(model, settings)
    except SelfoptError:
        return False
    route = routing.apply_routing(model, phase)
    return route.allowed and not route.rerouted
