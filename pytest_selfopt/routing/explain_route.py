"""The route of a model in words, and as data for other programs."""

from __future__ import annotations

from typing import Any

from pytest_selfopt.routing.resolve import Route


def explain_route(route: Route) -> list[str]:
    """Return the model and the settings in effect, and the reasons, a line each."""
    settings = {
        "variant": route.variant,
        "timeout": route.timeout_s,
        "retries": route.retries,
        "isolation": route.isolated,
        "warm-up": route.enable_warmup,
        "sampling": route.sampling,
    }
    effect = "disabled"
    if route.allowed:
        effect = route.model
    lines = [f"{route.requested} in {route.phase}: {effect}"]
    for name, value in settings.items():
        if value is not None:
            lines.append(f"  {name}: {value}")
    reasons = route.because or ("no rule applies to it",)
    lines += [f"  because {reason}" for reason in reasons]
    return lines


def route_to_json(route: Route) -> dict[str, Any]:
    """Return the route with settings named as in the configuration's rules; null is not set."""
    return {
        "requested": route.requested,
        "phase": route.phase,
        "model": route.model,
        "allowed": route.allowed,
        "variant": route.variant,
        "timeout": route.timeout_s,
        "retries": route.retries,
        "isolation": route.isolated,
        "enable_warmup": route.enable_warmup,
        "sampling": route.sampling,
        "because": list(route.because),
        "evidence": route.evidence,
    }
