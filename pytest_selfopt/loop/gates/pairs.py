"""The gates on the pairs of a candidate with the baseline."""

from __future__ import annotations

from collections.abc import Collection
from fractions import Fraction

from pytest_selfopt.console.quantities import counted, format_odds
from pytest_selfopt.console.verdict_text import describe_ratio
from pytest_selfopt.loop.evidence.odds import odds
from pytest_selfopt.loop.evidence.prompts import prompt_evidence
from pytest_selfopt.loop.evidence.tally import CaseTally, Tally
from pytest_selfopt.loop.gates.gate_result import GateInput, GateResult, reject_or_hold
from pytest_selfopt.loop.gates.measures import variance
from pytest_selfopt.loop.thresholds import Limits
from pytest_selfopt.loop.wording import describe_together, listed_cases

UNGROUPED = "cases that pass and fail together have no group"
"""Why more passes do not help."""
STEADY_PASSES = 7
"""Passes needed to compare specs that were asked one after the other, pass by pass."""
SOLID_PASSES = 3
"""A case is solid if the baseline passed it in every pass, at least this many."""
REVERSE_ODDS = 10
"""Odds for the reverse from which a candidate (or a solid case) counts as worse."""
CERTAIN_BREAK = 0.05
"""Probability in an unchanged suite up to which a case counts as certainly broken."""


def comparable(measured: GateInput, limits: Limits) -> GateResult | None:
    """Whether the pairs can be compared: every planned trial arrived, and few pairs lack an answer."""
    evidence = measured.evidence
    if evidence is None:
        return None
    share = evidence.excluded_share
    all_arrived = measured.missing == 0
    return GateResult(
        name="comparable",
        passed=all_arrived and share <= limits.comparable,
        value=share,
        limit=limits.comparable,
        sentence=_pairs_without_answer(evidence, measured.missing, limits),
    )


def _pairs_without_answer(evidence: Tally, missing: int, limits: Limits) -> str:
    if missing:
        return f"{missing} planned trials never arrived"
    pairs = evidence.excluded + evidence.pairs
    sentence = (
        f"{evidence.excluded} of {pairs} pairs lack an answer on one side "
        f"({evidence.excluded_share:.1%}), at most {limits.comparable:.0%} may"
    )
    if evidence.left_out:
        sentence += f"; {evidence.left_out} passes were hardly answered and are left out"
    return sentence


def interleaved(measured: GateInput, _: Limits) -> GateResult | None:
    """Whether both specs were asked side by side, or in at least `STEADY_PASSES` passes.

    Otherwise drift may hit only one of them; the variance gate bounds it over seven steady passes.
    """
    evidence = measured.evidence
    if evidence is None:
        return None
    sentence = "both were asked side by side in every pass"
    if evidence.apart:
        sentence = (
            f"{evidence.apart} of {evidence.passes} passes asked one spec after the other, "
            f"so that drift may have hit one alone: {STEADY_PASSES} steady passes are needed then"
        )
    return GateResult(
        name="interleaved",
        passed=evidence.apart == 0 or evidence.passes >= STEADY_PASSES,
        value=evidence.apart,
        limit=0,
        sentence=sentence,
    )


def no_regression(measured: GateInput, limits: Limits) -> GateResult | None:
    """Whether the odds that the candidate is better reach the bar."""
    evidence, needed = measured.evidence, measured.needed
    if evidence is None or needed is None:
        return None
    wins, losses = evidence.wins, evidence.losses
    worse = evidence.bets.reverse.odds >= REVERSE_ODDS
    behind = wins <= losses and evidence.passes >= limits.min_samples
    # Whoever is not ahead leaves the race, and is not asked again.
    gave_up = wins <= losses and evidence.passes > 0 and measured.has_left
    reached = evidence.odds
    return GateResult(
        name="no_regression",
        passed=evidence.reaches(needed),
        # Large odds would overflow a float.
        value=float(min(reached, Fraction(10**300))),
        limit=float(needed),
        sentence=(
            f"fixed {counted(wins, 'answer')}, broke {losses}: "
            f"odds {format_odds(reached)}:1 against luck, needed {format_odds(needed)}:1"
        ),
        asks=reject_or_hold(reject=worse or behind or gave_up),
        certain=gave_up,
    )


def together(measured: GateInput, limits: Limits) -> GateResult | None:
    """Whether cases move together within passes, although no group says so: then the odds claim too much.

    To bet on the groups that the session proposes would not do: where these miss some cases of a family of five, 8 of
    40 simulated histories promoted something false. Where the runs as wholes differ, the gate `variance` holds: then
    groups are proposed beside it, if there are several, and nothing is said if all cases move together.
    """
    found = measured.together
    if found is None:
        return None
    runs_differ = not variance(measured, limits).passed
    if runs_differ and len(found.families) < 2:
        return None
    return GateResult(
        name="together",
        passed=not found.moving,
        value=found.chance,
        limit=limits.together,
        sentence=describe_together(found),
        lasting=UNGROUPED * (found.moving and not runs_differ),
    )


def cost_ratio(measured: GateInput, limits: Limits) -> GateResult | None:
    """Whether an answer costs at most so many times as much as the baseline's; an unknown cost does not pass."""
    limit, baseline = limits.cost_ratio, measured.baseline
    if limit is None or baseline is None:
        return None
    before, after = baseline.cost_of_1000_usd, measured.metrics.cost_of_1000_usd
    value = None
    if before and after is not None:
        value = after / before
    return GateResult(
        name="cost_ratio",
        passed=before is not None and after is not None and after <= limit * before,
        value=value,
        limit=limit,
        sentence=f"costs {describe_ratio(before, after)}; max_cost_ratio is {limit:g}",
    )


def veto(measured: GateInput, limits: Limits) -> GateResult | None:
    """Whether cases that the baseline always solves stay solved."""
    evidence = measured.evidence
    if evidence is None:
        return None
    broken = {name: case for name, case in evidence.cases.items() if is_broken(case)}
    suspects = len(evidence.cases)
    # A build is paired with trials of another time, whose answers may have repeated under other conditions.
    is_candidate = measured.needed is not None
    if is_candidate and evidence.repeats:
        suspects = 1
    certain = sum(_is_gone(case, suspects) for case in broken.values())
    sentence = "no case that the baseline always solves is broken"
    if broken:
        sentence = f"breaks {len(broken)} that the baseline always solves: {_first_names(broken)}"
    return GateResult(
        name="veto",
        passed=len(broken) <= limits.veto,
        value=len(broken),
        limit=limits.veto,
        sentence=sentence,
        asks=reject_or_hold(reject=certain > limits.veto),
    )


def _first_names(cases: Collection[str]) -> str:
    """Return the names of the first three cases, without their suites."""
    listed = listed_cases(sorted(cases)[:3])
    if len(cases) > 3:
        listed += " …"
    return listed


def is_broken(case: CaseTally) -> bool:
    """Whether a solid case was missed in every common pass, or at odds of at least 10 for the reverse."""
    solid = case.common >= SOLID_PASSES and case.baseline_passes == case.common
    return solid and (case.candidate_passes == 0 or odds(case.losses, case.wins) >= REVERSE_ODDS)


def _is_gone(case: CaseTally, suspects: int) -> bool:
    """Whether a case is certainly broken: always solved before, never now.

    An unchanged case that passes with probability p shows R passes against R misses with probability t^R ≤ 4^−R, t =
    p(1−p), so any of K unchanged cases does with probability at most K·4^−R. If besides all answers repeat, the other
    cases cannot be coin flips, too: that one of m such cases does and all repeat has a probability of at most
    m·t^R·(1−3t)^2(m−1) for R ≥ 3, which is largest for m = 1: one case alone is then a suspect.
    """
    return case.candidate_passes == 0 and suspects * 0.25**case.common <= CERTAIN_BREAK


def new_prompts_shown(measured: GateInput, _: Limits) -> GateResult | None:
    """Whether the gain is shown for other prompts like these, by odds over prompts that reach the same bar."""
    evidence, needed = measured.evidence, measured.needed
    if evidence is None or needed is None:
        return None
    prompts = prompt_evidence(evidence)
    lasting = ""
    if not prompts.may_reach(needed):
        lasting = "more passes over the same prompts do not show it for others"
    return GateResult(
        name="new_prompts",
        passed=prompts.reaches(needed),
        value=prompts.odds,
        limit=float(needed),
        sentence=(
            f"{prompts}: odds {format_odds(prompts.odds)}:1 for prompts like these, needed {format_odds(needed)}:1"
        ),
        lasting=lasting,
    )
