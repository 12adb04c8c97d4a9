"""Phase 4, diagnose: find what went wrong with a spec from its matrix of runs × cases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from pytest_selfopt.loop.diagnosis.cut_offs import cut_offs
from pytest_selfopt.loop.diagnosis.kinds import STRAY_SHARE, Diagnosis, DiagnosisKind, Matrix
from pytest_selfopt.loop.diagnosis.remedies import FALL_BACK, LONGER_TIMEOUT, RETRIED, RETRY
from pytest_selfopt.loop.diagnosis.run_effects import cold_errors, run_effect
from pytest_selfopt.loop.distributions import at_least, binomial_tail, wilson
from pytest_selfopt.loop.evidence.copies import copies, originals, replies
from pytest_selfopt.loop.evidence.spread import coin_flips
from pytest_selfopt.loop.evidence.tally import NO_GROUPS
from pytest_selfopt.loop.thresholds import Limits
from pytest_selfopt.loop.wording import copied_of, listed_cases, listed_counts
from pytest_selfopt.trial import ErrorKind, Trial

INFRASTRUCTURE_SHARE = 0.05
PERFECT_SHARE = 0.003
GOOD_SHARE = 0.05
"""The failure rate of a good but imperfect model: the null hypothesis for a perfect result."""
INCAPABLE_SHARE = 0.02
FLAKY_MEAN = 0.08
CEILING_SHARE = 0.75
NEVER_PASSES = 0.10


def diagnose(
    trials: Sequence[Trial],
    cases: Sequence[str],
    limits: Limits,
    *,
    max_tokens: int | None = None,
    groups: Mapping[str, str] = NO_GROUPS,
) -> tuple[Diagnosis, ...]:
    """Diagnose one spec, the main finding first; a second finding may name prompts that always fail.

    `max_tokens` is the limit of its answers; None if it is unknown. `groups` names the group of each case that has one.
    """
    if not trials:
        return (Diagnosis(kind=DiagnosisKind.UNKNOWN, sentence="there are no trials to look at"),)
    new = originals(trials)
    if not new:
        sentence = f"{copied_of(copies(trials), replies(trials))}, and say nothing that was not known before"
        return (Diagnosis(kind=DiagnosisKind.UNKNOWN, sentence=sentence),)
    matrix = Matrix(trials=new, cases=cases, groups=groups)
    findings = []
    for finding in _findings(matrix, limits, max_tokens):
        number = matrix.count(finding.runs, finding.cases)
        findings.append(replace(finding, trials=number))
    return tuple(findings)


def _findings(matrix: Matrix, limits: Limits, max_tokens: int | None) -> list[Diagnosis]:
    main = (
        cut_offs(matrix, max_tokens)
        or _trouble(matrix)
        or _perfect(matrix)
        or _incapable(matrix, limits)
        or run_effect(matrix)
        or _flaky(matrix)
    )
    ceiling = _ceiling(matrix)
    if main is None:
        return [ceiling or _steady(matrix, limits)]
    if ceiling is None or main.kind not in _BESIDE_CEILING:
        return [main]
    return [main, ceiling]


_BESIDE_CEILING = (DiagnosisKind.FLAKY, DiagnosisKind.COLD_START, DiagnosisKind.DRIFT)
"""Findings that do not explain prompts that always fail."""


def _trouble(matrix: Matrix) -> Diagnosis | None:
    number, trials = len(matrix.errors), len(matrix.trials)
    if not number or number < INFRASTRUCTURE_SHARE * trials:
        return None
    cold = cold_errors(matrix)
    if cold is not None:
        return cold
    kinds = listed_counts(matrix.errors_by_kind.most_common())
    unanswered = f"{number} of {trials} calls gave no answer ({kinds})"
    most_said = _most_said(matrix.errors)
    finding = Diagnosis(
        kind=DiagnosisKind.INFRASTRUCTURE,
        sentence=f"{unanswered}; that says nothing about the model, so no rule follows from it{most_said}",
        chance=at_least(number, trials, STRAY_SHARE),
        runs=tuple(sorted(matrix.errors_by_run)),
    )
    if matrix.errors_by_kind[ErrorKind.TIMEOUT] <= number / 2:
        return finding
    sentence = f"{unanswered}; most of them ran out of time"
    return replace(finding, kind=DiagnosisKind.TIMEOUTS, sentence=sentence, action=LONGER_TIMEOUT)


def _most_said(errors: Sequence[Trial]) -> str:
    """Return the most frequent error message, for the user to investigate; empty if there are none."""
    reasons = Counter(trial.reason for trial in errors if trial.reason)
    if not reasons:
        return ""
    reason, _ = reasons.most_common(1)[0]
    return f"; most often: {reason}"


def _perfect(matrix: Matrix) -> Diagnosis | None:
    trials = len(matrix.trials)
    failed = trials - matrix.passed
    if failed > PERFECT_SHARE * trials:
        return None
    return Diagnosis(
        kind=DiagnosisKind.PERFECT,
        sentence=f"{matrix.passed} of {matrix.answers} answers are right",
        chance=binomial_tail(failed, trials, GOOD_SHARE),
    )


def _incapable(matrix: Matrix, limits: Limits) -> Diagnosis | None:
    passed, answers = matrix.passed, matrix.answers
    _, upper = wilson(passed, answers)
    minimum = limits.extended_phase_min_accuracy
    if passed > INCAPABLE_SHARE * answers or upper >= minimum:
        return None
    return Diagnosis(
        kind=DiagnosisKind.CAPABILITY,
        sentence=(
            f"{passed} of {answers} answers are right, "
            f"with 95 % confidence at most {upper:.0%}; {minimum:.0%} is needed"
        ),
        chance=binomial_tail(passed, answers, minimum),
        action=FALL_BACK,
    )


def _flaky(matrix: Matrix) -> Diagnosis | None:
    rows, runs = matrix.rows, len(matrix.runs)
    if runs < 2 or not rows or coin_flips(rows.values()) / len(rows) < FLAKY_MEAN:
        return None
    wavering = tuple(name for name, row in rows.items() if 0 < sum(row) < len(row))
    unanswered = _retried_errors(matrix)
    helps = _retry_helps(unanswered, len(matrix.trials))
    finding = Diagnosis(
        kind=DiagnosisKind.FLAKY,
        sentence=(
            f"{len(wavering)} of {len(rows)} prompts sometimes pass and sometimes fail: {_named(wavering)}; {helps}"
        ),
        # A prompt wavers by chance if at least one of its runs strays.
        chance=at_least(len(wavering), len(rows), 1 - (1 - STRAY_SHARE) ** runs),
        cases=wavering,
    )
    if not unanswered:
        return finding
    return replace(finding, action=RETRY)


def _retried_errors(matrix: Matrix) -> int:
    """Count the trials that ended in an error after all retries."""
    number = 0
    for kind in RETRIED:
        number += matrix.errors_by_kind[kind]
    return number


def _retry_helps(unanswered: int, trials: int) -> str:
    """Say whether another retry can help, and at what cost: it repeats calls without an answer, never wrong answers."""
    if not unanswered:
        return "a retry would not help, for the answers came and were wrong"
    return (
        f"another retry can help the {unanswered} of {trials} calls that gave no answer, "
        f"and costs up to as many calls ({unanswered / trials:.1%} more)"
    )


def _ceiling(matrix: Matrix) -> Diagnosis | None:
    answers = failures = from_never = 0
    never = []
    for name, row in matrix.rows.items():
        failed = len(row) - sum(row)
        answers += len(row)
        failures += failed
        if sum(row) <= NEVER_PASSES * len(row):
            never.append(name)
            from_never += failed
    if not failures or from_never < CEILING_SHARE * failures:
        return None
    share = from_never / failures
    return Diagnosis(
        kind=DiagnosisKind.CEILING,
        sentence=(
            f"{len(never)} of {len(matrix.cases)} prompts fail every time "
            f"and make {share:.0%} of the failures: {_named(never)}"
        ),
        # If failures were spread over prompts at random, each prompt would always fail with this probability.
        chance=at_least(len(never), len(matrix.rows), (failures / answers) ** len(matrix.runs)),
        cases=tuple(never),
    )


def _steady(matrix: Matrix, limits: Limits) -> Diagnosis:
    passed, answers = matrix.passed, matrix.answers
    runs = len(matrix.runs)
    if runs < limits.min_samples:
        return Diagnosis(
            kind=DiagnosisKind.UNKNOWN,
            sentence=f"{passed} of {answers} answers are right; {runs} runs are too few to see a pattern",
        )
    return Diagnosis(
        kind=DiagnosisKind.SUBOPTIMAL,
        sentence=f"steady, with {passed} of {answers} answers right and no pattern in what fails",
        chance=at_least(answers - passed, answers, PERFECT_SHARE),
    )


def _named(cases: Sequence[str]) -> str:
    """List the first four cases by name, without their suites, and count the others."""
    listed = listed_cases(cases[:4])
    if len(cases) > 4:
        listed += f" and {len(cases) - 4} more"
    return listed
