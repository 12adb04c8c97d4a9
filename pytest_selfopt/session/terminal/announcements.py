"""Lines before and during a cycle: its plan, the result of each pass, and the candidates that stop."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from pytest_selfopt.console.quantities import counted
from pytest_selfopt.economy.spending import SWARM
from pytest_selfopt.loop.evidence.copies import copies
from pytest_selfopt.loop.power import Outlook, findable_gain
from pytest_selfopt.loop.thresholds import Claim
from pytest_selfopt.planning.plan import PhasePlan
from pytest_selfopt.planning.power import describe_needs
from pytest_selfopt.specs.spec import Spec, difference, parse_spec, short_difference
from pytest_selfopt.trial import Outcome, Trial

if TYPE_CHECKING:
    from pytest_selfopt.cycle.phase_run import PhaseRun


def describe_plan(plan: PhasePlan, cases: int, cycle: int, outlooks: Sequence[Outlook], *, partial: bool) -> list[str]:
    """Return lines on a cycle's plan for a phase, and on the smallest gain it can find."""
    purpose = f"phase {plan.phase}"
    if plan.only_proves:
        purpose = "proof of what is on trial"
    lines = [f"selfopt cycle {cycle}, {purpose}: baseline {plan.baseline.id}"]
    lines.extend(map(_indented, plan.because))
    for candidate in plan.candidates:
        change = difference(plan.baseline, candidate.spec)
        lines.append(f"  candidate: {change} ({candidate.why})")
    if partial:
        lines.append("  only some trials are selected: they are recorded, nothing is decided")
    elif not plan.candidates:
        watch = f"monitored in {counted(plan.least_passes, 'pass')}"
        if plan.most_passes > plan.least_passes:
            watch += f", in {plan.most_passes} if its answers have moved"
        lines.append(f"  plateau: {plan.plateau}; {watch}")
    else:
        lines += _describe_calls(plan, cases, outlooks)
    return lines


def _describe_calls(plan: PhasePlan, cases: int, outlooks: Sequence[Outlook]) -> list[str]:
    """Return lines on the number of prompts, passes and calls of a plan with candidates."""
    least = plan.fewest_calls(cases)
    most = plan.most_calls(cases)
    passes = counted(plan.most_passes, "pass")
    calls = f"{least:,}"
    if most > least:
        passes = f"{plan.least_passes} to {passes}"
        calls += f" to {most:,}"
    amount = f"{counted(cases, 'prompt')}, {passes}, {calls}"
    method = _describe_method(plan, outlooks)
    if not any(map(_is_swarm, plan.specs)):
        return [f"  {amount} calls; {method}"]
    return [
        f"  {amount} answers; {method}",
        "  an answer of a swarm takes a call to each of its members, or more",
    ]


def _indented(text: str) -> str:
    return f"  {text}"


def _is_swarm(spec: Spec) -> bool:
    return spec.model.startswith(SWARM)


def _describe_method(plan: PhasePlan, outlooks: Sequence[Outlook]) -> str:
    if plan.block_passes:
        return f"asked in blocks of {plan.block_passes} passes, each from a cold start"
    return _describe_findable(outlooks)


def _describe_findable(outlooks: Sequence[Outlook]) -> str:
    """Return the smallest gain that three of four cycles find.

    Two outlooks give two gains: if answers repeat, and if they vary.
    """
    if not outlooks:
        return "judged by the classic rule, which guarantees nothing"
    if outlooks[0].claim is Claim.NEW_PROMPTS:
        return describe_needs(outlooks)
    found = [findable_gain(outlook) for outlook in outlooks]
    if not any(found):
        return "so few prompts show no gain at all"
    gains = list(map(_describe_gain, found))
    if len(gains) == 1:
        return f"finds a gain of {gains[0]} or more"
    churn = f"{outlooks[1].churn:.0%}"
    return f"finds a gain of {gains[0]} if answers repeat, of {gains[1]} if {churn} of repeats differ"


def _describe_gain(gain: float | None) -> str:
    if gain is None:
        return "no gain at all"
    return f"about {gain:+.2f}"


def describe_pass(phase: PhaseRun, run: int) -> str:
    """Return the result of one pass for each spec, such as "pass 1 right: baseline 10/40, few_shot 18/40".

    Empty if nothing of the pass was judged, as when the session ends while it begins.
    """
    shares: list[str] = []
    for spec in phase.plan.specs:
        trials = [trial for trial in phase.trials(spec.id) if trial.run == run]
        if trials:
            name = _name_of(spec, phase.plan.baseline)
            shares.append(f"{name} {_share(trials)}")
    if not shares:
        return ""
    return f"  pass {run + 1} right: {', '.join(shares)}"


def _share(trials: Sequence[Trial]) -> str:
    """Format right answers of all answers, and how many calls gave none or a copy."""
    outcomes = [trial.outcome for trial in trials]
    missing = outcomes.count(Outcome.ERROR)
    beside: list[str] = []
    for number, name in ((missing, "missing"), (copies(trials), "copied")):
        if number:
            beside.append(f"{number} {name}")
    share = f"{outcomes.count(Outcome.PASS)}/{len(outcomes) - missing}"
    if beside:
        share += f" ({', '.join(beside)})"
    return share


def _name_of(spec: Spec, baseline: Spec) -> str:
    if spec == baseline:
        return "baseline"
    return short_difference(baseline, spec)


def describe_stopped(phase: PhaseRun, announced: Collection[str]) -> list[str]:
    """Return lines on candidates that newly stopped, or continue although `announced` as stopped."""
    news = {spec: reason for spec, reason in phase.stopped.items() if spec not in announced}
    for spec in phase.specs:
        if spec in announced and spec not in phase.stopped:
            news[spec] = "continues after all"
    lines: list[str] = []
    for spec, reason in news.items():
        change = short_difference(phase.plan.baseline, parse_spec(spec))
        lines.append(f"  {change} {reason}")
    return lines
