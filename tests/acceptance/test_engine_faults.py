"""One turn of faults that only whole sessions show; `python -m tests.performance.engine_faults` plays all, often."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.performance.engine_faults.__main__ import play


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ["lowered_max_payload", "lost_workflows"])
def test_nothing_is_paid_twice(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert play(name, tmp_path, 1) == 0, capsys.readouterr().out
