"""The atomic suite: one prompt, one decision: which tool with which arguments, or none."""

from __future__ import annotations

import pytest

from pytest_selfopt import Case, Reply


@pytest.mark.selfopt("atomic.jsonl", phase="atomic")
def test_atomic(case: Case, reply: Reply) -> None:
    case.check(reply)
