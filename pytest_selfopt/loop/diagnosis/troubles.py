"""What was measured of a spec that a change could cure: a candidate that cures none of it cannot be better."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from pytest_selfopt.loop.diagnosis.remedies import RETRIED
from pytest_selfopt.specs.spec import Spec
from pytest_selfopt.trial import ErrorKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Troubles:
    """The trouble that was measured of a spec; `wrong` is None if its answers to this suite were not measured.

    `wrong` counts its wrong answers, `errors_by_kind` its calls without one; `varies` says whether answers to one
    prompt differed.
    """

    wrong: int | None = None
    errors_by_kind: Mapping[str, int]
    varies: bool = False


UNMEASURED = Troubles(errors_by_kind={})


def may_cure(baseline: Spec, candidate: Spec, troubles: Troubles) -> bool:
    """Whether a change of one setting can cure trouble that was measured of the baseline.

    Another variant or model may cure whatever is not right, and is tried before anything was measured; more patience
    cures errors of its kind alone, and an answer without the prompt cache only answers that differ. A warm-up is tried
    when a diagnosis asks for it. Less patience cures nothing.
    """
    if candidate.retries > baseline.retries:
        return _any_of(RETRIED, troubles)
    if candidate.timeout_s > baseline.timeout_s:
        return _any_of({ErrorKind.TIMEOUT}, troubles)
    if candidate.isolated and not baseline.isolated:
        return troubles.varies
    if (candidate.model, candidate.variant) == (baseline.model, baseline.variant):
        return False
    return troubles.wrong is None or troubles.wrong > 0 or any(troubles.errors_by_kind.values())


def _any_of(kinds: Collection[ErrorKind], troubles: Troubles) -> bool:
    return any(troubles.errors_by_kind.get(str(kind)) for kind in kinds)
