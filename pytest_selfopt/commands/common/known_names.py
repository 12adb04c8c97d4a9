"""The models and phases that a command can be about: others are refused with the nearest name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pytest_selfopt.errors import SettingsError, SpecError
from pytest_selfopt.suggest import did_you_mean

if TYPE_CHECKING:
    from pytest_selfopt.routing.rule import Rule
    from pytest_selfopt.settings import Settings


def require_rule_names(model: str, phase: str, rules: Sequence[Rule], load: Callable[[], Settings]) -> None:
    """Refuse a model or a phase that neither a rule, the settings nor the history names.

    The settings are loaded only for names that no rule has. As long as nothing names any phase, all are possible.

    Raises:
        SelfoptError: if so, or if the settings cannot be read.
    """
    models = {rule.model for rule in rules}
    phases = {rule.phase for rule in rules}
    if model in models and phase in phases:
        return
    settings = load()
    entries = _history(settings)
    if model not in models:
        _require_model(model, models | _measured_models(entries), settings)
    known = sorted(phases | settings.phases.keys() | _measured_phases(entries))
    _require_phase(phase, known)


def require_phase(phase: str, settings: Settings, of_tests: Iterable[str]) -> None:
    """Refuse a phase that neither tests, settings, rules nor the history name, unless none of them names any.

    Raises:
        SelfoptError: if so.
    """
    from pytest_selfopt.routing.config import readable_config

    of_rules = {rule.phase for rule in readable_config(settings.routing_path).rules}
    known = {*of_tests, *of_rules, *settings.phases, *_measured_phases(_history(settings))}
    _require_phase(phase, sorted(known))


def _require_phase(phase: str, known: Sequence[str]) -> None:
    if known and phase not in known:
        raise SettingsError(f"unknown phase {phase!r}{did_you_mean(phase, known)}")


def _require_model(model: str, measured: set[str], settings: Settings) -> None:
    """Refuse a model that was not measured, and that no session could ask."""
    if model in measured:
        return
    try:
        settings.model(model)
    except SettingsError:
        known = sorted(measured | settings.models.keys())
        raise SettingsError(f"unknown model {model!r}{did_you_mean(model, known)}") from None


def _history(settings: Settings) -> list[dict[str, Any]]:
    from pytest_selfopt.routing.history import HISTORY, read_history

    return read_history(settings.state_dir / HISTORY)


def _measured_phases(entries: Iterable[Mapping[str, Any]]) -> set[str]:
    return {str(entry["phase"]) for entry in entries if entry.get("phase")}


def _measured_models(entries: Iterable[Mapping[str, Any]]) -> set[str]:
    from pytest_selfopt.specs.spec import parse_spec

    models: set[str] = set()
    for entry in entries:
        for spec in entry.get("metrics") or ():
            try:
                models.add(parse_spec(spec).model)
            except SpecError:
                continue  # By another version, which may know other specs.
    return models
