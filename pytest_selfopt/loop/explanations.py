"""Explanations of verdicts in words that need no knowledge of statistics."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from pytest_selfopt.console.quantities import counted, format_odds
from pytest_selfopt.console.verdict_text import describe_claim
from pytest_selfopt.loop.evidence.forecast import passes_to_decide
from pytest_selfopt.loop.evidence.gains import least_gain
from pytest_selfopt.loop.evidence.prompts import prompt_evidence, prompts_to_decide
from pytest_selfopt.loop.evidence.tally import Tally
from pytest_selfopt.loop.gates.gate_result import GateInput, GateResult, Verdict
from pytest_selfopt.loop.wording import copied_of

NEW_ANSWERS = "only new answers decide, so the cache in front of the model has to be off or asked past"


def grounds(
    measured: GateInput,
    tally: Tally,
    needed: Fraction,
    *,
    verdict: Verdict,
    results: Sequence[GateResult],
    comparison: int | None,
) -> str:
    """Explain the verdict on a candidate by its pairs and the odds that it must reach.

    `comparison` is the number of its test in this history; None for two specs that are compared by themselves.
    """
    if verdict is Verdict.PROMOTE:
        shown = f"{counts(tally)}; {claim(tally, needed)}"
        return f"{shown}; {_odds_words(tally, needed, comparison)}. {_gain_words(measured, tally)}"
    reasons, weak, on_others = [], False, False
    for result in results:
        if result.passed or result.asks is not verdict:
            continue
        if result.name == "no_regression":
            weak = True
        else:
            reasons.append(f"{result.name}: {result.sentence}")
            on_others = on_others or result.name == "new_prompts"
    parts = [counts(tally)]
    if weak and verdict is Verdict.HOLD:
        parts.append(_odds_words(tally, needed, comparison))
    elif weak:
        parts.append("not better than the baseline")
    if verdict is Verdict.HOLD and has_too_many_copies(results):
        parts.append(NEW_ANSWERS)
    elif verdict is Verdict.HOLD and (weak or on_others):
        parts.append(what_it_takes(tally, needed, on_others=on_others))
    return "; ".join([*parts, *reasons])


def has_too_many_copies(results: Sequence[GateResult]) -> bool:
    """Whether further passes would not decide, because most of their answers would be copies, too."""
    return any(result.name == "independent" and not result.passed for result in results)


def claim(tally: Tally, needed: Fraction) -> str:
    """Say on which prompts a promotion rests, and whether it holds for others."""
    prompts = prompt_evidence(tally)
    return describe_claim(str(prompts), for_others=prompts.reaches(needed))


def counts(tally: Tally) -> str:
    """Count the answers fixed and broken, with passes and prompts."""
    rescued = ""
    if tally.rescued:
        rescued = f" ({tally.rescued} of them had not come at all)"
    copied = ""
    if tally.copied:
        copied = f"; {copied_of(tally.copied, tally.replies)} and do not count"
    prompts = f"over the same {counted(len(tally.cases), 'prompt')}"
    if len(tally.cases) == 1:
        prompts = "over the same prompt"
    if tally.families:
        prompts += f" in {counted(tally.groups, 'group')}: each group counts once a pass"
    if tally.broken_off:
        prompts += f" (with what came of {counted(tally.broken_off, 'pass')} that ended early)"
    return (
        f"fixed {counted(tally.wins, 'answer')}{rescued}, broke {tally.losses} in {counted(tally.passes, 'pass')} "
        f"{prompts}{copied}"
    )


def what_it_takes(tally: Tally, needed: Fraction, *, on_others: bool = False) -> str:
    """Say how many more passes, or how many prompts in total, would decide at the observed difference.

    Only more prompts decide a claim `on_others` than those that were asked.
    """
    if on_others:
        return _prompts_words(tally, needed)
    more = passes_to_decide(tally, needed)
    if more is None:
        return "at this difference no number of passes decides"
    prompts = math.ceil(len(tally.cases) * (tally.passes + more) / tally.passes)
    passes = f"{more} more passes"
    if more == 1:
        passes = "1 more pass"
    return f"at this difference about {passes}, or {prompts} prompts instead of {len(tally.cases)}, would decide"


def _prompts_words(tally: Tally, needed: Fraction) -> str:
    prompts = prompts_to_decide(tally, needed)
    if prompts is None:
        return "at this difference no number of prompts decides"
    return f"at this difference about {prompts:,} prompts instead of {len(tally.cases)} would decide"


def _odds_words(tally: Tally, needed: Fraction, comparison: int | None) -> str:
    place = "compared by itself, either way"
    if comparison is not None:
        place = f"comparison {comparison} of this history"
    return f"odds {format_odds(tally.odds)}:1 against luck, needed {format_odds(needed)}:1 ({place})"


def _gain_words(measured: GateInput, tally: Tally) -> str:
    least = least_gain(tally)
    gain = f"Gain {tally.gain:+.3f}"
    if measured.metrics.weighted is not None:
        gain = f"Gain by answer, weights aside, {tally.gain:+.3f}"
    if least is not None:
        gain += f", at least {least:+.2f}"
    return f"{gain}."
