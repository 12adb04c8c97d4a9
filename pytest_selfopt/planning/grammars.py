"""Tools that llama.cpp's server would refuse with every call under a schema: told before any call is made."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from pytest_selfopt.bench.case import Case
from pytest_selfopt.bench.lint import LintFinding, some_of
from pytest_selfopt.bench.loading.suites import Suite
from pytest_selfopt.bench.tools import Tool
from pytest_selfopt.errors import SettingsError
from pytest_selfopt.loop.generate import Candidate
from pytest_selfopt.models.caches.isolation import LLAMA_CPP, owner_of
from pytest_selfopt.models.config import PROVIDERS, ModelConfig
from pytest_selfopt.planning.capabilities import makes_calls_here
from pytest_selfopt.planning.swarms import resolve_members
from pytest_selfopt.settings import Settings
from pytest_selfopt.specs.llama_grammar import GrammarGap, grammar_gaps
from pytest_selfopt.specs.neighbours import SearchSpace
from pytest_selfopt.specs.spec import Spec
from pytest_selfopt.specs.variants import CONSTRAINED

_OTHER_WORDS = (
    "its words differ also where nothing else does: at temperature 0 llama.cpp's depend on how much of the prompt came "
    "from its cache, so that this compares other words, not noise"
)


@dataclass(frozen=True, slots=True)
class RefusedCases:
    """The cases of a suite that llama.cpp's server refuses under a schema."""

    number: int
    cases: int
    gap: GrammarGap
    """The first reason."""

    def __str__(self) -> str:
        return f"llama.cpp's server refuses {self.number} of its {self.cases} cases under a schema ({self.gap})"


def refused_cases(suite: Suite) -> RefusedCases | None:
    """Return what llama.cpp's server would refuse of a suite; None if nothing."""
    known: dict[int, GrammarGap | None] = {}
    refused: list[GrammarGap] = []
    for case in suite.cases:
        gaps: list[GrammarGap] = []
        for tool in case.tools:
            # Cases share the tools of their suite.
            if id(tool) not in known:
                known[id(tool)] = next((gap for gap in grammar_gaps(tool) if gap.refused), None)
            gap = known[id(tool)]
            if gap is not None:
                gaps.append(gap)
        refused.extend(gaps[:1])
    if not refused:
        return None
    return RefusedCases(len(refused), len(suite.cases), refused[0])


def without_refused(
    space: SearchSpace, baseline: Spec, suite: Suite, settings: Settings
) -> tuple[SearchSpace, tuple[str, ...]]:
    """Return the search space without what llama.cpp's server would refuse, and a sentence if that is anything.

    Own servers are asked who they are, but only if the suite has such cases.
    """
    if not _searches_constrained(space, baseline):
        return space, ()
    refused = refused_cases(suite)
    if refused is None:
        return space, ()
    left_out: list[str] = []
    if _is_llama_cpp(baseline.model, settings):
        left_out = [name for name in space.variants if name in CONSTRAINED and name != baseline.variant]
        space = replace(space, variants=_without(space.variants, left_out))
    if baseline.variant in CONSTRAINED:
        models = [name for name in space.models if name != baseline.model and _is_llama_cpp(name, settings)]
        space = replace(space, models=_without(space.models, models))
        left_out += models
    if not left_out:
        return space, ()
    return space, (f"not tried: {', '.join(left_out)}, because {refused}; change that in the suite to try them",)


def _searches_constrained(space: SearchSpace, baseline: Spec) -> bool:
    return baseline.variant in CONSTRAINED or any(name in CONSTRAINED for name in space.variants)


def _without(names: Sequence[str], left_out: Collection[str]) -> tuple[str, ...]:
    return tuple(name for name in names if name not in left_out)


def check_refused(specs: Sequence[Spec], suite: Suite, settings: Settings) -> tuple[str, ...]:
    """Return a sentence on each of the specs that is to be asked cases that its server refuses.

    Raises:
        SettingsError: if it would refuse all of them.
    """
    constrained = [spec for spec in specs if spec.variant in CONSTRAINED]
    refused = refused_cases(suite) if constrained else None
    sentences: list[str] = []
    for spec in constrained:
        if refused is None or not _is_llama_cpp(spec.model, settings):
            continue
        if refused.number == refused.cases:
            raise SettingsError(
                f"phase {spec.phase!r}: {spec.model} cannot be asked {suite.name} with the variant {spec.variant}: "
                f"{refused}; change that in the suite, or take native_api or atomic"
            )
        sentences.append(f"{spec.id}: {refused}, which will be errors")
    return tuple(sentences)


def unenforced(suites: Sequence[Suite]) -> list[LintFinding]:
    """Find what llama.cpp's server does not enforce of the tools of suites, and what it refuses, tool by tool."""
    findings: list[LintFinding] = []
    for suite in suites:
        cases: dict[int, list[Case]] = {}
        tools: dict[int, Tool] = {}
        for case in suite.cases:
            for tool in case.tools:
                tools[id(tool)] = tool
                cases.setdefault(id(tool), []).append(case)
        for key, tool in tools.items():
            findings.extend(_findings(tool, cases[key]))
    return findings


def _findings(tool: Tool, cases: Sequence[Case]) -> Iterator[LintFinding]:
    gaps = grammar_gaps(tool)
    names = some_of([case.id for case in cases])
    refused = [str(gap) for gap in gaps if gap.refused]
    if refused:
        what = f"llama.cpp's server, embedded models among them, refuses every call under a schema: {some_of(refused)}"
        sentence = f"{what}; a cycle does not try {' and '.join(CONSTRAINED)} there (cases {names})"
        yield LintFinding(place=cases[0].source, sentence=sentence)
    ignored = [str(gap) for gap in gaps if not gap.refused]
    if ignored:
        what = f"llama.cpp's server, embedded models among them, does not enforce {some_of(ignored)}"
        yield LintFinding(place=cases[0].source, sentence=f"{what}; only the grader judges it (cases {names})")


def _is_llama_cpp(model: str, settings: Settings) -> bool:
    """Whether a model, or a member of it, is at llama.cpp's server; own servers are asked, if calls are made here."""
    return any(_is_served_by_it(member, settings) for member in resolve_members(settings, [model]))


def _is_served_by_it(model: ModelConfig, settings: Settings) -> bool:
    if model.provider.client:
        return False
    if model.wire != "embedded" and not makes_calls_here(settings):
        return False
    key = os.environ.get(model.provider.api_key_env or "", "")
    return owner_of(model, model.provider.base_url, key) == LLAMA_CPP


def may_be_llama_cpp(model: ModelConfig) -> bool:
    """Whether a model may be at llama.cpp's server: embedded ones are, and others at an address of the user's own."""
    if model.provider.client:
        return False
    return model.wire == "embedded" or (model.wire == "openai" and model.provider.name not in PROVIDERS)


def with_isolation_told(candidates: Sequence[Candidate], baseline: Spec, settings: Settings) -> tuple[Candidate, ...]:
    """Add to candidates that differ in isolation what their comparison is about, where llama.cpp serves the model."""
    told: list[Candidate] = []
    for candidate in candidates:
        spec = candidate.spec
        differs = spec.isolated != baseline.isolated and not spec.sampling.temperature
        why = candidate.why
        if differs and settings.model(spec.model).wire == "embedded":
            why = f"{why}; {_OTHER_WORDS}"
        told.append(replace(candidate, why=why))
    return tuple(told)
