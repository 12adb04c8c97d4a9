"""A remedy is the neighbour that an action asks for, and no other."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_selfopt.loop.diagnosis.remedies import (
    FALL_BACK,
    LONGER_TIMEOUT,
    MORE_TOKENS,
    RETRY,
    WARM_UP,
    curable,
    remedy,
)
from pytest_selfopt.specs.neighbours import SearchSpace
from pytest_selfopt.specs.spec import parse_spec
from pytest_selfopt.trial import ErrorKind

SPEC = parse_spec("m/atomic/schema/t60/r1/i0")
SPACE = SearchSpace(timeouts_s=(30.0, 60.0, 120.0), retries=(0, 1, 2), warmup=(False, True), max_tokens=(256, 64, 1024))


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        (WARM_UP, replace(SPEC, warmup=True)),
        (RETRY, replace(SPEC, retries=2)),
        (LONGER_TIMEOUT, replace(SPEC, timeout_s=120.0)),
        (MORE_TOKENS, parse_spec("m/atomic/schema/t60/r1/i0/max256")),
        (FALL_BACK, None),
    ],
)
def test_an_action_moves_its_own_setting(action: str, expected: object) -> None:
    assert remedy(action, SPEC, SPACE, max_tokens=64) == expected


@pytest.mark.parametrize("action", [WARM_UP, RETRY, LONGER_TIMEOUT, MORE_TOKENS])
def test_at_the_end_of_the_space_nothing_is_left(action: str) -> None:
    assert remedy(action, replace(SPEC, warmup=True, retries=2, timeout_s=120.0), SPACE, max_tokens=1024) is None


@pytest.mark.parametrize(("max_tokens", "raised"), [(None, None), (63, 64), (64, 256), (1023, 1024), (4096, None)])
def test_the_next_higher_limit_is_asked_for(max_tokens: int | None, raised: int | None) -> None:
    sampled = parse_spec("m/atomic/schema/t60/r1/i0/temp0.7/seed3")
    found = remedy(MORE_TOKENS, sampled, SPACE, max_tokens=max_tokens)
    expected = raised and parse_spec(f"m/atomic/schema/t60/r1/i0/temp0.7/max{raised}/seed3")
    assert found == expected


@pytest.mark.parametrize(
    ("change", "kinds"),
    [
        ("m/atomic/schema/t60/r1/i0/max256", {ErrorKind.CUT_OFF}),
        ("m/atomic/schema/t90/r1/i0/max256", {ErrorKind.CUT_OFF, ErrorKind.TIMEOUT}),
        ("m/atomic/few_shot/t60/r1/i0", set()),
        ("other/atomic/schema/t60/r1/i0/max256", set()),
    ],
)
def test_only_another_limit_cures_cut_offs(change: str, kinds: set[ErrorKind]) -> None:
    assert curable(SPEC, parse_spec(change)) == kinds
