"""What can be asked at all, which is known before any call: models, conversations, and cases under a schema."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from pytest_selfopt.bench.loading.suites import Suite
from pytest_selfopt.errors import SelfoptError, SettingsError
from pytest_selfopt.loop.generate import Candidate
from pytest_selfopt.planning.capabilities import is_served_by_llama_cpp, makes_calls_here, require_model
from pytest_selfopt.planning.swarms import resolve_members
from pytest_selfopt.settings import Settings
from pytest_selfopt.specs.llama_cases import refused_cases
from pytest_selfopt.specs.neighbours import SearchSpace
from pytest_selfopt.specs.spec import Spec
from pytest_selfopt.specs.variants import CONSTRAINED, VARIANTS

_OTHER_WORDS = (
    "its words differ also where nothing else does: at temperature 0 llama.cpp's depend on how much of the prompt came "
    "from its cache, so that this compares other words, not noise alone"
)


def require_askable(model: str, where: str, settings: Settings) -> None:
    """Refuse a model that could not be asked; `where` is the place that names it.

    Raises:
        SettingsError: if it is unknown or, where this process makes the calls, lacks its key or package.
    """
    try:
        check_askable(model, settings)
    except SelfoptError as problem:
        raise SettingsError(f"{where}: {model!r} cannot be asked: {problem}") from None


def check_askable(model: str, settings: Settings) -> None:
    """Check that a model is known and, where this process makes the calls, has its key and package.

    Raises:
        SelfoptError: if not.
    """
    if not makes_calls_here(settings):
        settings.model(model)
        return
    for member in resolve_members(settings, [model]):
        require_model(member)


def converses(suite: Suite) -> bool:
    """Whether a suite holds conversations of several turns."""
    return any(case.world is not None for case in suite.cases)


def require_conversations(model: str, where: str, suite: Suite, settings: Settings) -> None:
    """Refuse a swarm that would have to hold a conversation; `where` is the place that names it.

    Raises:
        SettingsError: if so.
    """
    if settings.model(model).members and converses(suite):
        raise SettingsError(
            f"{where}: {model} cannot be asked: a swarm answers single questions, and "
            f"{suite.name} holds conversations of several turns; name one model"
        )


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


def without_alike(space: SearchSpace, baseline: Spec, suite: Suite) -> tuple[SearchSpace, tuple[str, ...]]:
    """Return the search space without variants that ask this suite as the baseline does, and a sentence on them.

    So do the built-in ones, few_shot aside, where no case has a tool; a comparison with oneself takes calls and a share
    of the error budget, and shows nothing. A project's own variant may read answers otherwise, and stays.
    """
    alike = [name for name in space.variants if name != baseline.variant and _asks_alike(name, baseline, suite)]
    if not alike:
        return space, ()
    sentence = f"not tried: {', '.join(alike)}, because without tools they ask these prompts as {baseline.variant} does"
    return replace(space, variants=_without(space.variants, alike)), (sentence,)


def _asks_alike(variant: str, baseline: Spec, suite: Suite) -> bool:
    """Whether two built-in variants make the same request of every case; it ends with the first that differs."""
    one, other = VARIANTS.get(variant), VARIANTS.get(baseline.variant)
    if one is None or other is None:
        return False
    return all(
        one.build(case, suite.examples, baseline) == other.build(case, suite.examples, baseline) for case in suite.cases
    )


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


def _is_llama_cpp(model: str, settings: Settings) -> bool:
    """Whether a model, or a member of it, is at llama.cpp's server; own servers are asked, if calls are made here."""
    return any(is_served_by_llama_cpp(member, settings) for member in resolve_members(settings, [model]))


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
