"""The fallback for a model that is not up to a phase: the configured one, or the best in the ledger."""

from __future__ import annotations

from pytest_selfopt.errors import SettingsError
from pytest_selfopt.ledger.ledger import Ledger
from pytest_selfopt.loop.fallback import FallbackScore, best_fallback
from pytest_selfopt.routing.config import RoutingConfig
from pytest_selfopt.settings import Settings
from pytest_selfopt.specs.spec import parse_spec


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
    if named is not None:
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
    """Whether a model is still configured, and not disabled for the phase itself."""
    try:
        settings.model(model)
    except SettingsError:
        return False
    route = routing.apply_routing(model, phase)
    return route.allowed and not route.rerouted
