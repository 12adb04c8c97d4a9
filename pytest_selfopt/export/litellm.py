"""The routing configuration as one of a LiteLLM proxy or router, and what of it has no counterpart there.

https://docs.litellm.ai/docs/proxy/config_settings
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import yaml

from pytest_selfopt.export.litellm_gaps import Gap, carried_sampling, gaps_of_model, gaps_of_providers, gaps_of_rule
from pytest_selfopt.models.config import PROVIDERS, ModelConfig
from pytest_selfopt.models.cost import MILLION
from pytest_selfopt.routing.resolve import Index, Route, index_rules, route
from pytest_selfopt.routing.rule import Rule

NO_KEY = "no-key"
"""Sent to servers that ask for none: without it LiteLLM would send whatever key its environment has."""

_HEAD = "# Written by `selfopt export litellm`; make it anew after a cycle, and restart the proxy.\n"

Document = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What is exported. `models` are those in use by their names, None where nobody has configured one.

    `fallbacks` are the models that stand in by phase, as they are configured.
    """

    models: Mapping[str, ModelConfig | None]
    phases: Sequence[str]
    rules: Sequence[Rule]
    fallbacks: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class LiteLLMConfig:
    """The exported configuration, and what it could not take along."""

    document: Document
    gaps: tuple[Gap, ...]

    @property
    def text(self) -> str:
        """The configuration as YAML, in ASCII."""
        return _HEAD + yaml.safe_dump(self.document, sort_keys=False, width=120)


@dataclass(frozen=True, slots=True)
class _Own:
    """An entry of its own for a model in a phase, with what its rule sets."""

    model: str
    settings: Document


@dataclass(frozen=True, slots=True)
class _Target:
    """The model that a route has settled on, in a phase."""

    model: str
    phase: str
    own: Mapping[str, _Own]

    @property
    def name(self) -> str:
        """The entry that is asked."""
        name = _name(self.model, self.phase)
        return name if name in self.own else self.model


def litellm_config(sources: Sources) -> LiteLLMConfig:
    """Make a configuration in which MODEL is each model, and MODEL/PHASE the one that stands for it in that phase.

    Routes are aliases, because LiteLLM's `fallbacks` act on failed calls only; aliases do not chain there, so each
    names the last model of its chain. Settings of a rule make a deployment of their own.
    """
    index = index_rules(sources.rules)
    served, gaps = _served(sources.models)
    routes = [route(index, model, phase) for model in sources.models for phase in sources.phases]
    names = Counter([*served, *(_name(one.requested, one.phase) for one in routes)])
    whys = {(one.requested, one.phase): _unroutable(one, served, names) for one in routes}
    gaps += [Gap(what=f"the route {_name(*key)}", why=why) for key, why in whys.items() if why]
    own = {
        _name(one.model, one.phase): _Own(one.model, settings)
        for one in routes
        if not one.rerouted and not whys[one.requested, one.phase]
        if (settings := _own_settings(one, sources.models))
    }
    targets = {
        _name(one.requested, one.phase): _Target(one.model, one.phase, own)
        for one in routes
        if not whys[one.requested, one.phase]
    }
    for rule in index.values():
        gaps += gaps_of_rule(rule, sources.models.get(rule.model))
    asked = (*served, *(one.model for one in own.values()))
    gaps += gaps_of_providers([model for name in asked if (model := sources.models[name]) is not None])
    deployments = {**served, **{name: {**served[one.model], **one.settings} for name, one in own.items()}}
    settings = {
        "model_group_alias": {name: target.name for name, target in targets.items() if target.name != name},
        "fallbacks": list(_fallbacks(routes, index, targets, sources.fallbacks)),
    }
    return LiteLLMConfig(
        document={
            "model_list": [{"model_name": name, "litellm_params": params} for name, params in deployments.items()],
            "router_settings": {name: value for name, value in settings.items() if value},
        },
        gaps=(*gaps, *_forgotten(sources.rules)),
    )


def _name(model: str, phase: str) -> str:
    return f"{model}/{phase}"


def _served(models: Mapping[str, ModelConfig | None]) -> tuple[dict[str, Document], list[Gap]]:
    """The parameters of each model that LiteLLM can ask, and why it cannot ask the others."""
    served: dict[str, Document] = {}
    gaps: list[Gap] = []
    for name, model in models.items():
        why = _unservable(name, model)
        if why or model is None:
            gaps.append(Gap(what=f"the model {name}", why=why))
            continue
        served[name] = _params(model)
        gaps += gaps_of_model(model)
    return served, gaps


def _unservable(name: str, model: ModelConfig | None) -> str:
    """Why LiteLLM cannot ask a model; empty when it can."""
    if model is None:
        return "it is not configured, so nobody knows where it is served"
    if model.members:
        return "it is a swarm: many calls in a pattern, which LiteLLM does not make"
    if model.provider.client:
        return f"it is asked by a client of your own ({model.provider.client}), which LiteLLM cannot import"
    if model.wire == "embedded":
        return "it is embedded: its server runs inside a session and ends with it"
    if "*" in name:
        return "LiteLLM reads * in a name as a pattern for many models"
    return _unusable_address(model.provider.base_url)


def _unusable_address(text: str) -> str:
    """Why an address cannot be written down; empty when it can."""
    try:
        where = urlsplit(text)
    except ValueError as problem:
        return f"its base_url is no address: {problem}"
    if where.scheme not in ("http", "https") or not where.netloc:
        return "its base_url is no address that begins with http:// or https://"
    if "@" in where.netloc or where.query:
        return "its base_url may hold a secret, which is never written; name the key's variable in api_key_env"
    return ""


def _params(model: ModelConfig) -> Document:
    """How LiteLLM asks a model; the key stands there as the name of the variable that holds it."""
    provider = model.provider
    key = f"os.environ/{provider.api_key_env}" if provider.api_key_env else NO_KEY
    limits: Document = {"max_parallel_requests": model.max_concurrency}
    prices = (("input_cost_per_token", model.price_in), ("output_cost_per_token", model.price_out))
    limits |= {name: float(f"{price / MILLION:.12g}") for name, price in prices if price is not None}
    if model.wire == "ollama":
        options = (("num_ctx", model.context), ("keep_alive", model.keep_alive))
        limits |= {name: value for name, value in options if value is not None}
    return {"model": f"{_prefix(model)}/{model.name}", "api_base": provider.base_url, "api_key": key, **limits}


def _prefix(model: ModelConfig) -> str:
    """What LiteLLM calls the provider."""
    openrouter = PROVIDERS["openrouter"]
    if model.provider.base_url == openrouter.base_url and model.wire == "openai":
        return openrouter.name
    return "ollama_chat" if model.wire == "ollama" else model.wire


def _own_settings(one: Route, models: Mapping[str, ModelConfig | None]) -> Document:
    """What the rule of a route sets that LiteLLM can send or do, by its names for it."""
    own = carried_sampling(one.sampling or {}, models.get(one.model))
    asked = (("timeout", one.timeout_s), ("num_retries", one.retries))
    return {**own, **{name: value for name, value in asked if value is not None}}


def _unroutable(one: Route, served: Mapping[str, Document], names: Counter[str]) -> str:
    """Why a route cannot be expressed; empty when it can."""
    name = _name(one.requested, one.phase)
    if not one.allowed:
        return f"{'; '.join(one.because)}: LiteLLM refuses the name as unknown, where resolve() says it is not allowed"
    if one.model not in served:
        return f"it leads to {one.model}, which LiteLLM cannot ask"
    if names[name] > 1:
        return "another model or route has the same name, so neither it nor what its rule sets is exported; rename one"
    if "*" in name:
        return "LiteLLM reads * in a name as a pattern for many models"
    return ""


def _fallbacks(
    routes: Iterable[Route], index: Index, targets: Mapping[str, _Target], configured: Mapping[str, str]
) -> Iterator[dict[str, list[str]]]:
    """For failed calls: the model that stands in for the one a route has settled on."""
    for one in routes:
        name = _name(one.requested, one.phase)
        rule = index.get((one.model, one.phase))
        other = (rule.fallback_model if rule else None) or configured.get(one.phase)
        instead = targets.get(_name(other, one.phase)) if other else None
        if name in targets and instead is not None and instead.model != one.model:
            yield {name: [instead.name]}


def _forgotten(rules: Iterable[Rule]) -> list[Gap]:
    """The rules that are only remembered."""
    number = sum(not rule.in_force for rule in rules)
    what = f"rules that were rolled back or have expired ({number})"
    return [Gap(what=what, why="they are not in force; LiteLLM has no place for a memory")] if number else []
