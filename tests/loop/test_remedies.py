"""A remedy is the neighbour that an action asks for, and no other."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_selfopt.loop.diagnosis.remedies import FALL_BACK, LONGER_TIMEOUT, RETRY, WARM_UP, remedy
from pytest_selfopt.specs.neighbours import SearchSpace
from pytest_selfopt.specs.spec import parse_spec

SPEC = parse_spec("m/atomic/schema/t60/r1/i0")
SPACE = SearchSpace(timeouts_s=(30.0, 60.0, 120.0), retries=(0, 1, 2), warmup=(False, True))


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        (WARM_UP, replace(SPEC, warmup=True)),
        (RETRY, replace(SPEC, retries=2)),
        (LONGER_TIMEOUT, replace(SPEC, timeout_s=120.0)),
        (FALL_BACK, None),
    ],
)
def test_an_action_moves_its_own_setting(action: str, expected: object) -> None:
    assert remedy(action, SPEC, SPACE) == expected


@pytest.mark.parametrize("action", [WARM_UP, RETRY, LONGER_TIMEOUT])
def test_at_the_end_of_the_space_nothing_is_left(action: str) -> None:
    assert remedy(action, replace(SPEC, warmup=True, retries=2, timeout_s=120.0), SPACE) is None
