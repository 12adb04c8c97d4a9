"""What a cycle says on the terminal: what it is going to do, how the passes went, and what it decided and why."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from pytest_selfopt.economy.config import SWARM
from pytest_selfopt.ledger.ledger import Warmup
from pytest_selfopt.loop.bars import status_of
from pytest_selfopt.loop.cycle import Conclusion
from pytest_selfopt.loop.diagnosis import Diagnosis
from pytest_selfopt.loop.evaluate import Metrics
from pytest_selfopt.loop.gate import Judgement
from pytest_selfopt.loop.gates import Verdict
from pytest_selfopt.loop.power import Outlook, findable_gain
from pytest_selfopt.report.columns import aligned
from pytest_selfopt.session.phases import Flaw
from pytest_selfopt.session.planned import PhasePlan
from pytest_selfopt.session.progress import minutes
from pytest_selfopt.specs.spec import difference, parse_spec, short_difference

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

    from pytest_selfopt.session.phases import PhaseRun
    from pytest_selfopt.session.work import Work

WIDTH = 80
NO_FLAWS: Mapping[Flaw, int] = MappingProxyType({})
COLOURS = {Verdict.PROMOTE: "green", Verdict.HOLD: "yellow", Verdict.REJECT: "red"}

_COLUMNS: dict[str, Callable[[Metrics], str]] = {
    "accuracy": lambda one: f"{one.accuracy:.3f}",
    "restraint": lambda one: "-" if one.restraint is None else f"{one.restraint:.2f}",
    "errors": lambda one: str(one.errors),
    "no call": lambda one: str(one.silent_misses),
    "wrong call": lambda one: str(one.wrong_calls),
    "median": lambda one: "-" if one.latency_median_s is None else f"{one.latency_median_s:.2f} s",
    "passes": lambda one: str(len(one.runs)),
}


def announcement(plan: PhasePlan, cases: int, cycle: int, outlooks: Sequence[Outlook], *, partial: bool) -> list[str]:
    """What a cycle is going to do for a phase, and the smallest gain it can find."""
    what = "proof of what is on trial" if plan.only_proves else f"phase {plan.phase}"
    lines = [f"selfopt cycle {cycle}, {what}: baseline {plan.baseline.id}"]
    lines += [f"  {reason}" for reason in plan.because]
    lines += [
        f"  candidate: {difference(plan.baseline, candidate.spec)} ({candidate.why})" for candidate in plan.candidates
    ]
    if partial:
        lines.append("  only some trials are selected: they are recorded, nothing is decided")
    elif not plan.candidates:
        lines.append(f"  plateau: every neighbour of the baseline was tried; {plan.least_passes} passes watch over it")
    else:
        least, most = plan.fewest_calls(cases), plan.most_calls(cases)
        passes, calls = f"{plan.least_passes}", f"{least:,}"
        if most > least:
            passes, calls = f"{passes} to {plan.most_passes}", f"{calls} to {most:,}"
        what = "calls" if not any(spec.model.startswith(SWARM) for spec in plan.specs) else "answers"
        lines.append(f"  {cases} prompts, {passes} passes, {calls} {what}; {_how(plan, outlooks)}")
        if what == "answers":
            lines.append("  an answer of a swarm takes a call to each of its members, or more")
    return [line for text in lines for line in _folded(text)]


def _how(plan: PhasePlan, outlooks: Sequence[Outlook]) -> str:
    if plan.turns:
        return f"asked in turns of {plan.turns} passes, each from a cold start"
    return _findable(outlooks)


def _findable(outlooks: Sequence[Outlook]) -> str:
    """The smallest gain that is found in three of four cycles; for two outlooks, if answers repeat and if they vary."""
    if not outlooks:
        return "judged by the classic rule, which guarantees nothing"
    gains = [findable_gain(outlook) for outlook in outlooks]
    words = ["no gain at all" if gain is None else f"about {gain:+.2f}" for gain in gains]
    if len(words) == 1:
        return f"finds a gain of {words[0]} or more"
    return f"finds a gain of {words[0]} if answers repeat, of {words[1]} if {outlooks[1].churn:.0%} of repeats differ"


def pass_line(phase: PhaseRun, run: int) -> str:
    """How one pass went for each spec, such as "pass 1: baseline 10/40, few_shot 18/40"."""
    shares = []
    for spec in phase.plan.specs:
        trials = [trial for trial in phase.trials(spec.id) if trial.run == run]
        if trials:
            name = "baseline" if spec == phase.plan.baseline else short_difference(phase.plan.baseline, spec)
            shares.append(f"{name} {sum(trial.outcome == 'pass' for trial in trials)}/{len(trials)}")
    return f"  pass {run + 1} right: {', '.join(shares)}"


def race_lines(phase: PhaseRun, said: Collection[str]) -> list[str]:
    """Why candidates do not go on, those that were `said` already left out, and which go on after all."""
    news = {spec: reason for spec, reason in phase.stopped.items() if spec not in said}
    news |= {spec: "goes on after all" for spec in phase.specs if spec in said and spec not in phase.stopped}
    return [
        line
        for spec, reason in news.items()
        for line in _folded(f"  {short_difference(phase.plan.baseline, parse_spec(spec))} {reason}")
    ]


def write_summary(terminal: TerminalReporter, work: Work) -> None:
    """Write what was decided and why; for a session without a decision, why there is none."""
    terminal.write_sep("=", f"selfopt cycle {work.cycle}")
    _write_trouble(terminal, work)
    for warmup in work.warmups:
        for line in _folded(warmup_line(warmup)):
            terminal.write_line(line, yellow=warmup.result.reply is None)
    for conclusion in work.conclusions:
        _write_phase(terminal, conclusion)
    for line in closing_lines(work) if work.conclusions else []:
        terminal.write_line(line)
    if work.published is not None and work.published.page is not None:
        terminal.write_line(f"report: {_from_here(work.published.page)}")


def _write_trouble(terminal: TerminalReporter, work: Work) -> None:
    """What went wrong, and why there is no decision."""
    for note in work.notes:
        terminal.write_line(note, yellow=True)
    if work.problem:
        terminal.write_line(f"not everything could be written: {work.problem}", red=True)
    if work.status != "decided" and not work.problem:
        for text in undecided(work.status, work.counts, work.stopped_because, work.flaws):
            for line in _folded(text):
                terminal.write_line(line, yellow=True)


def _from_here(path: Path) -> str:
    """A path as one types it here: relative where it lies below the current folder."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def write_gate(terminal: TerminalReporter, work: Work) -> None:
    """Write how what is in force stands against the bars of a build."""
    terminal.write_sep("=", "selfopt gate")
    lines = [(note, "yellow") for note in work.notes]
    if work.problem:
        lines.append((work.problem, "red"))
    elif work.status != "decided":
        lines += [(text, "yellow") for text in not_gated(work)]
    for one in work.gated:
        lines += [(f"{one.phase}: {one.spec}", ""), *((row, "") for row in _aligned({"in force": one.metrics}))]
        for found in one.gates:
            word, colour = ("pass", "green") if found.passed else _FAILED[found.asks]
            lines.append((f"{word} {found.name}: {found.sentence}", colour))
        lines.append((f"compared with {one.beside}", ""))
    if work.gated:
        verdict = status_of([found for one in work.gated for found in one.gates])
        lines.append(_BUILD[verdict])
    for text, colour in lines:
        for line in [text] if text.startswith(" ") else _folded(text):
            terminal.write_line(line, **({colour: True} if colour else {}))


_FAILED = {Verdict.REJECT: ("FAIL", "red"), Verdict.HOLD: ("UNSETTLED", "yellow"), Verdict.PROMOTE: ("FAIL", "red")}
_BUILD = {
    Verdict.PROMOTE: ("the gate is passed; nothing was written", "green"),
    Verdict.REJECT: ("the gate is not passed; nothing was written", "red"),
    Verdict.HOLD: ("the evidence is too short to pass or fail; nothing was written", "yellow"),
}


def not_gated(work: Work) -> list[str]:
    """Why a gate decided nothing."""
    if work.status == "interrupted":
        return ["no decision: the session was interrupted"]
    if work.flaws:
        return [f"no decision: the evidence is not whole (trials: {_flaws(work.flaws)})"]
    return [f"no decision: {work.stopped_because or 'only some of the planned trials were selected'}"]


def _flaws(flaws: Mapping[Flaw, int]) -> str:
    return "; ".join(f"{number} {flaw}" for flaw, number in flaws.items())


def undecided(
    status: str, counts: dict[str, int], stopped_because: str = "", flaws: Mapping[Flaw, int] = NO_FLAWS
) -> list[str]:
    """Why a session that recorded trials decided nothing, and how to go on."""
    booked = ", ".join(f"{number} {name}" for name, number in sorted(counts.items())) or "no calls"
    kept = f"kept in the ledger: {booked}"
    if flaws:
        return [
            f"no decision: the evidence is not whole (trials: {_flaws(flaws)}); nothing was promoted or rewritten",
            f"{kept}; --selfopt-cycle --selfopt-resume makes only the calls that are missing",
        ]
    if status == "stopped":
        return [
            f"HOLD: {stopped_because}; nothing was promoted or rewritten",
            f"{kept}; --selfopt-cycle --selfopt-resume with a larger budget goes on from there",
        ]
    if status == "interrupted":
        return [
            "no decision: the session was interrupted; nothing was promoted or rewritten",
            f"{kept}; --selfopt-cycle --selfopt-resume goes on from there",
        ]
    reason = "only some of the planned trials were selected"
    return [f"no decision: {reason}; nothing was promoted or rewritten", kept]


def warmup_line(warmup: Warmup) -> str:
    """How the warm-up call of a spec went."""
    result = warmup.result
    took = f"{result.ended - result.started:.2f} s"
    if result.reply is None:
        assert result.error is not None
        return f"warm-up of {warmup.spec} failed after {took}: {result.error.kind}: {result.error.message}"
    load_s = result.reply.load_s
    return f"warm-up of {warmup.spec}: answered in {took}{f', {load_s:.2f} s of it loading' if load_s else ''}"


def table(conclusion: Conclusion) -> list[str]:
    """The specs side by side, aligned: what was measured of each, and how its misses came about."""
    names = {conclusion.baseline.id: "baseline"}
    names |= {judgement.spec: _change(conclusion, judgement) for judgement in conclusion.judgements}
    return _aligned({name: conclusion.metrics[spec] for spec, name in names.items()})


def _aligned(named: Mapping[str, Metrics]) -> list[str]:
    columns = dict(_COLUMNS)
    if any(one.first_attempt_passes < one.passes for one in named.values()):
        columns["1st attempt"] = lambda one: f"{one.first_attempt_accuracy:.3f}"
    rows: list[tuple[str, ...]] = [("", *columns)]
    rows += [(name, *(cell(metrics) for cell in columns.values())) for name, metrics in named.items()]
    return aligned(rows)


def diagnosis_line(diagnosis: Diagnosis) -> str:
    """A finding with the trials it rests on, and how likely they would be by chance."""
    rests = f"{diagnosis.trials:,} trials" if diagnosis.trials else ""
    chance = "" if diagnosis.chance is None else f"by chance {_chance(diagnosis.chance)}"
    grounds = ", ".join(filter(None, (rests, chance)))
    return f"diagnosis: {diagnosis.kind}: {diagnosis.sentence}{f' ({grounds})' if grounds else ''}"


def _chance(share: float) -> str:
    if share >= 0.001:
        return f"{share:.1%}"
    return "less than 1 in 10^9" if share < 1e-9 else f"1 in {round(1 / share):,}"


def closing_lines(work: Work) -> list[str]:
    """What was written where, what the next cycle does, and what this one took."""
    metrics = [one for conclusion in work.conclusions for one in conclusion.metrics.values()]
    calls = sum(one.attempts for one in metrics)
    routing = work.settings.routing_path
    holds = f"{routing.name} holds what is in force" if routing.exists() else "no rule was written"
    lines = [
        f"{holds}; history, decisions and ledger are in {work.settings.state_dir.name}/",
        f"{calls:,} calls in {minutes(work.took_s)}, cost {_cost(metrics)}",
    ]
    for phase, plan in work.following.items():
        if phase in work.proven_next:
            lines.append(f"now, {phase}: proves {short_difference(plan.baseline, plan.candidates[0].spec)}")
        else:
            lines.append(f"next cycle, {phase}: {_next(plan)}")
    return [line for text in lines for line in _folded(text)]


def _write_phase(terminal: TerminalReporter, conclusion: Conclusion) -> None:
    terminal.write_line(f"{conclusion.phase}: baseline {conclusion.baseline.id}", bold=True)
    for line in table(conclusion):
        terminal.write_line(line)
    for judgement in conclusion.judgements:
        text = f"{judgement.verdict} {_change(conclusion, judgement)}: {judgement.grounds}"
        for line in _folded(text):
            terminal.write_line(line, **{COLOURS[judgement.verdict]: True})
    in_force = "the baseline" if conclusion.in_force == conclusion.baseline else "on trial"
    in_force = "the winner" if conclusion.pick.winner else in_force
    lines = [f"in force now: {conclusion.in_force.id} ({in_force})"]
    if conclusion.pick.winner is None and Verdict.PROMOTE in {one.verdict for one in conclusion.judgements}:
        lines.append(conclusion.pick.sentence)
    lines += [f"gate {gate.name}: {gate.sentence}" for gate in conclusion.gates if not gate.passed]
    lines += [diagnosis_line(diagnosis) for diagnosis in conclusion.diagnoses]
    lines += [
        change.sentence for change in conclusion.changes if change.kind in ("trial", "skip", "confirmed", "rolled_back")
    ]
    for text in lines:
        for line in _folded(text):
            terminal.write_line(line)


def _cost(metrics: Sequence[Metrics]) -> str:
    """What was spent: unknown is said to be unknown, never counted as nothing."""
    known, unpriced = sum(one.known_cost_usd for one in metrics), sum(one.unpriced for one in metrics)
    if not unpriced:
        return f"${known:.4f}"
    return f"at least ${known:.4f} and that of {unpriced:,} calls of unknown cost" if known else "unknown"


def _change(conclusion: Conclusion, judgement: Judgement) -> str:
    return short_difference(conclusion.baseline, parse_spec(judgement.spec))


def _next(plan: PhasePlan) -> str:
    if not plan.candidates:
        return "plateau, nothing untried is left around the configuration in force"
    tried = ", ".join(short_difference(plan.baseline, candidate.spec) for candidate in plan.candidates)
    return f"tries {tried} beside {plan.baseline.id}"


def _folded(text: str) -> Sequence[str]:
    indent = " " * (len(text) - len(text.lstrip()))
    return textwrap.wrap(text, WIDTH, subsequent_indent=indent + "  ", break_long_words=False, break_on_hyphens=False)
