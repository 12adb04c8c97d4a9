"""The result of a cycle in a few sentences: whether anything was promoted, why or why not, and what it would take."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pytest_selfopt.report.document import CycleLine
from pytest_selfopt.report.phase_document import Measured, PhaseReport, SpecReport, best_verdict

NOT_DECIDED = {
    "interrupted": "the session was interrupted",
    "partial": "only some of the planned trials were selected",
    "running": "the cycle is under way, or was cut off",
    "stopped": "its budget was used up",
}
GO_ON = {
    "interrupted": "pytest --selfopt-cycle --selfopt-resume makes only the calls that are missing.",
    "running": "If it was cut off: pytest --selfopt-cycle --selfopt-resume makes only the calls that are missing.",
    "stopped": "pytest --selfopt-cycle --selfopt-resume with a larger budget goes on from there.",
    "partial": "pytest --selfopt-cycle without a selection (-k, -m, --lf, -x) decides.",
}
"""How to go on with a cycle that decided nothing, by its status."""
_NAMES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """The verdict, and the sentences that go with it."""

    verdict: str
    headline: str
    why: tuple[str, ...]
    takes: tuple[str, ...]


def headline_of_cycle(cycle: int, status: str, phases: Sequence[PhaseReport]) -> Headline:
    """What a cycle came to."""
    if status != "decided":
        return _undecided(cycle, status, phases)
    several = len(phases) > 1
    grounds: list[str] = []
    for phase in phases:
        grounds += _grounds(phase, several=several)
    return Headline(
        verdict=best_verdict([phase.verdict for phase in phases]),
        headline=" ".join(map(_result, phases)),
        why=tuple(grounds),
        takes=_next_steps(phases),
    )


def _undecided(cycle: int, status: str, phases: Sequence[PhaseReport]) -> Headline:
    reason = _first_sentence(phases) or NOT_DECIDED.get(status, status)
    verdict = ""
    if status == "stopped":
        verdict = "HOLD"
    return Headline(
        verdict=verdict,
        headline=f"Nothing was decided in cycle {cycle}: {reason}.",
        why=(),
        takes=(GO_ON.get(status, "The next cycle begins anew."),),
    )


def _first_sentence(phases: Sequence[PhaseReport]) -> str:
    for phase in phases:
        if phase.sentence:
            return phase.sentence
    return ""


def headline_of_history(lines: Sequence[CycleLine], phases: Sequence[PhaseReport]) -> Headline:
    """Where all cycles have led; `lines` are those of all cycles, oldest first."""
    cycles = len({line.cycle for line in lines})
    promoted = [line for line in lines if line.verdict == "PROMOTE"]
    states = []
    for phase in phases:
        state = _state(phase, lines)
        states.append(state)
    summary = "; ".join(states) or "nothing was decided"
    promotions, number = _number(len(promoted), "promotion"), _number(cycles, "cycle")
    verdict = best_verdict([line.verdict for line in lines])
    why = tuple(map(_promotion, promoted[-_NAMES:]))
    if verdict and not why:
        why = ("No candidate was shown to be better than what is in force.",)
    return Headline(
        verdict=verdict,
        headline=f"{promotions} in {number}: {summary}.",
        why=why,
        takes=_next_steps(phases),
    )


def _next_steps(phases: Sequence[PhaseReport]) -> tuple[str, ...]:
    several = len(phases) > 1
    sentences: list[str] = []
    for phase in phases:
        sentences += _takes(phase, several=several)
    return tuple(sentences)


def _promotion(line: CycleLine) -> str:
    promoted = f"Cycle {line.cycle} promoted {line.name} for {line.phase}"
    before = _right_of(line.accuracy_before, line.trials_before)
    after = _right_of(line.accuracy_after, line.trials_after)
    if not before or not after:
        return f"{promoted}."
    return f"{promoted}: {after} answers right instead of {before}."


def _right_of(accuracy: float | None, trials: int | None) -> str:
    """How many of some trials were right, such as "7 of 8"; empty where it is unknown."""
    if accuracy is None or not trials:
        return ""
    return f"{round(accuracy * trials):,} of {trials:,}"


def _number(count: int, name: str) -> str:
    if count == 1:
        return f"1 {name}"
    return f"{count:,} {name}s"


def _result(phase: PhaseReport) -> str:
    winner = _find(phase, phase.winner or "")
    if winner is not None:
        return _promoted(phase, winner)
    judged = _judged(phase)
    if not judged:
        return f"Nothing was left to try for {phase.phase}: what is in force stays."
    return f"Nothing was promoted for {phase.phase}: {_why_nothing(judged)}."


def _promoted(phase: PhaseReport, winner: SpecReport) -> str:
    promoted = f"Promoted {winner.name} for {phase.phase}"
    after, before = winner.measured, _measured(phase, phase.baseline)
    if after is None or before is None:
        return f"{promoted}."
    counts = f"{_right(after)} answers right instead of {_right(before)}"
    return f"{promoted}: {counts} ({after.accuracy:.3f} against {before.accuracy:.3f})."


def _why_nothing(judged: Sequence[SpecReport]) -> str:
    names: defaultdict[str, list[str]] = defaultdict(list)
    for spec in judged:
        names[spec.verdict].append(spec.name)
    if names["PROMOTE"]:
        return f"promoting is switched off, though {_named(names['PROMOTE'])} is better"
    if names["HOLD"]:
        return f"the evidence on {_named(names['HOLD'])} is short"
    if len(judged) == 1:
        return "the candidate is not better than what is in force"
    return f"none of {len(judged)} candidates is better than what is in force"


def _judged(phase: PhaseReport) -> list[SpecReport]:
    return [spec for spec in phase.specs if spec.verdict]


def _state(phase: PhaseReport, lines: Sequence[CycleLine]) -> str:
    measured = _measured(phase, phase.in_force)
    state = f"{phase.phase} not measured"
    if measured is not None:
        state = f"{phase.phase} {_right(measured)} answers right ({measured.accuracy:.3f})"
    for line in lines:
        if line.phase == phase.phase and line.accuracy_before is not None:
            return f"{state}, {line.accuracy_before:.3f} at the beginning"
    return state


def _grounds(phase: PhaseReport, *, several: bool) -> Iterator[str]:
    """The sentence of the verdict that matters most: the winner's, or that of whoever was furthest ahead.

    Where nothing was compared, it is what was diagnosed of what is in force.
    """
    prefix = ""
    if several:
        prefix = f"{phase.phase}, "
    judged = _judged(phase)
    if judged:
        spec = _foremost(phase, judged)
        yield f"{prefix}{spec.name}: {_without_verdict(spec, phase.phase)}"
    elif phase.diagnoses:
        diagnosis = phase.diagnoses[0]
        yield f"{prefix}{diagnosis.kind}: {diagnosis.sentence}"


def _foremost(phase: PhaseReport, judged: Sequence[SpecReport]) -> SpecReport:
    winner = [spec for spec in judged if spec.spec == phase.winner]
    held = [spec for spec in judged if spec.verdict == "HOLD"]
    return min(winner or held or judged, key=_lag)


def _lag(spec: SpecReport) -> int:
    """How many more answers a candidate broke than it fixed."""
    return (spec.broken or 0) - (spec.fixed or 0)


def _measured(phase: PhaseReport, spec: str) -> Measured | None:
    report = _find(phase, spec)
    if report is None:
        return None
    return report.measured


def _right(measured: Measured) -> str:
    return f"{measured.passes:,} of {measured.trials:,}"


def _without_verdict(spec: SpecReport, phase: str) -> str:
    return spec.sentence.removeprefix(f"{spec.verdict} {phase}: ") or "no reason is recorded"


def _takes(phase: PhaseReport, *, several: bool) -> list[str]:
    where = ""
    if several:
        where = f" for {phase.phase}"
    sentences = []
    if phase.winner:
        name = _name_of_winner(phase, phase.winner)
        sentences.append(
            f"Nothing more is needed{where}: {name} is in force. selfopt rollback {phase.cycle} takes it back."
        )
    elif phase.takes:
        first, rest = phase.takes[0], phase.takes[1:]
        sentences.append(f"{first.upper()}{rest}{where}.")
    if phase.next:
        changes = _named([candidate.change for candidate in phase.next])
        sentences.append(f"The next cycle tries {changes}{where}.")
    elif not phase.takes:
        sentences.append(
            f"Nothing untried is left{where}: other prompts, another model, or more in [tool.selfopt.search] are what "
            "could still be better."
        )
    return sentences


def _named(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_NAMES])
    more = len(names) - _NAMES
    if more > 0:
        return f"{shown} and {more} more"
    return shown


def _name_of_winner(phase: PhaseReport, winner: str) -> str:
    report = _find(phase, winner)
    if report is None:
        return winner
    return report.name


def _find(phase: PhaseReport, spec: str) -> SpecReport | None:
    for report in phase.specs:
        if report.spec == spec:
            return report
    return None
