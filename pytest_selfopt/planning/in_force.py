"""What is in force now: the one answer for every page and command."""

from __future__ import annotations

from dataclasses import replace

from pytest_selfopt.errors import SettingsError, SpecError
from pytest_selfopt.planning.planner import baseline_of
from pytest_selfopt.routing.config import RoutingConfig
from pytest_selfopt.settings import Settings


def in_force_now(settings: Settings, routing: RoutingConfig, phase: str) -> str:
    """Return the id of the spec that a phase is asked by now, as the settings and the routing configuration say.

    A rule on trial counts, because applications follow it; what only one session was given does not. Empty if the
    phase cannot be asked, because its model is disabled and has no fallback, or a damaged history names no phase.
    """
    lasting = replace(settings, forced_baseline=None, forced_model=None)
    try:
        spec, _ = baseline_of(phase, lasting, routing)
    except (SettingsError, SpecError):
        return ""
    return spec.id
