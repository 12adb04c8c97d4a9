"""The result of a cycle in a few sentences: whether anything was promoted, why or why not, and what it would take."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from pytest_selfopt.report.document import CycleLine
from pytest_selfopt.report.phase_document import VERDICTS, Measured, PhaseReport, SpecReport

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
        reasons = [phase.sentence for phase in phases if phase.sentence] or [NOT_DECIDED.get(status, status)]
        return Headline(
            verdict="HOLD" if status == "stopped" else "",
            headline=f"Nothing was decided in cycle {cycle}: {reasons[0]}.",
            why=(),
            takes=(GO_ON.get(status, "The next cycle begins anew."),),
        )
    return _decided([_result(phase) for phase in phases], phases)


def headline_of_history(lines: Sequence[CycleLine], phases: Sequence[PhaseReport]) -> Headline:
    """Where all cycles have led; `lines` are those of all cycles, oldest first."""
    cycles = len({line.cycle for line in lines})
    promoted = [line for line in lines if line.verdict == "PROMOTE"]
    told = "; ".join(_state(phase, lines) for phase in phases) or "nothing was decided"
    verdict = _best([line.verdict for line in lines])
    nothing = ["No candidate was shown to be better than what is in force."] if verdict else []
    return Headline(
        verdict=verdict,
        headline=f"{_number(len(promoted), 'promotion')} in {_number(cycles, 'cycle')}: {told}.",
        why=tuple([*map(_promotion, promoted[-_NAMES:])] or nothing),
        takes=_next_steps(phases),
    )


def _decided(results: Sequence[str], phases: Sequence[PhaseReport]) -> Headline:
    return Headline(
        verdict=_best([phase.verdict for phase in phases]),
        headline=" ".join(results),
        why=tuple(sentence for phase in phases for sentence in _grounds(phase, several=len(phases) > 1)),
        takes=_next_steps(phases),
    )


def _best(verdicts: Collection[str]) -> str:
    return next((one for one in VERDICTS if one in verdicts), "")


def _next_steps(phases: Sequence[PhaseReport]) -> tuple[str, ...]:
    return tuple(sentence for phase in phases for sentence in _takes(phase, several=len(phases) > 1))


def _promotion(line: CycleLine) -> str:
    before, after = line.accuracy_before, line.accuracy_after
    if before is None or after is None or not line.trials_before or not line.trials_after:
        return f"Cycle {line.cycle} promoted {line.name} for {line.phase}."
    return (
        f"Cycle {line.cycle} promoted {line.name} for {line.phase}: {round(after * line.trials_after):,} of "
        f"{line.trials_after:,} answers right instead of {round(before * line.trials_before):,} of "
        f"{line.trials_before:,}."
    )


def _number(count: int, name: str) -> str:
    return f"{count:,} {name}{'' if count == 1 else 's'}"


def _result(phase: PhaseReport) -> str:
    baseline, winner = _find(phase, phase.baseline), _find(phase, phase.winner or "")
    if winner is not None and winner.measured and baseline is not None and baseline.measured:
        return (
            f"Promoted {winner.name} for {phase.phase}: {_right(winner.measured)} answers right instead of "
            f"{_right(baseline.measured)} ({winner.measured.accuracy:.3f} against {baseline.measured.accuracy:.3f})."
        )
    if winner is not None:
        return f"Promoted {winner.name} for {phase.phase}."
    judged = [spec for spec in phase.specs if spec.verdict]
    held = [spec.name for spec in judged if spec.verdict == "HOLD"]
    better = [spec.name for spec in judged if spec.verdict == "PROMOTE"]
    nothing = f"Nothing was promoted for {phase.phase}:"
    if better:
        return f"{nothing} promoting is switched off, though {_named(better)} is better."
    if held:
        return f"{nothing} the evidence on {_named(held)} is short."
    if judged:
        which = "the candidate is" if len(judged) == 1 else f"none of {len(judged)} candidates is"
        return f"{nothing} {which}{' not' if len(judged) == 1 else ''} better than what is in force."
    return f"Nothing was left to try for {phase.phase}: what is in force stays."


def _state(phase: PhaseReport, lines: Sequence[CycleLine]) -> str:
    spec = _find(phase, phase.in_force)
    of = spec.measured if spec is not None else None
    now = "not measured" if of is None else f"{_right(of)} answers right ({of.accuracy:.3f})"
    first = next(
        (line.accuracy_before for line in lines if line.phase == phase.phase and line.accuracy_before is not None), None
    )
    return f"{phase.phase} {now}{f', {first:.3f} at the beginning' if first is not None else ''}"


def _grounds(phase: PhaseReport, *, several: bool) -> list[str]:
    """The sentence of the verdict that matters most: the winner's, or that of whoever was furthest ahead.

    Where nothing was compared, it is what was diagnosed of what is in force.
    """
    judged = [spec for spec in phase.specs if spec.verdict]
    winner = [spec for spec in judged if spec.spec == phase.winner]
    held = [spec for spec in judged if spec.verdict == "HOLD"]
    ahead = sorted(winner or held or judged, key=lambda spec: (spec.broken or 0) - (spec.fixed or 0))
    where = f"{phase.phase}, " if several else ""
    if not judged:
        return [f"{where}{one.kind}: {one.sentence}" for one in phase.diagnoses[:1]]
    return [f"{where}{ahead[0].name}: {_without_verdict(ahead[0], phase.phase)}"]


def _right(measured: Measured) -> str:
    return f"{measured.passes:,} of {measured.trials:,}"


def _without_verdict(spec: SpecReport, phase: str) -> str:
    return spec.sentence.removeprefix(f"{spec.verdict} {phase}: ") or "no reason is recorded"


def _takes(phase: PhaseReport, *, several: bool) -> list[str]:
    where = f" for {phase.phase}" if several else ""
    sentences = []
    if phase.winner:
        name = next((spec.name for spec in phase.specs if spec.spec == phase.winner), phase.winner)
        sentences.append(
            f"Nothing more is needed{where}: {name} is in force. selfopt rollback {phase.cycle} takes it back."
        )
    elif phase.takes:
        sentences.append(f"{phase.takes[:1].upper()}{phase.takes[1:]}{where}.")
    if phase.next:
        tries = _named([one.change for one in phase.next])
        sentences.append(f"The next cycle tries {tries}{where}.")
    elif not phase.takes:
        sentences.append(
            f"Nothing untried is left{where}: other prompts, another model, or more in [tool.selfopt.search] are what "
            "could still be better."
        )
    return sentences


def _named(names: Sequence[str]) -> str:
    more = len(names) - _NAMES
    shown = list(names[:_NAMES])
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def _find(phase: PhaseReport, spec: str) -> SpecReport | None:
    return next((one for one in phase.specs if one.spec == spec), None)
