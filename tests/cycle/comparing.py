"""Open comparisons, for tests of phases under way."""

from __future__ import annotations

from pytest_selfopt.ledger.comparisons import Comparison
from pytest_selfopt.specs.spec import Spec


def open_comparison(baseline: Spec, candidate: Spec, *, number: int = 1, test: int | None = None) -> Comparison:
    """A comparison that was opened by cycle 9, and spends a share of the error budget only as a numbered `test`."""
    return Comparison(
        number=number,
        test=test,
        share=0.0,
        phase=baseline.phase,
        baseline=baseline.id,
        candidate=candidate.id,
        suite_hash="s",
        state="open",
        cycles=(9,),
    )
