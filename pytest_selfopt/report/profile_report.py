"""`selfopt profile`: the profiles of models by ledger and history, and the maps over all models.

This module writes the JSON, with null for unknown values; `profiles` writes the forms for people.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import starmap
from typing import Literal

from pytest_selfopt.console.output import JsonText, Markdown, Printed
from pytest_selfopt.economy.pareto import Elite, Front, Point, elites, fronts
from pytest_selfopt.economy.profile import Finding, Observation, PhaseProfile, Profile, Rank, profiles_of
from pytest_selfopt.economy.score import Score
from pytest_selfopt.economy.trend import Trend
from pytest_selfopt.errors import NothingRecordedError, SettingsError, SpecError, StateError
from pytest_selfopt.ledger.aggregates import read_counts
from pytest_selfopt.ledger.schema import require_ledger
from pytest_selfopt.models.config import ModelConfig
from pytest_selfopt.report.profiles import WIDTH, all_sections, as_markdown, as_text, model_sections
from pytest_selfopt.routing.atomic_files import timestamp
from pytest_selfopt.routing.history import HISTORY, read_history
from pytest_selfopt.settings import Settings
from pytest_selfopt.specs.spec import parse_spec
from pytest_selfopt.suggest import did_you_mean
from pytest_selfopt.trial import Json

VERSION = 1
"""The version of the profiles as JSON."""

Form = Literal["table", "json", "md"]


def profile_lines(
    settings: Settings, model: str | None, phase: str | None, *, form: Form, width: int | None
) -> list[Printed]:
    """Return the profile of a model, or of all models (None) with the maps; of one phase, or of all phases (None).

    `width` is that of the terminal; None if there is none, and lines are as in a narrow one.

    Raises:
        SelfoptError: if nothing was measured, no model has that name, or a file cannot be used.
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
    if form == "md":
        return list(map(Markdown, as_markdown(sections)))
    return list(as_text(sections, width or WIDTH))


def _profiles(settings: Settings, phase: str | None) -> tuple[Profile, ...]:
    counts = read_counts(require_ledger(settings.ledger_path), phase)
    if not counts.cases:
        known = list(counts.phases)
        if phase is not None and known:
            raise SettingsError(f"nothing was measured in phase {phase!r}{did_you_mean(phase, known)}")
        raise NothingRecordedError("trial in the ledger", settings.state_dir)
    try:
        seen = [diagnosis for diagnosis in _seen(settings) if phase in (None, parse_spec(diagnosis.spec).phase)]
        names = {parse_spec(count.spec).model for count in counts.cases}
        configs = dict(_configs(settings, sorted(names)))
        return profiles_of(counts, seen, configs)
    except SpecError as problem:
        raise StateError(f"ledger or history in {settings.state_dir} cannot be used: {problem}") from None


def _seen(settings: Settings) -> Iterator[Observation]:
    """Yield the diagnoses of all cycles; they concern the spec that a cycle left in force."""
    for entry in read_history(settings.state_dir / HISTORY):
        spec = str(entry.get("baseline_after"))
        for diagnosis in entry.get("diagnoses", ()):
            kind = str(diagnosis.get("kind"))
            yield Observation(kind=kind, spec=spec, cycle=entry.get("cycle", 0))


def _configs(settings: Settings, names: Sequence[str]) -> Iterator[tuple[str, ModelConfig]]:
    """Yield the models that are still configured; the price of the others is unknown."""
    for name in names:
        try:
            yield name, settings.model(name)
        except SettingsError:
            continue


def _chosen(profiles: Sequence[Profile], settings: Settings, model: str, phase: str | None) -> Profile:
    for profile in profiles:
        if profile.model == model:
            return profile
    where = ""
    if phase is not None:
        where = f" in phase {phase!r}"
    if model in settings.models:
        raise SettingsError(f"{model} is configured, but no trial of it{where} is in the ledger")
    hint = did_you_mean(model, [profile.model for profile in profiles])
    raise SettingsError(f"no model {model!r} is in the ledger{where}{hint}")


def _json(value: object) -> list[Printed]:
    text = json.dumps(value, indent=2, ensure_ascii=True, allow_nan=False)
    return [JsonText(text)]


def document(
    profiles: Sequence[Profile], fronts: Sequence[Front] | None = None, elites: Sequence[Elite] | None = None
) -> dict[str, Json]:
    """Return profiles as one JSON object; without the maps if they are None."""
    value: dict[str, Json] = {"version": VERSION, "profiles": list[Json](map(_profile_json, profiles))}
    if fronts is not None:
        value["fronts"] = list[Json](map(_front_json, fronts))
    if elites is not None:
        value["elites"] = list[Json](map(_elite_json, elites))
    return value


def _profile_json(profile: Profile) -> dict[str, Json]:
    return {
        "model": profile.model,
        "tier": profile.tier,
        "free": profile.free,
        "price_in": profile.price_in,
        "price_out": profile.price_out,
        "trials": profile.trials,
        "cycles": profile.cycles,
        "first": timestamp(profile.first),
        "last": timestamp(profile.last),
        "errors": dict[str, Json](profile.errors),
        "diagnoses": list[Json](map(_finding_json, profile.findings)),
        "phases": {phase.phase: _phase_json(phase) for phase in profile.phases},
    }


def _finding_json(finding: Finding) -> dict[str, Json]:
    return {
        "kind": finding.kind,
        "phase": finding.phase,
        "times": finding.times,
        "last_cycle": finding.last_cycle,
    }


def _phase_json(phase: PhaseProfile) -> dict[str, Json]:
    rank = restraint = None
    if phase.rank is not None:
        rank = _rank_json(phase.rank)
    if phase.restraint is not None:
        restraint = _score_json(phase.restraint)
    return {
        "spec": phase.spec,
        "rank": rank,
        "latest": {"cycle": phase.latest_cycle, **_score_json(phase.latest)},
        "average": _score_json(phase.average),
        "trend": _trend_json(phase.trend),
        "restraint": restraint,
        "latency_median_s": phase.latency_median_s,
        "latency_p95_s": phase.latency_p95_s,
        "errors": dict[str, Json](phase.errors),
        "unusual_ends": dict[str, Json](phase.ends),
        "cost_of_1000_usd": phase.cost,
        "unpriced_answers": phase.unpriced,
        "price_usd_per_million": phase.price,
        "score_per_price": phase.score_per_price,
        "suites": _scores_json(phase.suites),
        "other_specs": _scores_json(phase.others),
    }


def _rank_json(rank: Rank) -> dict[str, Json]:
    return {
        "place": rank.place,
        "of": rank.of,
        "best": rank.best,
        "worst": rank.worst,
        "same_questions": rank.same_questions,
    }


def _trend_json(trend: Trend) -> dict[str, Json]:
    change = None
    if trend.change is not None:
        change = list[Json](trend.change)
    return {
        "word": str(trend.word),
        "cycles": trend.cycles,
        "chance": trend.chance,
        "change": change,
        "sentence": trend.sentence,
    }


def _scores_json(scores: Mapping[str, Score]) -> dict[str, Json]:
    return {name: _score_json(score) for name, score in scores.items()}


def _score_json(score: Score) -> dict[str, Json]:
    return {
        "accuracy": score.accuracy,
        "low": score.low,
        "high": score.high,
        "passes": score.passes,
        "trials": score.trials,
        "cases": score.cases,
    }


def _front_json(front: Front) -> dict[str, Json]:
    return {
        "phase": front.phase,
        "members": list[Json](map(_point_json, front.members)),
        "beaten": list[Json](starmap(_beaten_json, front.beaten)),
    }


def _beaten_json(point: Point, by: str) -> dict[str, Json]:
    return {**_point_json(point), "by": by}


def _point_json(point: Point) -> dict[str, Json]:
    return {
        "model": point.model,
        "accuracy": point.accuracy,
        "latency_median_s": point.latency_s,
        "cost_of_1000_usd": point.cost,
        "compared_on": list[Json](point.compared_on),
    }


def _elite_json(elite: Elite) -> dict[str, Json]:
    return {
        "phase": elite.phase,
        "tier": elite.tier,
        "model": elite.model,
        "spec": elite.best.spec,
        "average": _score_json(elite.best.average),
        "of": elite.of,
        "level": list[Json](elite.level),
    }
