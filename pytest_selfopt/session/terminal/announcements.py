"""What a cycle says before and while it runs: what it is going to do, how each pass went, who does not go on."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from pytest_selfopt.economy.spending import SWARM
from pytest_selfopt.loop.power import Outlook, findable_gain
from pytest_selfopt.planning.plan import PhasePlan
from pytest_selfopt.specs.spec import difference, parse_spec, short_difference

if TYPE_CHECKING:
    from pytest_selfopt.cycle.phase_run import PhaseRun


def describe_plan(plan: PhasePlan, cases: int, cycle: int, outlooks: Sequence[Outlook], *, partial: bool) -> list[str]:
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
    return lines


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


def describe_pass(phase: PhaseRun, run: int) -> str:
    """How one pass went for each spec, such as "pass 1: baseline 10/40, few_shot 18/40"."""
    shares = []
    for spec in phase.plan.specs:
        trials = [trial for trial in phase.trials(spec.id) if trial.run == run]
        if trials:
            name = "baseline" if spec == phase.plan.baseline else short_difference(phase.plan.baseline, spec)
            shares.append(f"{name} {sum(trial.outcome == 'pass' for trial in trials)}/{len(trials)}")
    return f"  pass {run + 1} right: {', '.join(shares)}"


def describe_stopped(phase: PhaseRun, said: Collection[str]) -> list[str]:
    """Why candidates do not go on, those that were `said` already left out, and which go on after all."""
    news = {spec: reason for spec, reason in phase.stopped.items() if spec not in said}
    news |= {spec: "goes on after all" for spec in phase.specs if spec in said and spec not in phase.stopped}
    return [f"  {short_difference(phase.plan.baseline, parse_spec(spec))} {reason}" for spec, reason in news.items()]
