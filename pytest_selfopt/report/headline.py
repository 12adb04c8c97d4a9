"""The result of a cycle in a few sentences: what was promoted, why or why not, and what comes next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pytest_selfopt.console.quantities import counted
from pytest_selfopt.console.verdict_text import (
    NEXT_STEPS,
    NOTHING_DECIDED,
    UNDECIDED,
    Answers,
    JudgedCandidate,
    PhaseVerdict,
    describe_plateau,
    is_too_expensive,
    join_names,
)
from pytest_selfopt.report import formats
from pytest_selfopt.report.document import CycleLine
from pytest_selfopt.report.phase_document import Measured, PhaseReport, SpecReport, best_verdict

_NAMES = 3
_STOPPED = "stopped"
_MOST_HISTORIES = 1e9
"""Odds beyond say no more to a reader."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """The verdict and its sentences."""

    verdict: str
    headline: str
    why: tuple[str, ...]
    takes: tuple[str, ...]


def headline_of_cycle(cycle: int, status: str, phases: Sequence[PhaseReport]) -> Headline:
    """Return the headline of a cycle."""
    if status != "decided":
        return _undecided(cycle, status, phases)
    several = len(phases) > 1
    grounds: list[str] = []
    for phase in phases:
        if phase.status != _STOPPED:
            grounds += _grounds(phase, several=several)
    return Headline(
        verdict=best_verdict([phase.verdict for phase in phases]),
        headline=" ".join(map(_result, phases)),
        why=tuple(grounds),
        takes=_next_steps(phases),
    )


def _undecided(cycle: int, status: str, phases: Sequence[PhaseReport]) -> Headline:
    reason = _first_sentence(phases) or UNDECIDED.get(status, status)
    verdict = ""
    if status == _STOPPED:
        verdict = "HOLD"
    if NOTHING_DECIDED in reason:
        return Headline(
            verdict=verdict,
            headline=f"Cycle {cycle}: {reason}.",
            why=(),
            takes=(_sentence(NEXT_STEPS["interrupted"]),),
        )
    return Headline(
        verdict=verdict,
        headline=f"Nothing was decided in cycle {cycle}: {reason}.",
        why=(),
        takes=(_sentence(NEXT_STEPS.get(status, "the next cycle starts over")),),
    )


def _first_sentence(phases: Sequence[PhaseReport]) -> str:
    for phase in phases:
        if phase.sentence:
            return phase.sentence
    return ""


def headline_of_history(lines: Sequence[CycleLine], phases: Sequence[PhaseReport]) -> Headline:
    """Return the headline over all cycles; `lines` are those of all cycles, oldest first."""
    cycles = len({line.cycle for line in lines})
    promoted = [line for line in lines if line.verdict == "PROMOTE"]
    states = []
    for phase in phases:
        state = _state(phase, lines)
        states.append(state)
    summary = "; ".join(states) or "nothing was decided"
    promotions, number = counted(len(promoted), "promotion"), counted(cycles, "cycle")
    taken_back = sum(bool(line.taken_back) for line in promoted)
    if taken_back:
        number += f", {taken_back} of them rolled back"
    verdict = best_verdict([line.verdict for line in lines])
    why = tuple(map(_promotion, promoted[-_NAMES:]))
    if verdict and not why:
        why = ("No candidate was shown to be better than what is in force.",)
    if lines and lines[-1].status == _STOPPED:
        why = (f"Cycle {lines[-1].cycle} decided nothing: {lines[-1].sentence}.", *why)
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
        if phase.status != _STOPPED:
            sentences += _next_sentences(phase, several=several)
    return tuple(sentences)


def _promotion(line: CycleLine) -> str:
    promoted = f"Cycle {line.cycle} promoted {line.name} for {line.phase}"
    before = _right_of(line.passes_before, line.trials_before)
    after = _right_of(line.passes_after, line.trials_after)
    grounds = []
    if before and after:
        grounds.append(f"{after} answers right instead of {before}")
    if line.claim:
        grounds.append(line.claim)
    sentence = f"{promoted}."
    if grounds:
        sentence = f"{promoted}: {'; '.join(grounds)}."
    if line.taken_back:
        sentence += f" It was rolled back on {formats.moment(line.taken_back)}."
    return sentence


def _right_of(passes: int, answers: int | None) -> str:
    """Format right answers of all answers, such as "7 of 8"; empty if unknown."""
    if not answers:
        return ""
    return f"{passes:,} of {answers:,}"


def _result(phase: PhaseReport) -> str:
    text = verdict_of(phase).text
    if phase.status == _STOPPED:
        text = phase.sentence
    if not phase.phase:
        return _sentence(text)
    return f"{phase.phase}: {text}."


def verdict_of(phase: PhaseReport) -> PhaseVerdict:
    """Return the facts from which the verdict of a phase is put into words."""
    candidates: list[JudgedCandidate] = []
    for spec in _judged(phase):
        candidate = JudgedCandidate(
            spec=spec.spec,
            name=spec.name,
            verdict=spec.verdict,
            fixed=spec.fixed or 0,
            broken=spec.broken or 0,
            claim=spec.claim,
            is_older=spec.measured is not None and (spec.passes or 0) > len(spec.measured.run_accuracies),
            too_expensive=is_too_expensive(gate.name for gate in spec.gates if not gate.passed),
        )
        candidates.append(candidate)
    return PhaseVerdict(
        winner=phase.winner,
        candidates=candidates,
        before=_answers(phase, phase.baseline),
        after=_answers(phase, phase.winner or ""),
    )


def _answers(phase: PhaseReport, spec: str) -> Answers | None:
    measured = _measured(phase, spec)
    if measured is None:
        return None
    return Answers(
        right=measured.passes,
        given=measured.answers,
        missing=measured.errors,
        cost_of_1000_usd=measured.cost_of_1000_usd,
    )


def _judged(phase: PhaseReport) -> list[SpecReport]:
    return [spec for spec in phase.specs if spec.verdict]


def _state(phase: PhaseReport, lines: Sequence[CycleLine]) -> str:
    in_force = phase.in_force
    if phase.in_force_now is not None:
        in_force = phase.in_force_now
    measured = _measured(phase, in_force)
    state = f"{phase.phase} not measured"
    if measured is not None:
        state = f"{phase.phase} {_right(measured)} answers right ({formats.share(measured.accuracy)})"
    for line in lines:
        if line.phase == phase.phase and line.accuracy_before is not None:
            return f"{state}, {line.accuracy_before:.3f} at the beginning"
    return state


def _grounds(phase: PhaseReport, *, several: bool) -> Iterator[str]:
    """Yield the sentence of the most important verdict: that of the winner, or of the candidate furthest ahead.

    If nothing was compared, it is the first diagnosis of the spec in force.
    """
    prefix = ""
    if several:
        prefix = f"{phase.phase}, "
    foremost = verdict_of(phase).foremost
    if foremost is not None:
        luck = _luck(_find(phase, foremost.spec))
        if luck and prefix:
            yield f"{prefix}{luck}."
        elif luck:
            yield _sentence(luck)
        sentence = _sentence_of(phase, foremost.spec)
        yield f"{prefix}{foremost.name}: {sentence}"
    elif phase.diagnoses:
        diagnosis = phase.diagnoses[0]
        yield f"{prefix}{diagnosis.kind}: {diagnosis.sentence}"


def _luck(report: SpecReport | None) -> str:
    """Say of a promoted candidate how rare its evidence is by luck, in words that need no statistics.

    Odds are an e-value: one that is no better reaches odds of N, whenever it is looked at, once in N at most (Ville).
    """
    if report is None or report.verdict != "PROMOTE" or report.odds is None or report.needed is None:
        return ""
    odds, needed = (format(int(min(value, _MOST_HISTORIES)), ",") for value in (report.odds, report.needed))
    return (
        f"if {report.name} were no better, luck would look like this less than once in {odds} histories; "
        f"once in {needed} is asked for"
    )


def _measured(phase: PhaseReport, spec: str) -> Measured | None:
    report = _find(phase, spec)
    if report is None:
        return None
    return report.measured


def _right(measured: Measured) -> str:
    return f"{measured.passes:,} of {measured.answers:,}"


def _sentence_of(phase: PhaseReport, spec: str) -> str:
    """Return the recorded sentence on a candidate without its verdict, which is shown elsewhere."""
    report = _find(phase, spec)
    if report is None or not report.sentence:
        return "no reason is recorded"
    return report.sentence.removeprefix(f"{report.verdict} {phase.phase}: ")


def _sentence(text: str) -> str:
    first, rest = text[:1], text[1:]
    return f"{first.upper()}{rest}."


def _next_sentences(phase: PhaseReport, *, several: bool) -> list[str]:
    where = ""
    if several:
        where = f" for {phase.phase}"
    if phase.has_changed:
        return [*_changed_sentences(phase, where)]
    sentences = []
    if phase.winner:
        name = _name_of_winner(phase, phase.winner)
        sentences.append(
            f"Nothing more is needed{where}: {name} is in force. selfopt rollback {phase.cycle} takes it back."
        )
    elif phase.takes:
        sentences.append(_sentence(f"{phase.takes}{where}"))
    if phase.next:
        changes = join_names([candidate.change for candidate in phase.next])
        sentences.append(f"The next cycle tries {changes}{where}.")
    elif not phase.takes:
        sentences.append(_sentence(f"{describe_plateau(phase.next_unneeded)}{where}"))
        sentences.append("Only other prompts, another model, or more in [tool.selfopt.search] could still be better.")
    return sentences


def _changed_sentences(phase: PhaseReport, where: str) -> Iterator[str]:
    """Yield what is in force instead of what the cycle left, and the way back."""
    name = phase.in_force
    if phase.winner:
        name = _name_of_winner(phase, phase.winner)
    now = "nothing can be asked now, because the model is disabled and has no fallback"
    if phase.in_force_now:
        now = f"in force now is {phase.in_force_now}"
    if phase.taken_back:
        yield f"{name} was rolled back on {formats.moment(phase.taken_back)}{where}: {now}."
        yield f"selfopt rollback --redo {phase.cycle} takes the rollback back."
    else:
        yield f"{name} is not in force any more{where}: {now}."


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
