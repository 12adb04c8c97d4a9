"""The expiry of rules whose provenance has changed, before a cycle begins."""

from __future__ import annotations

from dataclasses import replace

from pytest_selfopt.bench.loading.suites import Suite
from pytest_selfopt.errors import SelfoptError
from pytest_selfopt.loop.actions import RuleChange
from pytest_selfopt.loop.provenance import Premises, expire, together
from pytest_selfopt.planning.provenance import ProvenanceResolver, suites_as_premises
from pytest_selfopt.routing.config import RoutingConfig
from pytest_selfopt.routing.rule import Rule
from pytest_selfopt.settings import Settings
from pytest_selfopt.specs.routed import apply_route
from pytest_selfopt.specs.spec import Spec


def expire_rules(
    routing: RoutingConfig,
    phase: str,
    suite: Suite,
    *,
    settings: Settings,
    provenance: ProvenanceResolver,
    now: str,
) -> tuple[RoutingConfig, tuple[RuleChange, ...]]:
    """Return the configuration with the outdated rules of a phase expired, and the changes.

    `now` is the timestamp (ISO 8601, UTC) of the rules that change.
    """
    start = settings.phase(phase).baseline
    if settings.forced_baseline is not None or settings.forced_model is not None:
        return routing, ()

    def premises(rule: Rule) -> Premises:
        of_model = _known(provenance, start, rule.model, rule)
        with_suite = {**of_model, **suites_as_premises([suite])}
        of_fallback: Premises | None = None
        if rule.fallback_model and not rule.allow:
            of_fallback = _known(provenance, start, rule.fallback_model)
        return together(with_suite, of_fallback)

    def matters(rule: Rule) -> bool:
        alone = RoutingConfig(rules=(rule,))
        absent = alone.without_trials()
        return _spec(start, alone, rule) != _spec(start, absent, rule)

    changes: list[RuleChange] = []
    in_force = routing.apply_routing(start.model, phase).model
    for model in dict.fromkeys([start.model, in_force]):
        expiry = expire(
            routing.rules,
            model,
            phase,
            premises=premises,
            matters=matters,
            now=now,
        )
        if expiry.changes:
            routing = routing.with_rules(expiry.rules)
            changes += expiry.changes
    return routing, tuple(changes)


def _known(
    provenance: ProvenanceResolver,
    start: Spec,
    model: str,
    rule: Rule | None = None,
) -> Premises:
    """Return the premises of a model as it is asked; none for an unknown model."""
    variant = start.variant
    if rule is not None and rule.variant is not None:
        variant = rule.variant
    try:
        return provenance.of(replace(start, model=model, variant=variant))
    except SelfoptError:
        return {}


def _spec(start: Spec, routing: RoutingConfig, rule: Rule) -> Spec | None:
    """Return the spec that a configuration makes of a rule's model; None without a usable model."""
    route = routing.apply_routing(rule.model, rule.phase)
    if not route.allowed:
        return None
    return apply_route(replace(start, model=rule.model), route)
