"""`selfopt profile`: what the ledger and the history know of models, and the maps over all of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from pytest_selfopt.console.output import Markdown, Printed, Verbatim
from pytest_selfopt.economy.pareto import elites, fronts
from pytest_selfopt.economy.profile import Profile, Seen, profiles_of
from pytest_selfopt.errors import SettingsError, SpecError, StateError
from pytest_selfopt.ledger.aggregates import read_counts
from pytest_selfopt.models.config import ModelConfig
from pytest_selfopt.report.profile_json import document
from pytest_selfopt.report.profiles import WIDTH, all_sections, as_markdown, as_text, model_sections
from pytest_selfopt.routing.history import HISTORY, read_history
from pytest_selfopt.settings import Settings
from pytest_selfopt.specs.spec import parse_spec
from pytest_selfopt.suggest import did_you_mean

Form = Literal["table", "json", "md"]
FORMS: tuple[Form, ...] = ("table", "json", "md")


def profile_lines(
    settings: Settings, model: str | None, phase: str | None, *, form: Form, width: int | None
) -> list[Printed]:
    """The profile of a model, or of all of them (None) with the maps; of one phase, or of all of them (None).

    `width` is that of the terminal (None: of nothing, and lines are as in a narrow one).

    Raises:
        SelfoptError: when nothing was measured, nobody is called that, or a file cannot be used.
    """
    profiles = _profiles(settings, phase)
    front, elite = fronts(profiles), elites(profiles)
    if model is None:
        if form == "json":
            return _json(document(profiles, front, elite))
        sections = all_sections(profiles, front, elite)
    else:
        chosen = _chosen(profiles, settings, model, phase)
        if form == "json":
            return _json(document([chosen]))
        sections = model_sections(chosen, front, elite)
    return [*map(Markdown, as_markdown(sections))] if form == "md" else [*as_text(sections, width or WIDTH)]


def _profiles(settings: Settings, phase: str | None) -> tuple[Profile, ...]:
    counts = read_counts(_ledger(settings), phase)
    if not counts.cases:
        known = list(counts.phases)
        if phase is not None and known:
            raise SettingsError(f"nothing was measured in phase {phase!r}{did_you_mean(phase, known)}")
        raise StateError(f"no trial is in the ledger in {settings.state_dir}; run pytest with --selfopt-cycle first")
    try:
        seen = [one for one in _seen(settings) if phase in (None, parse_spec(one.spec).phase)]
        names = {parse_spec(one.spec).model for one in counts.cases}
        return profiles_of(counts, seen, dict(_configs(settings, sorted(names))))
    except SpecError as problem:
        raise StateError(f"ledger or history in {settings.state_dir} cannot be used: {problem}") from None


def _ledger(settings: Settings) -> Path:
    path = settings.state_dir / "ledger.sqlite"
    if not path.exists():
        raise StateError(f"there is no ledger in {settings.state_dir}; run pytest with --selfopt-cycle first")
    return path


def _seen(settings: Settings) -> Iterator[Seen]:
    """The diagnoses of all cycles; they are about what was left in force."""
    for entry in read_history(settings.state_dir / HISTORY):
        for one in entry.get("diagnoses", ()):
            yield Seen(kind=str(one.get("kind")), spec=str(entry.get("baseline_after")), cycle=entry.get("cycle", 0))


def _configs(settings: Settings, names: Sequence[str]) -> Iterator[tuple[str, ModelConfig]]:
    """The models that are still configured; of the others nobody knows the price."""
    for name in names:
        try:
            yield name, settings.model(name)
        except SettingsError:
            continue


def _chosen(profiles: Sequence[Profile], settings: Settings, model: str, phase: str | None) -> Profile:
    for profile in profiles:
        if profile.model == model:
            return profile
    where = "" if phase is None else f" in phase {phase!r}"
    if model in settings.models:
        raise SettingsError(f"{model} is configured, but no trial of it{where} is in the ledger")
    raise SettingsError(
        f"no model {model!r} is in the ledger{where}{did_you_mean(model, [profile.model for profile in profiles])}"
    )


def _json(value: object) -> list[Printed]:
    return [Verbatim(json.dumps(value, indent=2, ensure_ascii=True, allow_nan=False))]
