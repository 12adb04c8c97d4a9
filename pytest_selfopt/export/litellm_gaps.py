"""Parts of models and rules without a counterpart in LiteLLM, each with its reason; nothing is dropped silently."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_selfopt.export.documents import without_none
from pytest_selfopt.models.config import ModelConfig, ProviderConfig
from pytest_selfopt.routing.rule import Rule
from pytest_selfopt.specs.request import Sampling


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Something that was not exported, and the reason."""

    what: str
    why: str

    @property
    def sentence(self) -> str:
        """The gap in a sentence on one line."""
        return " ".join(f"no counterpart for {self.what}: {self.why}".split())


_WITHOUT_PRICE = {
    1: "LiteLLM counts zero for it, because the other price is known",
    2: "LiteLLM uses the prices in its own list, or counts zero if it has none",
}
"""What LiteLLM does if one or both prices are unknown."""
_REFUSES = (
    "LiteLLM's max_parallel_requests does not let the calls over a limit wait but refuses them, and fallbacks then "
    "answer although nothing failed; --with-max-parallel-requests writes it all the same"
)


def gaps_of_model(model: ModelConfig) -> Iterator[Gap]:
    """Yield the settings of an exported model that LiteLLM does not have."""
    whose = f"of the model {model.id}"
    unknown = [model.price_in, model.price_out].count(None)
    if unknown:
        yield Gap(what=f"an unknown price {whose}", why=_WITHOUT_PRICE[unknown])
    if model.tier is not None:
        yield Gap(what=f"the tier {model.tier} {whose}", why="it groups models for estimates and swarms")
    if model.context is not None and model.wire != "ollama":
        yield Gap(what=f"the context {whose}", why="only Ollama takes it per call; other servers set their own")
    if model.keep_alive is not None and model.wire != "ollama":
        yield Gap(what=f"keep_alive {whose}", why="only Ollama can be told how long a model stays loaded")
    if model.pinned:
        yield Gap(what=f"pinned {whose}", why="it says which worker makes the calls, and LiteLLM has no workers")


def gaps_of_limits(asked: Sequence[ModelConfig], *, written: bool) -> Iterator[Gap]:
    """Yield the limits of calls under way that LiteLLM does not keep; `asked` has the model of each LiteLLM entry.

    If those of the models are `written`, these are the ones that a provider shares among its models.
    """
    if asked and not written:
        yield Gap(what="the limits of calls under way (max_concurrency)", why=_REFUSES)
        return
    providers: dict[str, ProviderConfig] = {}
    entries: Counter[str] = Counter()
    for model in asked:
        providers[model.provider.name] = model.provider
        entries[model.provider.name] += 1
    for provider in providers.values():
        if entries[provider.name] > 1:
            yield Gap(
                what=f"the limit of {provider.max_concurrency} calls at a time to {provider.name}",
                why="LiteLLM limits each entry on its own (max_parallel_requests), not all those of a provider",
            )


def carried_sampling(drawn: Mapping[str, Any], model: ModelConfig | None) -> dict[str, Any]:
    """Return the part of a rule's sampling that LiteLLM can send to a model."""
    known = {name: drawn.get(name) for name in Sampling.__dataclass_fields__}
    # Anthropic's format has no seed, and LiteLLM refuses every call that sets one.
    if model is not None and model.wire == "anthropic":
        del known["seed"]
    return without_none(known)


def gaps_of_rule(rule: Rule, model: ModelConfig | None) -> Iterator[Gap]:
    """Yield the parts of a rule in force that LiteLLM cannot do."""
    whose = f"of the rule for {rule.model} in {rule.phase}"
    for what, why in (*_uncarried_settings(rule), *_uncarried_grounds(rule)):
        yield Gap(what=f"{what} {whose}", why=why)
    drawn = rule.sampling or {}
    carried = carried_sampling(drawn, model)
    for name in drawn:
        if name not in carried:
            yield Gap(what=f"the sampling {name} {whose}", why="the model's format has no such field, or it is not set")


def _uncarried_settings(rule: Rule) -> Iterator[tuple[str, str]]:
    """Yield the settings of a rule without a counterpart in LiteLLM, each with its reason."""
    if not rule.allow:
        return
    if rule.enable_warmup is True:
        yield "the warm-up", "LiteLLM makes no unscored first call"
    if rule.variant is not None:
        yield f"the variant {rule.variant}", "the caller builds the prompt"
    if rule.isolated is True:
        yield "the isolation", "LiteLLM shares connections and knows no prompt cache"


def _uncarried_grounds(rule: Rule) -> Iterator[tuple[str, str]]:
    """Yield the other parts of a rule without a place in LiteLLM, each with its reason."""
    if rule.on_trial:
        yield "the trial", "the rule is exported as it is in force; export again once it is settled"
    if rule.reason or rule.evidence or rule.premises:
        yield "the grounds", "LiteLLM has no place for reason, evidence and premises; `selfopt why` shows them"
    if rule.extra:
        yield f"the fields {', '.join(sorted(rule.extra))}", "this version does not know them"
