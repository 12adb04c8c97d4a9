"""What the cases of suites ask and expect, as the ledger keeps it for those who read reports."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pytest_selfopt.bench.describe import asked, expected
from pytest_selfopt.bench.suites import Suite
from pytest_selfopt.ledger.records import Question


def case_texts(suites: Iterable[Suite]) -> Iterator[Question]:
    """The questions of all cases of the suites, in words."""
    for suite in suites:
        for case in suite.cases:
            yield Question(case_hash=case.content_hash, prompt=asked(case), expected=expected(case))
