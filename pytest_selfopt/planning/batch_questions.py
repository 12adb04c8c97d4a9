"""The questions of a batch: the suites' cases for a swarm, or for each model of a tier."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from pytest_selfopt.bench.case import Case
from pytest_selfopt.bench.loading.suites import Suite
from pytest_selfopt.errors import ModelError, SettingsError, SpecError
from pytest_selfopt.planning.capabilities import makes_calls_here, require_model
from pytest_selfopt.planning.plan import PlannedTrial, TrialKey
from pytest_selfopt.planning.suite_selection import load_suites
from pytest_selfopt.settings import Settings
from pytest_selfopt.specs.spec import Spec, parse_spec
from pytest_selfopt.swarm.pattern import parse_pattern
from pytest_selfopt.swarm.swarm import swarm_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """The trials of a batch: every case of the suites, `runs` times, with every spec; expected failures once."""

    specs: tuple[Spec, ...]
    suites: tuple[Suite, ...]
    runs: int = 1

    def planned(self, settings: Settings) -> dict[TrialKey, PlannedTrial]:
        """Plan each trial, pass by pass, the specs of a case one after the other.

        Raises:
            SpecError: if a variant is unknown, or needs examples that a suite does not have.
        """
        planned: dict[TrialKey, PlannedTrial] = {}
        combinations = product(range(self.runs), self._cases(), self.specs)
        for run, (suite, case), spec in combinations:
            if run and case.expected_failure:
                continue
            variant = settings.variant(spec.variant)
            if variant.needs_examples and not suite.examples:
                raise SpecError(f"variant {variant.name} needs worked examples, and {suite.name} has none")
            key = TrialKey(spec.phase, spec.id, case.key, run)
            planned[key] = PlannedTrial(
                key=key,
                case=case,
                spec=spec,
                suite=suite,
                variant=variant,
            )
        return planned

    def _cases(self) -> Iterator[tuple[Suite, Case]]:
        """Yield every case with its suite."""
        for suite in self.suites:
            for case in suite.cases:
                yield suite, case


def swarm_questions(
    settings: Settings,
    pattern: str,
    tier: str,
    suites: Sequence[Path],
    *,
    tags: str | None,
    phase: str,
    variant: str | None,
    runs: int,
) -> Questions:
    """Return the questions for a swarm over a tier, with `variant` or that of the phase's baseline.

    Raises:
        SelfoptError: if pattern, tier, suite or variant cannot be used.
    """
    name = swarm_name(parse_pattern(pattern), tier)
    settings.swarm(name)
    loaded = load_suites(suites, tags)
    for suite in loaded:
        for case in suite.cases:
            if case.world is not None:
                raise SettingsError(f"{case.key} is a conversation of several turns; a swarm answers single questions")
    spec = _spec(settings, name, phase, variant)
    return Questions(specs=(spec,), suites=loaded, runs=runs)


def batch_questions(
    settings: Settings,
    tier: str,
    suites: Sequence[Path],
    *,
    tags: str | None,
    phase: str,
    variant: str | None,
    runs: int,
) -> tuple[Questions, list[str]]:
    """Return the questions for each model of a tier, and a note on each model that cannot be asked.

    Raises:
        SelfoptError: if tier, suite or variant cannot be used, or no model can be asked.
    """
    notes: list[str] = []
    specs: list[Spec] = []
    for model in settings.tier(tier):
        try:
            if makes_calls_here(settings):
                require_model(model)
        except ModelError as problem:
            notes.append(f"left out: {problem}")
            continue
        specs.append(_spec(settings, model.id, phase, variant))
    if not specs:
        reasons = "; ".join(notes)
        raise ModelError(f"no model of {tier} can be asked: {reasons}")
    loaded = load_suites(suites, tags)
    questions = Questions(specs=tuple(specs), suites=loaded, runs=runs)
    return questions, notes


def two_specs(
    settings: Settings, specs: Sequence[str], suites: Sequence[Path], *, tags: str | None, runs: int
) -> Questions:
    """Return the questions for two specs, by their ids.

    Raises:
        SelfoptError: if they are equal, of different phases, or one of them or a suite cannot be used.
    """
    first, second = map(parse_spec, specs)
    if first == second:
        raise SpecError(f"{first.id} is named twice; name two ways of asking")
    if first.phase != second.phase:
        raise SpecError(f"{first.id} and {second.id} are of different phases; compare two of one phase")
    for spec in (first, second):
        settings.variant(spec.variant)
        model = settings.model(spec.model)
        if makes_calls_here(settings):
            require_model(model)
    return Questions(specs=(first, second), suites=load_suites(suites, tags), runs=runs)


def _spec(
    settings: Settings,
    model: str,
    phase: str,
    variant: str | None,
) -> Spec:
    baseline = settings.phase(phase).baseline
    return Spec(
        model=model,
        phase=phase,
        variant=variant or baseline.variant,
        timeout_s=baseline.timeout_s,
        retries=baseline.retries,
        sampling=baseline.sampling,
    )
