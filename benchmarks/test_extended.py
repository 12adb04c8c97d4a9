"""The extended suite: tasks of several turns over simulated worlds, judged by the end state and by the calls made."""

from __future__ import annotations

import pytest

from pytest_selfopt import Case, Reply


@pytest.mark.selfopt("extended.jsonl", phase="extended")
def test_extended(case: Case, reply: Reply) -> None:
    case.check(reply)
