"""Pytest ends a session with and without `-n` in its own ways; `python -m tests.performance.statuses` tries all."""

from __future__ import annotations

import pytest

from tests.performance.statuses import SITUATIONS, problems, run

SHORT = (
    "`--session-timeout` of pytest-timeout is exceeded",
    "a file cannot be collected",
    "a path or a test that does not exist, an unknown option",
)


@pytest.mark.parametrize("name", SHORT)
def test_a_session_ends_as_the_page_says(name: str) -> None:
    situation = SITUATIONS[name]
    endings = {way: run(situation, way) for way in situation.ways}
    assert problems(situation, endings) == [], "\n".join(ending.output for ending in endings.values())
