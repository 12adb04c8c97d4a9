"""Whom a batch asks, and what: a swarm, or each model of a tier."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_selfopt.bench.suites import Suite, load_suite, suite_files
from pytest_selfopt.errors import ModelError, SettingsError, SpecError
from pytest_selfopt.planning.capabilities import makes_calls_here, require_model
from pytest_selfopt.planning.plan import PlannedTrial, TrialKey
from pytest_selfopt.settings import Settings
from pytest_selfopt.specs.spec import Spec
from pytest_selfopt.swarm.pattern import parse_pattern
from pytest_selfopt.swarm.swarm import swarm_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """What is asked of whom: every case of the suites, `runs` times, in every spec."""

    specs: tuple[Spec, ...]
    suites: tuple[Suite, ...]
    runs: int = 1

    def planned(self, settings: Settings) -> dict[TrialKey, PlannedTrial]:
        """Each trial, pass by pass, the specs of a case one after the other.

        Raises:
            SpecError: when a variant is not known, or has no examples to show.
        """
        found: dict[TrialKey, PlannedTrial] = {}
        for run in range(self.runs):
            for suite in self.suites:
                for case in suite.cases:
                    for spec in self.specs:
                        variant = settings.variant(spec.variant)
                        if variant.needs_examples and not suite.examples:
                            raise SpecError(f"variant {variant.name} needs worked examples, and {suite.name} has none")
                        key = TrialKey(spec.phase, spec.id, case.key, run)
                        found[key] = PlannedTrial(key=key, case=case, spec=spec, suite=suite, variant=variant)
        return found


def swarm_questions(
    settings: Settings, pattern: str, tier: str, suites: Sequence[Path], *, phase: str, variant: str | None, runs: int
) -> Questions:
    """What a swarm over a tier is asked: the cases of suite files, in the manner of the phase's baseline or another.

    Raises:
        SelfoptError: when pattern, tier, suite or variant cannot be used.
    """
    name = swarm_name(parse_pattern(pattern), tier)
    settings.swarm(name)
    loaded = _suites(suites)
    for suite in loaded:
        talks = next((case.key for case in suite.cases if case.world is not None), None)
        if talks is not None:
            raise SettingsError(f"{talks} is a conversation of several turns; a swarm answers single questions")
    return Questions(specs=(_spec(settings, name, phase, variant),), suites=loaded, runs=runs)


def batch_questions(
    settings: Settings, tier: str, suites: Sequence[Path], *, phase: str, variant: str | None, runs: int
) -> tuple[Questions, list[str]]:
    """What each model of a tier is asked, and who is left out because it cannot be asked at all.

    Raises:
        SelfoptError: when tier, suite or variant cannot be used, or nobody can be asked.
    """
    notes, specs = [], []
    for model in settings.tier(tier):
        try:
            if makes_calls_here(settings):
                require_model(model)
        except ModelError as problem:
            notes.append(f"left out: {problem}")
            continue
        specs.append(_spec(settings, model.id, phase, variant))
    if not specs:
        raise ModelError(f"no model of {tier} can be asked: {'; '.join(notes)}")
    return Questions(specs=tuple(specs), suites=_suites(suites), runs=runs), notes


def _suites(paths: Sequence[Path]) -> tuple[Suite, ...]:
    return tuple(load_suite(path) for path in suite_files(paths))


def _spec(settings: Settings, model: str, phase: str, variant: str | None) -> Spec:
    usual = settings.phase(phase).baseline
    return Spec(
        model=model,
        phase=phase,
        variant=variant or usual.variant,
        timeout_s=usual.timeout_s,
        retries=usual.retries,
        sampling=usual.sampling,
    )
