"""Profiles of models and the maps over them for people: plain text and Markdown."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, repeat, starmap

from pytest_selfopt.console import layout as columns
from pytest_selfopt.console.markdown_escape import plain, table
from pytest_selfopt.economy.pareto import Elite, Front, Point
from pytest_selfopt.economy.profile import PER, Finding, PhaseProfile, Profile
from pytest_selfopt.economy.score import Score
from pytest_selfopt.economy.trend import TrendWord
from pytest_selfopt.report.formats import ended

WIDTH = 80
_LEAST_NAME = 12
_UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of the output: a table with `names` as heads, or name-value pairs without heads; then sentences."""

    title: str
    rows: Sequence[Sequence[str]]
    names: Sequence[str] = ()
    notes: Sequence[str] = ()


def model_sections(profile: Profile, fronts: Sequence[Front], elites: Sequence[Elite]) -> list[Section]:
    """Return the sections on one model; `fronts` and `elites` are those over all models."""
    rows = [
        ("prices", _prices(profile)),
        ("trials", _trials(profile)),
        ("errors", _errors(profile.errors, profile.trials)),
        ("diagnoses", "; ".join(map(_finding, profile.findings)) or "none"),
    ]
    sections = [Section(title=profile.model, rows=rows)]
    for phase in profile.phases:
        places = _places(profile, phase, fronts, elites)
        sections.append(_phase_section(profile, phase, places))
    return sections


def _trials(profile: Profile) -> str:
    cycles = f"{profile.cycles} cycles"
    if profile.cycles == 1:
        cycles = "1 cycle"
    first, last = _day(profile.first), _day(profile.last)
    return f"{profile.trials:,} in {cycles}, {first} to {last}"


def all_sections(profiles: Sequence[Profile], fronts: Sequence[Front], elites: Sequence[Elite]) -> list[Section]:
    """Return the sections on all models: a ranking for each phase, then their prices, and the maps."""
    phases, sections = [], []
    for front in fronts:
        phases.append(front.phase)
        sections.append(_ranking(front.phase, profiles))
    sections.append(_worth(phases, profiles))
    sections += map(_front_section, fronts)
    sections.append(_elites_section(elites))
    return sections


def as_text(sections: Sequence[Section], width: int = WIDTH) -> list[str]:
    """Render sections as lines of at most `width` columns."""
    lines: list[str] = []
    for section in sections:
        if lines:
            lines.append("")
        lines.append(section.title)
        if section.names:
            lines += _table_lines(section, width)
        else:
            lines += _fact_lines(section.rows, width)
        for note in section.notes:
            lines += columns.folded(f"  {note}", width)
    return lines


def _table_lines(section: Section, width: int) -> Iterator[str]:
    rows = _shortened([section.names, *section.rows], width)
    for line in columns.table(rows, width - 2):
        yield f"  {line}".rstrip()


def _fact_lines(facts: Sequence[Sequence[str]], width: int) -> Iterator[str]:
    """Yield names with their values beside them, folded in a separate column."""
    names = [name for name, _ in facts]
    room = max(map(len, names), default=0)
    margin = " " * (room + 4)
    for name, value in facts:
        head, *rest = columns.folded(value, width - len(margin))
        yield f"  {name.ljust(room)}  {head}"
        for line in rest:
            yield f"{margin}{line.lstrip()}"


def as_markdown(sections: Sequence[Section]) -> list[str]:
    """Render sections as a Markdown page."""
    lines = ["# Profiles", ""]
    for section in sections:
        lines += [f"## {plain(section.title)}", ""]
        lines += table(section.names or ("", ""), section.rows)
        for note in section.notes:
            lines += ["", plain(note)]
        lines.append("")
    return lines[:-1]


def _phase_section(profile: Profile, phase: PhaseProfile, places: str) -> Section:
    average = phase.average
    median, most = _seconds(phase.latency_median_s), _seconds(phase.latency_p95_s)
    rows = [
        ("asked as", _short_spec(phase.spec, profile, phase)),
        ("rank", _rank(phase)),
        ("latest", f"{_score(phase.latest)}, cycle {phase.latest_cycle}"),
        ("average", f"{_score(average)}, {average.trials:,} answers of {average.cases} cases"),
        ("trend", phase.trend.sentence),
        ("restraint", _restraint(phase)),
        ("latency", f"median {median}, 95 % within {most}"),
        ("errors", _errors(phase.errors, phase.trials)),
        *_ends(phase.ends, phase.trials),
        ("cost", _cost_sentence(phase)),
        ("score per price", _per_price_sentence(phase)),
        ("maps", places),
    ]
    for name, score in phase.suites.items():
        rows.append((f"suite {name}", f"{_score(score)}, {score.cases} cases"))
    for spec, score in phase.others.items():
        name = _short_spec(spec, profile, phase)
        rows.append(("other spec", f"{name}: {_score(score)}"))
    return Section(title=f"{profile.model} in {phase.phase}", rows=rows)


def _places(profile: Profile, phase: PhaseProfile, fronts: Sequence[Front], elites: Sequence[Elite]) -> str:
    """Describe the position of a model on the maps of a phase."""
    (front,) = (front for front in fronts if front.phase == phase.phase)
    places = _place(profile.model, front)
    for elite in elites:
        if (elite.phase, elite.model) == (phase.phase, profile.model):
            places += f"; elite of {elite.tier}"
    return places


def _place(model: str, front: Front) -> str:
    for point, by in front.beaten:
        if point.model == model:
            return f"off the Pareto front, beaten by {by}"
    return "on the Pareto front"


def _ranking(phase: str, profiles: Sequence[Profile]) -> Section:
    ranked = []
    notes: Sequence[str] = ()
    for profile in profiles:
        for asked in profile.phases:
            if asked.phase != phase:
                continue
            ranked.append((profile, asked))
            if asked.rank is not None and not asked.rank.same_questions:
                notes = ("not all models were asked the same questions, so ranks may reflect the questions",)
    ranked.sort(key=_ranking_place)
    return Section(
        title=f"{phase}: models by average accuracy, each as it is asked now",
        names=("model", "average", "latest", "trend", "median", "$/1000"),
        rows=list(starmap(_ranking_row, ranked)),
        notes=notes,
    )


def _ranking_place(ranked: tuple[Profile, PhaseProfile]) -> tuple[float, str]:
    """Return the sort key of a ranking: the most accurate first, among equals by name."""
    profile, phase = ranked
    return (-phase.average.accuracy, profile.model)


def _ranking_row(profile: Profile, phase: PhaseProfile) -> Sequence[str]:
    trend = str(phase.trend.word)
    if phase.trend.word is TrendWord.UNKNOWN:
        trend = "too few"
    return (
        profile.model,
        _score(phase.average),
        f"{phase.latest.accuracy:.3f}",
        trend,
        _seconds(phase.latency_median_s),
        _dollars(phase.cost),
    )


def _worth(phases: Sequence[str], profiles: Sequence[Profile]) -> Section:
    rows = []
    for profile in profiles:
        worth = dict.fromkeys(phases, "-")
        for phase in profile.phases:
            if phase.phase in worth:
                worth[phase.phase] = _per_price(phase)
        price_in = _price(profile, profile.price_in)
        price_out = _price(profile, profile.price_out)
        rows.append((profile.model, profile.tier, price_in, price_out, *worth.values()))
    return Section(
        title="Prices (USD per million tokens) and average accuracy per price",
        names=("model", "tier", "in", "out", *phases),
        rows=rows,
    )


def _front_section(front: Front) -> Section:
    rows, partly = [], []
    beaten: defaultdict[str, list[str]] = defaultdict(list)
    for point, by in chain(zip(front.members, repeat("")), front.beaten):
        if by:
            beaten[by].append(point.model)
            rows.append(_point_row(point, "no"))
        else:
            rows.append(_point_row(point, "yes"))
        if None in (point.latency_s, point.cost):
            partly.append(point.model)
    notes = [f"{by} beats {', '.join(models)}" for by, models in beaten.items()]
    if partly:
        models = ", ".join(partly)
        notes.append(f"compared only on their known numbers: {models}")
    return Section(
        title=f"{front.phase}: Pareto front of accuracy, latency and cost",
        names=("model", "accuracy", "median", "$/1000", "front"),
        rows=rows,
        notes=notes,
    )


def _point_row(point: Point, on_front: str) -> Sequence[str]:
    return (
        point.model,
        f"{point.accuracy:.3f}",
        _seconds(point.latency_s),
        _dollars(point.cost),
        on_front,
    )


def _elites_section(elites: Sequence[Elite]) -> Section:
    rows, notes = [], []
    for elite in elites:
        score = _score(elite.best.average)
        rows.append((elite.model, elite.phase, elite.tier, score, str(elite.of)))
        if elite.level:
            level = ", ".join(elite.level)
            notes.append(f"{elite.phase}, {elite.tier}: the intervals do not distinguish {elite.model} from {level}")
    return Section(
        title="Elites: the most accurate model of each phase and cost tier",
        names=("model", "phase", "tier", "accuracy", "of"),
        rows=rows,
        notes=notes,
    )


def _shortened(rows: Sequence[Sequence[str]], width: int) -> list[list[str]]:
    """Cut off the beginnings of the first cells to fit the width, unless that makes two of them equal."""
    names, *others = zip(*rows, strict=True)
    taken = 0
    for column in others:
        taken += max(map(len, column)) + 2
    room = max(_LEAST_NAME, width - 2 - taken)
    short = [_end_of(name, room) for name in names]
    if len(set(short)) < len(set(names)):
        short = list(names)
    return list(map(list, zip(short, *others, strict=True)))


def _end_of(name: str, room: int) -> str:
    if len(name) <= room:
        return name
    return f"…{name[1 - room :]}"


def _short_spec(spec: str, profile: Profile, phase: PhaseProfile) -> str:
    return spec.removeprefix(f"{profile.model}/{phase.phase}/")


def _score(score: Score) -> str:
    if not score.trials:
        return _UNKNOWN
    return f"{score.accuracy:.3f} ({score.low:.2f}-{score.high:.2f})"


def _restraint(phase: PhaseProfile) -> str:
    if not phase.restraint:
        return _UNKNOWN
    return _score(phase.restraint)


def _seconds(value: float | None) -> str:
    if value is None:
        return _UNKNOWN
    return f"{value:.2f} s"


def _dollars(value: float | None) -> str:
    if value is None:
        return _UNKNOWN
    return f"${value:.4f}"


def _price(profile: Profile, price: float | None) -> str:
    if profile.free:
        return "free"
    if price is None:
        return _UNKNOWN
    return f"${price:g}"


def _prices(profile: Profile) -> str:
    if profile.free:
        return f"{profile.tier}"
    price_in = _price(profile, profile.price_in)
    price_out = _price(profile, profile.price_out)
    return f"{profile.tier}, per million tokens {price_in} in, {price_out} out"


def _per_price(phase: PhaseProfile) -> str:
    if phase.price == 0:
        return "free"
    if phase.score_per_price is None:
        return _UNKNOWN
    return f"{phase.score_per_price:.3g}"


def _per_price_sentence(phase: PhaseProfile) -> str:
    score = _per_price(phase)
    if not phase.price:
        return score
    return f"{score} per dollar, at ${phase.price:.3g} per million tokens in the observed mix"


def _cost_sentence(phase: PhaseProfile) -> str:
    sentence = f"{_dollars(phase.cost)} of {PER:,} answers"
    if phase.unpriced:
        sentence += f"; that of {phase.unpriced:,} answers is unknown"
    return sentence


def _rank(phase: PhaseProfile) -> str:
    rank = phase.rank
    assert rank is not None
    span = f"{rank.best} to {rank.worst}"
    if rank.best == rank.worst:
        span = f"{rank.best}"
    sentence = f"{rank.place} of {rank.of}, by the intervals {span}"
    if not rank.same_questions:
        sentence += "; not all models were asked the same questions"
    return sentence


def _errors(errors: Mapping[str, int], trials: int) -> str:
    shares = [f"{kind} {count:,} ({count / trials:.1%})" for kind, count in errors.items()]
    return ", ".join(shares) or "none"


def _ends(ends: Mapping[str, int], trials: int) -> Iterator[tuple[str, str]]:
    """Yield a row with the replies that ended otherwise than usual, if there are any."""
    shares = [f"{count:,} ({count / trials:.1%}) {ended(reason)}" for reason, count in ends.items()]
    if shares:
        yield "answers", ", ".join(shares)


def _finding(finding: Finding) -> str:
    times = f"{finding.times} times"
    if finding.times == 1:
        times = "once"
    return f"{finding.kind} in {finding.phase} ({times}, last in cycle {finding.last_cycle})"


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")
