"""The routing configuration as that of a LiteLLM proxy or router, and the parts without a counterpart there.

https://docs.litellm.ai/docs/proxy/config_settings
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any
from urllib.parse import urlsplit

import yaml

from pytest_selfopt.export.documents import without_none
from pytest_selfopt.export.litellm_gaps import (
    Gap,
    carried_sampling,
    gaps_of_limits,
    gaps_of_model,
    gaps_of_rule,
)
from pytest_selfopt.models.config import PROVIDERS, ModelConfig
from pytest_selfopt.models.cost import MILLION
from pytest_selfopt.routing.resolve import Index, Route, index_rules, route
from pytest_selfopt.routing.rule import Rule

NO_KEY = "no-key"
"""The key for servers that need none: without it LiteLLM would send any key from its environment."""

_HEAD = "# Written by `selfopt export litellm`; export it again after a cycle, and restart the proxy.\n"

Document = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """The input of the export. `models` are those in use by name, None for a model that is not configured.

    `fallbacks` are the configured fallback models, by phase; `with_limits` writes the limits of models, over which
    LiteLLM refuses calls.
    """

    models: Mapping[str, ModelConfig | None]
    phases: Sequence[str]
    rules: Sequence[Rule]
    fallbacks: Mapping[str, str]
    with_limits: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LiteLLMConfig:
    """The exported configuration, and what could not be exported."""

    document: Document
    gaps: tuple[Gap, ...]

    @property
    def text(self) -> str:
        """The configuration as YAML, in ASCII."""
        return _HEAD + yaml.safe_dump(self.document, sort_keys=False, width=120)


@dataclass(frozen=True, slots=True)
class _OwnEntry:
    """A separate entry for a model in a phase, with the settings of its rule."""

    model: str
    settings: Document


@dataclass(frozen=True, slots=True)
class _Target:
    """The model to which a route leads, in a phase."""

    model: str
    phase: str
    own: Mapping[str, _OwnEntry]

    @property
    def name(self) -> str:
        """The name of the entry in LiteLLM's model list."""
        name = _name(self.model, self.phase)
        if name in self.own:
            return name
        return self.model


def litellm_config(sources: Sources) -> LiteLLMConfig:
    """Make a configuration in which MODEL is a model, and MODEL/PHASE the model that is used for it in that phase.

    Routes are aliases, because LiteLLM's `fallbacks` act on failed calls only; aliases do not chain there, so each one
    names the last model of its chain. The settings of a rule make a separate deployment.
    """
    index = index_rules(sources.rules)
    served, gaps = _served(sources)
    routes = _routes(index, sources)
    usable, unusable = _usable_routes(routes, served)
    gaps += unusable
    own = _own_entries(usable, sources.models)
    targets: dict[str, _Target] = {}
    for settled in usable:
        targets[_route_name(settled)] = _Target(settled.model, settled.phase, own)
    for rule in index.values():
        gaps += gaps_of_rule(rule, sources.models.get(rule.model))
    asked = [*served, *map(attrgetter("model"), own.values())]
    gaps += gaps_of_limits(list(filter(None, map(sources.models.get, asked))), written=sources.with_limits)
    router_settings: Document = {
        "model_group_alias": _aliases(targets),
        "fallbacks": list(_fallbacks(routes, index, targets, sources.fallbacks)),
    }
    document = {
        "model_list": _model_list(served, own),
        "router_settings": {name: value for name, value in router_settings.items() if value},
    }
    return LiteLLMConfig(document=document, gaps=(*gaps, *_inactive_rules(sources.rules)))


def _routes(index: Index, sources: Sources) -> list[Route]:
    """Return the route of each model in each phase."""
    routes = []
    for model, phase in itertools.product(sources.models, sources.phases):
        routes.append(route(index, model, phase))
    return routes


def _usable_routes(routes: Sequence[Route], served: Mapping[str, Document]) -> tuple[list[Route], list[Gap]]:
    """Return the routes that LiteLLM can take, and the reasons why it cannot take the others."""
    names = Counter([*served, *map(_route_name, routes)])
    usable: list[Route] = []
    gaps: list[Gap] = []
    for settled in routes:
        why = _unroutable(settled, served, names)
        if not why:
            usable.append(settled)
            continue
        gaps.append(Gap(what=f"the route {_route_name(settled)}", why=why))
    return usable, gaps


def _own_entries(usable: Iterable[Route], models: Mapping[str, ModelConfig | None]) -> dict[str, _OwnEntry]:
    """Return the entries of models whose rule sets something in a phase, by name."""
    own: dict[str, _OwnEntry] = {}
    for settled in usable:
        if settled.rerouted:
            continue
        settings = _own_settings(settled, models)
        if settings:
            own[_route_name(settled)] = _OwnEntry(settled.model, settings)
    return own


def _model_list(served: Mapping[str, Document], own: Mapping[str, _OwnEntry]) -> list[Document]:
    """Return the deployments: each model, then each model in a phase whose rule sets something."""
    deployments = dict(served)
    for name, entry in own.items():
        deployments[name] = {**served[entry.model], **entry.settings}
    return [{"model_name": name, "litellm_params": params} for name, params in deployments.items()]


def _aliases(targets: Mapping[str, _Target]) -> dict[str, str]:
    """Return the entry for each route that has a different name."""
    return {name: target.name for name, target in targets.items() if target.name != name}


def _route_name(settled: Route) -> str:
    return _name(settled.requested, settled.phase)


def _name(model: str, phase: str) -> str:
    return f"{model}/{phase}"


def _served(sources: Sources) -> tuple[dict[str, Document], list[Gap]]:
    """Return the parameters of each model that LiteLLM can ask, and the reasons why it cannot ask the others."""
    served: dict[str, Document] = {}
    gaps: list[Gap] = []
    for name, model in sources.models.items():
        why = _unservable(name, model)
        if why or model is None:
            gaps.append(Gap(what=f"the model {name}", why=why))
            continue
        served[name] = _params(model)
        if sources.with_limits:
            served[name]["max_parallel_requests"] = model.max_concurrency
        gaps += gaps_of_model(model)
    return served, gaps


def _unservable(name: str, model: ModelConfig | None) -> str:
    """Return the reason why LiteLLM cannot ask a model; empty if it can."""
    if model is None:
        return "it is not configured, so its address is unknown"
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
    """Return the reason why an address cannot be exported; empty if it can."""
    try:
        where = urlsplit(text)
    except ValueError as problem:
        return f"its base_url is not an address: {problem}"
    if where.scheme not in ("http", "https") or not where.netloc:
        return "its base_url does not begin with http:// or https://"
    if where.query:
        return "its base_url may hold a secret, which is never written; name the key's variable in api_key_env"
    return ""


def _params(model: ModelConfig) -> Document:
    """Return the LiteLLM parameters of a model; the key is given as the name of its environment variable."""
    provider = model.provider
    key = NO_KEY
    if provider.api_key_env:
        key = f"os.environ/{provider.api_key_env}"
    params: Document = {
        "model": f"{_prefix(model)}/{model.name}",
        "api_base": provider.base_url,
        "api_key": key,
    }
    if model.price_in is not None:
        params["input_cost_per_token"] = _per_token(model.price_in)
    if model.price_out is not None:
        params["output_cost_per_token"] = _per_token(model.price_out)
    if model.wire == "ollama":
        options = {"num_ctx": model.context, "keep_alive": model.keep_alive}
        params |= without_none(options)
    return params


def _per_token(price: float) -> float:
    """Convert USD per million tokens to USD per token, without the spurious digits of the division."""
    return float(f"{price / MILLION:.12g}")


def _prefix(model: ModelConfig) -> str:
    """Return LiteLLM's name of the provider."""
    openrouter = PROVIDERS["openrouter"]
    if model.provider.base_url == openrouter.base_url and model.wire == "openai":
        return openrouter.name
    if model.wire == "ollama":
        return "ollama_chat"
    return model.wire


def _own_settings(settled: Route, models: Mapping[str, ModelConfig | None]) -> Document:
    """Return the settings of a route's rule that LiteLLM supports, by LiteLLM's names."""
    sampling = carried_sampling(settled.sampling or {}, models.get(settled.model))
    limits = {"timeout": settled.timeout_s, "num_retries": settled.retries}
    return sampling | without_none(limits)


def _unroutable(settled: Route, served: Mapping[str, Document], names: Counter[str]) -> str:
    """Return the reason why a route cannot be exported; empty if it can."""
    name = _route_name(settled)
    if not settled.allowed:
        why = "; ".join(settled.because)
        return f"{why}: LiteLLM refuses the name as unknown, where resolve() says it is not allowed"
    if settled.model not in served:
        return f"it leads to {settled.model}, which LiteLLM cannot ask"
    if names[name] > 1:
        return "another model or route has the same name, so neither it nor what its rule sets is exported; rename one"
    if "*" in name:
        return "LiteLLM reads * in a name as a pattern for many models"
    return ""


def _fallbacks(
    routes: Iterable[Route], index: Index, targets: Mapping[str, _Target], configured: Mapping[str, str]
) -> Iterator[dict[str, list[str]]]:
    """Yield, for each route, the fallback of its model for failed calls."""
    for settled in routes:
        name = _route_name(settled)
        fallback = _fallback_model(settled, index) or configured.get(settled.phase)
        if name not in targets or not fallback:
            continue
        target = targets.get(_name(fallback, settled.phase))
        if target is not None and target.model != settled.model:
            yield {name: [target.name]}


def _fallback_model(settled: Route, index: Index) -> str | None:
    """Return the fallback model in the rule of a route."""
    rule = index.get((settled.model, settled.phase))
    if rule is None:
        return None
    return rule.fallback_model


def _inactive_rules(rules: Iterable[Rule]) -> list[Gap]:
    """Return a gap for the rules that are no longer in force."""
    number = sum(not rule.in_force for rule in rules)
    if not number:
        return []
    what = f"rules that were rolled back or have expired ({number})"
    return [Gap(what=what, why="they are not in force; LiteLLM keeps no record of past rules")]
