"""The provenance of results beyond prompts and settings: model digest, provider, and the requests of a variant."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from functools import lru_cache
from urllib.parse import urlsplit

from pytest_selfopt.bench.case import Case, Example
from pytest_selfopt.bench.grading.expect import NoCall
from pytest_selfopt.bench.loading.suites import Suite
from pytest_selfopt.bench.tools import Message, Tool
from pytest_selfopt.errors import SelfoptError
from pytest_selfopt.ledger.ledger import Ledger
from pytest_selfopt.loop.provenance import Premises
from pytest_selfopt.models.config import ModelConfig
from pytest_selfopt.models.digest import digest_of
from pytest_selfopt.models.lookup import LOOPBACK
from pytest_selfopt.settings import Settings
from pytest_selfopt.specs.spec import Spec
from pytest_selfopt.specs.variants import Variant, build_request
from pytest_selfopt.trial import ToolCall, Trial

DIGITS = 12
"""The digits kept of a hash, enough for all the hashes that a project will ever see."""


RESTS = "rests:"
"""The prefix of a fingerprint in a stored suite hash."""


class ProvenanceResolver:
    """The current provenance of the models that a session asks; each is looked up once.

    Servers are asked for the digests of their models only with `asks`.
    """

    def __init__(self, settings: Settings, ledger: Ledger | None, *, asks: bool) -> None:
        self._settings = settings
        self._asks = asks
        self._names = _served_names(ledger)
        self._digests: dict[str, str | None] = {}

    def of(self, spec: Spec, *, served: Mapping[str, str] | None = None) -> Premises:
        """Return the premises of a spec's results; `served` are the model names in newer replies, by model."""
        names = dict(served or {})
        if spec.model not in names and spec.model in self._names:
            names[spec.model] = self._names[spec.model][-1]
        fixed = self._fixed(spec)
        if spec.model not in names:
            return fixed
        return {"served model": names[spec.model], **fixed}

    def fingerprint(self, baseline: Spec, candidate: Spec) -> str:
        """Return a hash of the provenance of a comparison besides its suites.

        A served name counts only once it has changed, so that comparisons opened before it was known continue.
        """
        sides = [self._side(baseline), self._side(candidate)]
        return f"{RESTS}{_hash(sides)}"

    def _side(self, spec: Spec) -> dict[str, str]:
        names = self._names.get(spec.model, [])
        side = self._fixed(spec)
        if len(set(names)) > 1:
            side["served"] = names[-1]
        return side

    def _fixed(self, spec: Spec) -> dict[str, str]:
        try:
            model = self._settings.model(spec.model)
            provider = _provider(model)
            variant = self._settings.variant(spec.variant)
            shape = _shape(variant)
        except SelfoptError:
            return {}
        premises = {
            "provider": provider,
            f"variant {spec.variant}": shape,
        }
        if model.members:
            for name in model.members:
                premises[f"member {name}"] = self._member(name)
            return premises
        digest = self._digest(model)
        if digest:
            premises["model digest"] = digest
        return premises

    def _member(self, name: str) -> str:
        """Return a swarm member's name on the wire, its provider, and its digest if known."""
        try:
            model = self._settings.model(name)
        except SelfoptError:
            return "unknown"
        parts = (model.name, _provider(model), self._digest(model))
        return " ".join(filter(None, parts))

    def _digest(self, model: ModelConfig) -> str | None:
        if not self._asks:
            return None
        if model.id not in self._digests:
            self._digests[model.id] = digest_of(model)
        return self._digests[model.id]


def suites_as_premises(suites: Iterable[Suite]) -> Premises:
    """Return the content hashes of a phase's suites, as premises."""
    return {f"suite {suite.name}": suite.content_hash for suite in suites}


def served_names(trials: Iterable[Trial]) -> dict[str, str]:
    """Return the model name that most replies of each spec carry, by spec id."""
    counts: dict[str, Counter[str]] = {}
    for trial in trials:
        if trial.served_model:
            counts.setdefault(trial.spec, Counter())[trial.served_model] += 1
    most: dict[str, str] = {}
    for spec, names in counts.items():
        [(name, _)] = names.most_common(1)
        most[spec] = name
    return most


def _served_names(ledger: Ledger | None) -> dict[str, list[str]]:
    """Return the names that each model was served under, cycle by cycle."""
    names: dict[str, list[str]] = {}
    if ledger is None:
        return names
    for cycle in ledger.cycles():
        result = cycle["result"] or {}
        served = result.get("served") or {}
        for model, name in served.items():
            names.setdefault(model, []).append(name)
    return names


def _provider(model: ModelConfig) -> str:
    """Return the provider's address, without the port on this machine, where it is arbitrary."""
    if model.members:
        return f"swarm of {', '.join(model.members)}"
    provider = model.provider
    if provider.client:
        return provider.client
    address = urlsplit(provider.base_url)
    host: str | None = address.netloc
    if address.hostname in LOOPBACK:
        host = address.hostname
    if not provider.base_url:
        return model.wire
    return f"{model.wire} at {host}{address.path}"


_TOOL = Tool(
    name="tool",
    description="A tool.",
    parameters={
        "type": "object",
        "properties": {"a": {"type": "string"}},
    },
)
_CALL = ToolCall(name="tool", arguments={"a": "b"})


@lru_cache
def _shape(variant: Variant) -> str:
    """Return a hash of a variant's request for a fixed prompt: it changes if the variant does."""
    messages = (Message(role="user", content="question"),)
    tools = (_TOOL,)
    case = Case(
        id="probe",
        messages=messages,
        tools=tools,
        expect=NoCall(),
    )
    examples = [
        Example(messages=messages, tools=tools, answer="no"),
        Example(messages=messages, tools=tools, answer=(_CALL,)),
    ]
    spec = Spec(model="probe", phase="atomic", variant=variant.name)
    request = build_request(case, examples, spec, variant)
    return _hash(asdict(request))


def _hash(value: object) -> str:
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]
