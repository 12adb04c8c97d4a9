"""`selfopt export`: what ledger, settings and routing configuration hold, in the formats of other tools."""

from __future__ import annotations

from pytest_selfopt.errors import SettingsError
from pytest_selfopt.models.config import ModelConfig
from pytest_selfopt.report.litellm import LiteLLMConfig, Sources, litellm_config
from pytest_selfopt.routing.config import read_config
from pytest_selfopt.routing.rule import Rule
from pytest_selfopt.settings import Settings

USUAL_PHASES = ("atomic", "extended")


def export_litellm(settings: Settings) -> LiteLLMConfig:
    """What is in force, for a LiteLLM proxy or router.

    Raises:
        StateError: when the routing configuration cannot be used.
        SettingsError: when LiteLLM could ask none of the models.
    """
    rules = read_config(settings.routing_path).rules
    phases = (*USUAL_PHASES, *settings.phases, *(rule.phase for rule in rules if rule.in_force))
    config = litellm_config(
        Sources(
            models={name: _model(settings, name) for name in _models_in_use(settings, rules)},
            phases=tuple(dict.fromkeys(phases)),
            rules=rules,
            fallbacks={name: one.fallback for name, one in settings.phases.items() if one.fallback},
        )
    )
    if not config.document["model_list"]:
        why = "; ".join(gap.sentence for gap in config.gaps)
        raise SettingsError(f"there is nothing that LiteLLM could serve: {why}")
    return config


def _models_in_use(settings: Settings, rules: tuple[Rule, ...]) -> dict[str, None]:
    """The names of all models that are configured, start a phase, stand in, or have a rule in force."""
    in_force = [rule for rule in rules if rule.in_force]
    named = (
        settings.default_model,
        *(name for name, model in settings.models.items() if model.wire != "embedded" or model.path),
        *(phase.baseline.model for phase in settings.phases.values()),
        *(phase.fallback for phase in settings.phases.values()),
        *(model for rule in in_force for model in (rule.model, rule.fallback_model)),
    )
    return dict.fromkeys(name for name in named if name)


def _model(settings: Settings, name: str) -> ModelConfig | None:
    try:
        return settings.model(name)
    except SettingsError:
        return None
