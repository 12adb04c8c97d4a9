"""Profiles of models and the maps over them for programs; null is unknown."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_selfopt.economy.pareto import Elite, Front, Point
from pytest_selfopt.economy.profile import PhaseProfile, Profile
from pytest_selfopt.economy.score import Score
from pytest_selfopt.routing.atomic_files import timestamp
from pytest_selfopt.trial import Json

VERSION = 1


def document(
    profiles: Sequence[Profile], fronts: Sequence[Front] | None = None, elites: Sequence[Elite] | None = None
) -> dict[str, Json]:
    """Profiles as one JSON object; without the maps where they are None."""
    value: dict[str, Json] = {"version": VERSION, "profiles": [_profile_json(one) for one in profiles]}
    if fronts is not None:
        value["fronts"] = [_front_json(one) for one in fronts]
    if elites is not None:
        value["elites"] = [_elite_json(one) for one in elites]
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
        "diagnoses": [
            {"kind": one.kind, "phase": one.phase, "times": one.times, "last_cycle": one.last_cycle}
            for one in profile.findings
        ],
        "phases": {one.phase: _phase_json(one) for one in profile.phases},
    }


def _phase_json(one: PhaseProfile) -> dict[str, Json]:
    rank = one.rank
    return {
        "spec": one.spec,
        "rank": None
        if rank is None
        else {
            "place": rank.place,
            "of": rank.of,
            "best": rank.best,
            "worst": rank.worst,
            "same_questions": rank.same_questions,
        },
        "latest": {"cycle": one.latest_cycle, **_score_json(one.latest)},
        "average": _score_json(one.average),
        "trend": {
            "word": str(one.trend.word),
            "cycles": one.trend.cycles,
            "chance": one.trend.chance,
            "change": None if one.trend.change is None else list[Json](one.trend.change),
            "sentence": one.trend.sentence,
        },
        "restraint": None if one.restraint is None else _score_json(one.restraint),
        "latency_median_s": one.latency_median_s,
        "latency_p95_s": one.latency_p95_s,
        "errors": dict[str, Json](one.errors),
        "cost_of_1000_usd": one.cost,
        "unpriced_answers": one.unpriced,
        "price_usd_per_million": one.price,
        "score_per_price": one.score_per_price,
        "suites": {name: _score_json(score) for name, score in one.suites.items()},
        "other_specs": {spec: _score_json(score) for spec, score in one.others.items()},
    }


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
        "members": [_point_json(point) for point in front.members],
        "beaten": [{**_point_json(point), "by": by} for point, by in front.beaten],
    }


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
