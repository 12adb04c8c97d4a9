"""The text of `LEARNED.md`, from the facts alone: names and numbers, no prompts and no replies."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType

from pytest_selfopt.console.quantities import counted
from pytest_selfopt.loop.distributions import wilson
from pytest_selfopt.report.learned.facts import Facts, ModelFacts, PhaseFacts, Trend

MAX_LINES = 200
"""The most lines that the file has."""
_SHOWN = (50, 20, 10, 5, 3, 1)
"""How many entries of a list are shown: the first number with which the text is short enough."""


def learned_text(facts: Facts, now: Mapping[str, str] = MappingProxyType({})) -> str:
    """Return the Markdown of what is known, in at most `MAX_LINES` lines; `now` is the spec in force by phase."""
    for shown in _SHOWN:
        lines = list(_lines(facts, now, shown))
        if len(lines) <= MAX_LINES:
            return _text(lines)
    kept = lines[: MAX_LINES - 2]
    return _text([*kept, "", "There is more: `selfopt history` and `selfopt profile` tell all."])


def _text(lines: Sequence[str]) -> str:
    return "\n".join(lines) + "\n"


def _lines(facts: Facts, now: Mapping[str, str], shown: int) -> Iterator[str]:
    yield "# What is known by now"
    yield ""
    yield (
        f"After {counted(facts.cycles, 'decided cycle')}, the last of them cycle {facts.last}. Every cycle writes this "
        "file anew from the ledger, so notes of your own belong elsewhere. `selfopt why MODEL PHASE` shows the trials "
        "behind a rule."
    )
    for phase in facts.phases:
        yield from _phase_lines(phase, now.get(phase.phase, phase.in_force), shown)


def _phase_lines(phase: PhaseFacts, now: str, shown: int) -> Iterator[str]:
    yield ""
    yield f"## {phase.phase}"
    yield ""
    yield f"Left in force by its last cycle: `{phase.in_force}`{_rightness(phase, phase.in_force)}"
    if now != phase.in_force:
        yield ""
        yield f"In force when this was written: `{now or 'nothing'}`{_rightness(phase, now)}"
    best = _best(phase)
    if best and best != phase.in_force:
        yield ""
        yield f"Measured best: `{best}`{_rightness(phase, best)}"
    for model in phase.models:
        yield from _model_lines(model, shown)


def _rightness(phase: PhaseFacts, spec: str) -> str:
    right, answers = phase.measured.get(spec, (0, 0))
    if not answers:
        return ""
    return f", {right:,} of {counted(answers, 'answer')} right"


def _best(phase: PhaseFacts) -> str:
    """Return the spec with the highest lower 95 % bound of its share of right answers; empty without answers."""

    def rank(spec: str) -> tuple[float, bool]:
        right, answers = phase.measured[spec]
        return wilson(right, answers)[0], spec == phase.in_force

    answered = [spec for spec, (_, answers) in phase.measured.items() if answers]
    return max(answered, key=rank, default="")


def _model_lines(model: ModelFacts, shown: int) -> Iterator[str]:
    yield ""
    yield f"### `{model.model}`"
    yield from _list("Won:", model.won, _trend, shown)
    yield from _list("Never helped:", model.never_helped, _trend, shown)
    yield from _list("Open, not enough evidence yet:", model.open, _trend, shown)
    yield from _list("Taken back by hand, cycles leave it alone:", model.taken_back, str, shown)
    if not (model.won or model.never_helped or model.open or model.taken_back):
        yield ""
        yield "Nothing was tried in its place yet."


def _list(title: str, entries: Sequence[object], write: Callable[..., str], shown: int) -> Iterator[str]:
    if not entries:
        return
    yield ""
    yield title
    yield ""
    for entry in entries[:shown]:
        yield f"- {write(entry)}"
    more = len(entries) - shown
    if more > 0:
        yield f"- and {more:,} more"


def _trend(trend: Trend) -> str:
    passes = counted(trend.passes, "pass")
    times = ""
    if trend.comparisons > 1:
        times = f", over {trend.comparisons:,} comparisons"
    return f"{trend.change}: fixed {counted(trend.fixed, 'answer')}, broke {trend.broken:,} in {passes}{times}"
