"""Who stands in for a model that is not up to a phase: whom the configuration names, or the best the ledger knows."""

from __future__ import annotations

from pytest_selfopt.errors import SettingsError
from pytest_selfopt.ledger.ledger import Ledger
from pytest_selfopt.loop.fallback import Score, best_fallback
from pytest_selfopt.routing.config import RoutingConfig
from pytest_selfopt.settings import Settings
from pytest_selfopt.specs.spec import parse_spec


def fallback_for(
    model: str, phase: str, settings: Settings, routing: RoutingConfig, ledger: Ledger | None
) -> str | None:
    """The model that stands in for `model` in a phase; None when none is named and none is known there."""
    named = settings.phase(phase).fallback
    if named is not None:
        return named if named != model else None
    if ledger is None:
        return None
    scores: dict[str, Score] = {}
    for spec, (passes, answers) in ledger.answers_by_spec(phase).items():
        known = scores.get(name := parse_spec(spec).model, Score(passes=0, answers=0))
        scores[name] = Score(passes=known.passes + passes, answers=known.answers + answers)
    usable = {
        name: score for name, score in scores.items() if name != model and _usable(name, phase, settings, routing)
    }
    return best_fallback(usable, minimum=settings.phase(phase).limits.extended_phase_min_accuracy)


def _usable(model: str, phase: str, settings: Settings, routing: RoutingConfig) -> bool:
    """Whether a model is still configured, and not disabled for the phase itself."""
    try:
        settings.model(model)
    except SettingsError:
        return False
    return not routing.apply_routing(model, phase).rerouted and routing.apply_routing(model, phase).allowed
