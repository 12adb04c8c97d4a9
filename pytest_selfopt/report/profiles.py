"""Profiles of models and the maps over them for people: plain text and Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pytest_selfopt.console import layout as columns
from pytest_selfopt.economy.pareto import Elite, Front
from pytest_selfopt.economy.profile import PER, Finding, PhaseProfile, Profile
from pytest_selfopt.economy.score import Score
from pytest_selfopt.economy.trend import TrendWord
from pytest_selfopt.report.markdown_escape import plain, table

WIDTH = 80
_LEAST_NAME = 12
_UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of what is shown: a table with `names` above its columns, or facts (pairs) without; then sentences."""

    title: str
    rows: Sequence[Sequence[str]]
    names: Sequence[str] = ()
    notes: Sequence[str] = ()


def model_sections(profile: Profile, fronts: Sequence[Front], elites: Sequence[Elite]) -> list[Section]:
    """Everything about one model; `fronts` and `elites` are those over all models."""
    cycles = "1 cycle" if profile.cycles == 1 else f"{profile.cycles} cycles"
    rows = [
        ("prices", _prices(profile)),
        ("trials", f"{profile.trials:,} in {cycles}, {_day(profile.first)} to {_day(profile.last)}"),
        ("errors", _errors(profile.errors, profile.trials)),
        ("diagnoses", "; ".join(map(_finding, profile.findings)) or "none"),
    ]
    sections = [Section(title=profile.model, rows=rows)]
    sections += [_phase_section(profile, one, _places(profile, one, fronts, elites)) for one in profile.phases]
    return sections


def all_sections(profiles: Sequence[Profile], fronts: Sequence[Front], elites: Sequence[Elite]) -> list[Section]:
    """All models side by side, phase by phase, then what they cost, and the maps."""
    phases = [front.phase for front in fronts]
    sections = [_ranking(phase, profiles) for phase in phases]
    sections.append(_worth(phases, profiles))
    sections += [_front_section(front) for front in fronts]
    return [*sections, _elites_section(elites)]


def as_text(sections: Sequence[Section], width: int = WIDTH) -> list[str]:
    """The sections as lines of at most so many columns."""
    lines: list[str] = []
    for section in sections:
        lines += [""] if lines else []
        lines.append(section.title)
        if section.names:
            rows = _shortened([section.names, *section.rows], width)
            lines += [f"  {line}".rstrip() for line in columns.table(rows, width - 2)]
        else:
            room = max((len(row[0]) for row in section.rows), default=0)
            for name, value in section.rows:
                head, *rest = columns.folded(value, width - room - 4)
                lines += [f"  {name.ljust(room)}  {head}", *(f"{'':{room + 4}}{line.lstrip()}" for line in rest)]
        for note in section.notes:
            lines += columns.folded(f"  {note}", width)
    return lines


def as_markdown(sections: Sequence[Section]) -> list[str]:
    """The sections as a page."""
    lines = ["# Profiles", ""]
    for section in sections:
        lines += [f"## {plain(section.title)}", ""]
        lines += table(section.names or ("", ""), section.rows)
        lines += [line for note in section.notes for line in ("", plain(note))]
        lines.append("")
    return lines[:-1]


def _phase_section(profile: Profile, one: PhaseProfile, places: str) -> Section:
    rows = [
        ("asked as", _manner(one.spec, profile, one)),
        ("rank", _rank(one)),
        ("latest", f"{_score(one.latest)}, cycle {one.latest_cycle}"),
        ("average", f"{_score(one.average)}, {one.average.trials:,} trials of {one.average.cases} cases"),
        ("trend", one.trend.sentence),
        ("restraint", _score(one.restraint) if one.restraint else _UNKNOWN),
        ("latency", f"median {_seconds(one.latency_median_s)}, 95 % within {_seconds(one.latency_p95_s)}"),
        ("errors", _errors(one.errors, one.average.trials)),
        ("cost", _cost_sentence(one)),
        ("score per price", _per_price_sentence(one)),
        ("maps", places),
    ]
    rows += [(f"suite {name}", f"{_score(score)}, {score.cases} cases") for name, score in one.suites.items()]
    rows += [("other manner", f"{_manner(spec, profile, one)}: {_score(score)}") for spec, score in one.others.items()]
    return Section(title=f"{profile.model} in {one.phase}", rows=rows)


def _places(profile: Profile, one: PhaseProfile, fronts: Sequence[Front], elites: Sequence[Elite]) -> str:
    """Where the maps of a phase have a model."""
    (front,) = (each for each in fronts if each.phase == one.phase)
    by = next((by for point, by in front.beaten if point.model == profile.model), None)
    places = ["on the Pareto front" if by is None else f"off the Pareto front, beaten by {by}"]
    best = (each for each in elites if (each.phase, each.model) == (one.phase, profile.model))
    return "; ".join([*places, *(f"elite of {each.tier}" for each in best)])


def _ranking(phase: str, profiles: Sequence[Profile]) -> Section:
    asked = [(profile, one) for profile in profiles for one in profile.phases if one.phase == phase]
    asked.sort(key=lambda each: (-each[1].average.accuracy, each[0].model))
    rows = [
        (
            profile.model,
            _score(one.average),
            f"{one.latest.accuracy:.3f}",
            "too few" if one.trend.word is TrendWord.UNKNOWN else one.trend.word,
            _seconds(one.latency_median_s),
            _dollars(one.cost),
        )
        for profile, one in asked
    ]
    same = all(one.rank is None or one.rank.same_questions for _, one in asked)
    return Section(
        title=f"{phase}: models by average accuracy, each as it is asked now",
        names=("model", "average", "latest", "trend", "median", "$/1000"),
        rows=rows,
        notes=() if same else ("not all were asked the same questions, so that places may say more of those",),
    )


def _worth(phases: Sequence[str], profiles: Sequence[Profile]) -> Section:
    rows = []
    for profile in profiles:
        by_phase = {one.phase: one for one in profile.phases}
        worth = [_per_price(by_phase[phase]) if phase in by_phase else "-" for phase in phases]
        prices = [_price(profile, price) for price in (profile.price_in, profile.price_out)]
        rows.append((profile.model, profile.tier, *prices, *worth))
    return Section(
        title="Prices (USD per million tokens) and average accuracy per price",
        names=("model", "tier", "in", "out", *phases),
        rows=rows,
    )


def _front_section(front: Front) -> Section:
    beaten = {point.model: by for point, by in front.beaten}
    points = [*front.members, *(point for point, _ in front.beaten)]
    partly = [point.model for point in points if None in (point.latency_s, point.cost)]
    by_member = {by: [model for model, other in beaten.items() if other == by] for by in beaten.values()}
    notes = [f"{by} beats {', '.join(models)}" for by, models in by_member.items()]
    notes += [f"compared on what is known, the rest being unknown: {', '.join(partly)}"] if partly else []
    return Section(
        title=f"{front.phase}: Pareto front of accuracy, latency and cost",
        names=("model", "accuracy", "median", "$/1000", "front"),
        rows=[
            (
                point.model,
                f"{point.accuracy:.3f}",
                _seconds(point.latency_s),
                _dollars(point.cost),
                "no" if point.model in beaten else "yes",
            )
            for point in points
        ],
        notes=notes,
    )


def _elites_section(elites: Sequence[Elite]) -> Section:
    return Section(
        title="Elites: the most accurate model of each phase and cost tier",
        names=("model", "phase", "tier", "accuracy", "of"),
        rows=[(one.model, one.phase, one.tier, _score(one.best.average), str(one.of)) for one in elites],
        notes=[
            f"{one.phase}, {one.tier}: the intervals do not tell {one.model} from {', '.join(one.level)}"
            for one in elites
            if one.level
        ],
    )


def _shortened(rows: Sequence[Sequence[str]], width: int) -> list[list[str]]:
    """The rows with the beginnings of the first cells cut off where that makes them fit and keeps them apart."""
    others = sum(max(map(len, column)) + 2 for column in zip(*(row[1:] for row in rows), strict=True))
    room = max(_LEAST_NAME, width - 2 - others)
    short = [row[0] if len(row[0]) <= room else f"…{row[0][1 - room :]}" for row in rows]
    if len(set(short)) < len({row[0] for row in rows}):
        short = [row[0] for row in rows]
    return [[name, *row[1:]] for name, row in zip(short, rows, strict=True)]


def _manner(spec: str, profile: Profile, one: PhaseProfile) -> str:
    return spec.removeprefix(f"{profile.model}/{one.phase}/")


def _score(score: Score) -> str:
    return f"{score.accuracy:.3f} ({score.low:.2f}-{score.high:.2f})"


def _seconds(value: float | None) -> str:
    return _UNKNOWN if value is None else f"{value:.2f} s"


def _dollars(value: float | None) -> str:
    return _UNKNOWN if value is None else f"${value:.4f}"


def _price(profile: Profile, price: float | None) -> str:
    return "free" if profile.free else _UNKNOWN if price is None else f"${price:g}"


def _prices(profile: Profile) -> str:
    known = [_price(profile, price) for price in (profile.price_in, profile.price_out)]
    return f"{profile.tier}" + ("" if profile.free else f", per million tokens {known[0]} in, {known[1]} out")


def _per_price(one: PhaseProfile) -> str:
    return "free" if one.price == 0 else _UNKNOWN if one.score_per_price is None else f"{one.score_per_price:.3g}"


def _per_price_sentence(one: PhaseProfile) -> str:
    price = f" a dollar, at ${one.price:.3g} per million tokens as they were used" if one.price else ""
    return f"{_per_price(one)}{price}"


def _cost_sentence(one: PhaseProfile) -> str:
    unpriced = f"; that of {one.unpriced:,} answers is unknown" if one.unpriced else ""
    return f"{_dollars(one.cost)} of {PER:,} answers{unpriced}"


def _rank(one: PhaseProfile) -> str:
    assert one.rank is not None
    rank = one.rank
    questions = "" if rank.same_questions else "; not all were asked the same questions"
    span = f"{rank.best}" if rank.best == rank.worst else f"{rank.best} to {rank.worst}"
    return f"{rank.place} of {rank.of}, by the intervals {span}{questions}"


def _errors(errors: Mapping[str, int], trials: int) -> str:
    share = [f"{kind} {count:,} ({count / trials:.1%})" for kind, count in errors.items()]
    return ", ".join(share) or "none"


def _finding(finding: Finding) -> str:
    times = "once" if finding.times == 1 else f"{finding.times} times"
    return f"{finding.kind} in {finding.phase} ({times}, last in cycle {finding.last_cycle})"


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")
