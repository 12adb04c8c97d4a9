"""Diagnosis of answers that ended at a limit of tokens: the spec's, which can be raised, or another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction

from pytest_selfopt.loop.diagnosis.kinds import STRAY_SHARE, Diagnosis, DiagnosisKind, Matrix
from pytest_selfopt.loop.diagnosis.remedies import MORE_TOKENS
from pytest_selfopt.loop.distributions import at_least
from pytest_selfopt.loop.evaluate import known
from pytest_selfopt.trial import ErrorKind, Outcome, Trial

CUT_OFF_SHARE = Fraction(1, 20)
"""The share of trials that must be cut off; exact, because it decides at its own value."""
NEARLY_THE_LIMIT = 0.9
"""The share of the limit that the longest of these answers must have; below it, another limit ended them."""


def cut_offs(matrix: Matrix, max_tokens: int | None) -> Diagnosis | None:
    """Diagnose answers that ended at the limit of tokens instead of being right.

    `max_tokens` is the limit of the spec; None if it is unknown. A right answer that ended there is only mentioned,
    because more tokens cannot improve it. Wrong ones do not count if those that ended by themselves are wrong as often:
    the model talks on, and it is not the limit that makes it wrong. If more trials have other errors, those are the
    finding.
    """
    ended = [trial for trial in matrix.trials if trial.at_limit]
    failed = [trial for trial in ended if trial.error_kind is ErrorKind.CUT_OFF]
    wordless, trials = len(failed), len(matrix.trials)
    other_errors = len(matrix.errors) - wordless
    if not _talks_on(matrix.trials):
        failed += [trial for trial in ended if trial.outcome is Outcome.MISS]
    if not failed or len(failed) < CUT_OFF_SHARE * trials or len(failed) < other_errors:
        return None
    right = sum(trial.outcome is Outcome.PASS for trial in ended)
    longest = max(known(trial.tokens_out for trial in ended), default=None)
    where, action = _limit(longest, max_tokens)
    parts = _parts(len(ended), wordless, right)
    cases = {trial.case for trial in failed}
    return Diagnosis(
        kind=DiagnosisKind.CUT_OFF,
        sentence=f"{len(ended)} of {trials} answers ended {where}{parts}; {_advice(action)}",
        chance=at_least(len(failed), trials, STRAY_SHARE),
        cases=tuple(filter(cases.__contains__, matrix.cases)),
        action=action,
    )


def _talks_on(trials: Sequence[Trial]) -> bool:
    """Whether enough answers ended by themselves, and are right no more often than those that ended at the limit.

    Prompts that need no tool are left out: with them, any text is right.
    """
    passes, answers = Counter[bool](), Counter[bool]()
    for trial in trials:
        if trial.outcome is not Outcome.ERROR and not trial.restraint:
            answers[trial.at_limit] += 1
            passes[trial.at_limit] += trial.outcome is Outcome.PASS
    enough = answers[False] >= CUT_OFF_SHARE * len(trials)
    return enough and passes[False] * answers[True] <= passes[True] * answers[False]


def _limit(longest: int | None, max_tokens: int | None) -> tuple[str, str | None]:
    """Say at which limit answers of at most `longest` tokens ended; return the action that raises it, if one does."""
    if longest and max_tokens is not None and longest < NEARLY_THE_LIMIT * max_tokens:
        return f"at a limit after at most {longest} tokens, although {max_tokens} were allowed", None
    # A conversation has the sum of its answers' tokens, so that the known limit is more exact.
    limit = max_tokens or longest
    if not limit:
        return "at the limit of tokens", MORE_TOKENS
    return f"at the limit of {limit} tokens", MORE_TOKENS


def _parts(ended: int, wordless: int, right: int) -> str:
    """Say how many of the answers were empty, and how many right; empty if none was either."""
    parts = ""
    if wordless == ended:
        parts = ", all of them before a word was said"
    elif wordless:
        parts = f", {wordless} of them before a word was said"
    if right:
        parts += f", {right} of them right all the same"
    return parts


def _advice(action: str | None) -> str:
    if action is None:
        return "raise the server's own limit, or the model's window"
    return "raise max"
