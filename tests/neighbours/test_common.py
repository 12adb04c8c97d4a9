"""The neighbours that most projects have, each in the session in which it matters; all others are tried by hand."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests import warm
from tests.acceptance.conftest import WITHOUT
from tests.neighbours.environment import folder_of
from tests.neighbours.judge import problems
from tests.neighbours.row import Mode, Way
from tests.neighbours.rows import ROWS
from tests.neighbours.session import run_session

BY_TITLE = {row.title: row for row in ROWS}
COMMON = (
    ("pytest-cov --cov-fail-under=100", Mode.CYCLE, Way.SERIAL),
    ("pytest-asyncio auto", Mode.CYCLE, Way.DISTRIBUTED),
    ("pytest-mock of time", Mode.CYCLE, Way.SERIAL),
    ("anyio with one backend", Mode.GATE, Way.SERIAL),
    ("pytest-rerunfailures --reruns", Mode.PLAIN, Way.DISTRIBUTED),
    ("pytest-rerunfailures ini", Mode.CYCLE, Way.DISTRIBUTED),
    ("pytest-html --html=report.html --self-contained-html", Mode.CYCLE, Way.SERIAL),
    ("syrupy", Mode.CYCLE, Way.SERIAL),
    ("freezegun in a session's fixture", Mode.CYCLE, Way.SERIAL),
    ("pytest-benchmark --benchmark-only", Mode.CYCLE, Way.SERIAL),
)


@pytest.mark.parametrize(("title", "mode", "way"), COMMON)
def test_a_common_neighbour_changes_no_outcome(title: str, mode: Mode, way: Way) -> None:
    row = BY_TITLE[title]
    folders = [folder_of(row.packages, Path(sys.executable))]
    options = (*WITHOUT, *row.options)
    expected = row.expected(mode, way)
    assert expected is not None
    seen = run_session(replace(row, options=options), mode, way, warm.python(), folders)
    assert problems(mode, expected, seen) == [], seen.output
