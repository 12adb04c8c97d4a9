"""`selfopt power`: the gains that a suite can detect, and in how many calls, before anything is spent."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pytest_selfopt.bench.loading.suites import Suite, groups_of, load_suite
from pytest_selfopt.console.quantities import format_odds
from pytest_selfopt.ledger.ledger import Ledger
from pytest_selfopt.loop.evidence.odds import bar
from pytest_selfopt.loop.power import (
    MOST_PROMPTS,
    STEADY,
    VARYING,
    Outlook,
    Power,
    findable_gain,
    power,
    prompts_needed,
)
from pytest_selfopt.loop.race import FULL_PASSES
from pytest_selfopt.loop.thresholds import Claim, Limits
from pytest_selfopt.planning.measured import last_churn
from pytest_selfopt.planning.plan import PhasePlan
from pytest_selfopt.settings import Settings

GAINS = (0.05, 0.10, 0.15, 0.20, 0.30)
USUAL_GAIN = 0.10
OTHER_SIZES = (12, 30, 100, 300)
TIMES = 200
SEED = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The ledger's data for the next cycle: the number of its first test, and how much answers vary."""

    first_test: int = 1
    churn: float | None = None

    @property
    def churns(self) -> tuple[float, ...]:
        """The measured share of repeats that differ, or two bounds for it."""
        if self.churn is None:
            return (STEADY, VARYING)
        return (self.churn,)


def known_of(settings: Settings, phase: str) -> Known:
    """Read a project's ledger; without a ledger, the next test is the first."""
    path = settings.ledger_path
    if not path.exists():
        return Known()
    with Ledger(path) as ledger:
        last_test = 0
        for comparison in ledger.comparisons():
            last_test = max(last_test, comparison.test or 0)
        churn = last_churn(ledger, phase)
    return Known(first_test=last_test + 1, churn=churn)


def outlooks_of(
    plan: PhasePlan, limits: Limits, *, cases: int, first: int, churn: float | None, groups: int | None = None
) -> tuple[Outlook, ...]:
    """Return the outlook of a planned cycle, or two bounds for it if the variation of answers is unknown.

    `first` is the number of its first test.
    """
    outlook = Outlook(
        cases=cases,
        candidates=len(plan.candidates),
        first_test=first,
        least=limits.min_samples,
        race=plan.leaves_early,
        known=bool(plan.known_cycles),
        claim=limits.claim,
        groups=groups,
    )
    if not plan.leaves_early:
        outlook = replace(outlook, least=plan.least_passes)
    return tuple(replace(outlook, churn=each) for each in Known(churn=churn).churns)


def power_report(
    paths: Sequence[Path],
    *,
    candidates: int,
    least: int,
    known: Known,
    claim: Claim = Claim.SUITE,
) -> Iterator[str]:
    """Yield lines on the gains that one cycle over these suites (one phase) can find, from `TIMES` simulations.

    Raises:
        SuiteError: if a suite cannot be read.
    """
    suites = list(map(load_suite, paths))
    cases = sum(len(suite.counted) for suite in suites)
    outlook = Outlook(
        cases=cases,
        candidates=candidates,
        first_test=known.first_test,
        least=least,
        known=known.churn is not None,
        claim=claim,
        groups=_number_of_groups(suites),
    )
    names = ", ".join(suite.name for suite in suites)
    restraint = sum(map(_restraint, suites))
    in_groups = ""
    if outlook.units < cases:
        in_groups = f" in {outlook.units} groups, each of which counts once a pass"
    yield f"{names}: {cases} prompts{in_groups}, {restraint} of them need no tool"
    unraced = FULL_PASSES * (candidates + 1) * cases
    yield (
        f"{candidates} candidates beside the baseline: "
        f"{outlook.fewest_calls:,} to {outlook.most_calls:,} calls a cycle; "
        f"{FULL_PASSES} runs of each would take {unraced:,}"
    )
    needed = format_odds(bar(known.first_test))
    yield (f"the next test of this history is comparison {known.first_test}: it needs odds of {needed}:1")
    yield _variation(known)
    if claim is Claim.NEW_PROMPTS:
        yield 'promoted is what gains on other prompts like these, as claim = "new-prompts" asks'
    yield ""
    yield from _table(outlook, known)
    yield ""
    for churn in known.churns:
        yield from _findable(replace(outlook, churn=churn), OTHER_SIZES)
    yield ""
    yield 'prompts that show a gain on other prompts like them (claim = "new-prompts") in 3 of 4 cycles'
    yield from _prompts_table(replace(outlook, claim=Claim.NEW_PROMPTS), known)


def describe_needs(outlooks: Sequence[Outlook]) -> str:
    """Say what the claim on new prompts needs: the gain with these prompts, and the prompts for a usual gain.

    Two outlooks are those of `Known.churns`, if the answers' variation is unknown.
    """
    steady = outlooks[0]
    gain = findable_gain(steady)
    shown = f"{steady.cases} prompts cannot show a gain on others like them"
    if gain is not None:
        shown = f"shows a gain of about {gain:+.2f} on other prompts like these"
    needed = " to ".join(dict.fromkeys(_needed(USUAL_GAIN, outlook) for outlook in outlooks))
    return f"{shown}; {USUAL_GAIN:+.2f} needs about {needed} prompts"


def _needed(gain: float, outlook: Outlook) -> str:
    prompts = prompts_needed(gain, outlook)
    if prompts is None:
        return f"over {MOST_PROMPTS:,}"
    return f"{prompts:,}"


def _prompts_table(outlook: Outlook, known: Known) -> Iterator[str]:
    """Yield a row for each gain: the number of prompts that show it on others."""
    yield f"{'gain':<22}{_heads(known)}"
    for gain in GAINS:
        cells = ""
        for churn in known.churns:
            needed = _needed(gain, replace(outlook, churn=churn))
            cells += f"{f'{needed} prompts':>26}"
        yield f"{f'{gain:+.2f}':<22}{cells}"


def _heads(known: Known) -> str:
    heads = ""
    for churn in known.churns:
        head = f"repeats differ {churn:.0%}"
        heads += f"{head:>26}"
    return heads


def _number_of_groups(suites: Sequence[Suite]) -> int:
    """Return the number of groups of cases, a case without one being a group of its own."""
    groups = groups_of(suites)
    return len({groups.get(case.key, case.key) for suite in suites for case in suite.counted})


def _restraint(suite: Suite) -> int:
    """Count the cases of a suite that need no tool."""
    return sum(case.restraint for case in suite.counted)


def _variation(known: Known) -> str:
    if known.churn is None:
        return (
            f"no repeats are measured yet: shown for answers that repeat, and for {VARYING:.0%} of repeats that differ"
        )
    return f"in the last cycle {known.churn:.1%} of the repeats of a prompt differed"


def _table(outlook: Outlook, known: Known) -> Iterator[str]:
    """Yield a row for each gain: how often one cycle finds it, and in how many calls on average."""
    yield f"{'gain':<22}{_heads(known)}"
    for gain in GAINS:
        prompts = gain * outlook.cases
        row = f"{f'{gain:+.2f} ({prompts:.1f} prompts)':<22}"
        for churn in known.churns:
            played = _played(gain, replace(outlook, churn=churn))
            row += f"{_cell(played):>26}"
        yield row


def _played(gain: float, outlook: Outlook) -> Power:
    return power(gain, outlook, times=TIMES, rng=random.Random(SEED))


def _cell(result: Power) -> str:
    return f"{result.found:.0%} in {result.calls:,.0f} calls"


def _findable(outlook: Outlook, others: Sequence[int]) -> Iterator[str]:
    """Yield the smallest gain that three of four cycles find, with this and with other numbers of prompts."""
    smallest = _shown(findable_gain(outlook))
    yield f"found in 3 of 4 cycles when {outlook.churn:.0%} of repeats differ: {smallest}"
    sizes: list[str] = []
    for cases in others:
        if cases != outlook.cases:
            gain = findable_gain(replace(outlook, cases=cases, groups=None))
            sizes.append(f"{cases} prompts {_shown(gain)}")
    yield f"  with {', '.join(sizes)}"


def _shown(gain: float | None) -> str:
    if gain is None:
        return "no gain at all"
    if gain >= 0.01:
        return f"{gain:+.2f} or more"
    return f"{gain:+.3f} or more"
