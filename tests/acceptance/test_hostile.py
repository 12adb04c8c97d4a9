"""A few hostile inputs of each kind; `python -m tests.performance.hostile` tries many."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.performance.hostile import careless, files, replies, state
from tests.performance.hostile.__main__ import SEED
from tests.performance.hostile.figures import Fault, Figure, Figures
from tests.performance.hostile.mutation import KEY
from tests.performance.hostile.project import End, faults_of

PLAYS = {
    replies.KIND: replies.play,
    files.SUITES: files.play_suites,
    files.SETTINGS: files.play_settings,
    careless.KIND: careless.play,
    state.KIND: state.play,
}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", PLAYS)
def test_hostile_input(kind: str, tmp_path: Path) -> None:
    figures = Figures()
    PLAYS[kind](figures, tmp_path, SEED, short=True)
    assert figures.inputs[kind] >= 3
    assert not figures.findings, "\n".join(map(str, figures.findings))


def test_each_fault_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "report.md").write_text(f"a file with {KEY}")
    printed = "Traceback (most recent call last):"
    found = faults_of(End(status=3, printed=printed), tmp_path)
    assert [fault.figure for fault in found] == [Figure.KEYS, Figure.TRACEBACKS, Figure.OTHER]
    assert [fault.figure for fault in faults_of(End(status=None, printed=""), tmp_path)] == [Figure.HANGS]
    figures = Figures()
    figures.add("kind", "input", [Fault(figure=Figure.CALLS, detail="one of three")], inputs=3)
    assert figures.table().splitlines()[-1].split() == ["all", "3", "0", "0", "1", "0", "0", "0"]
