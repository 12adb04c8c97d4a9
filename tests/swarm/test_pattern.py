"""Pattern codes."""

from __future__ import annotations

import re
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_selfopt.errors import SettingsError
from pytest_selfopt.swarm.pattern import PatternStep, Topology, parse_pattern

TOPOLOGIES = st.lists(st.sampled_from([1, 8, 64, 512]), min_size=1, max_size=8).map(lambda one: Topology(tuple(one)))


@pytest.mark.parametrize(
    ("code", "stages"), [(":10", (8, 1)), (":01", (1, 8)), (":1010", (8, 1, 8, 1)), (":2", (64,)), ("10", (8, 1))]
)
def test_each_digit_is_a_stage(code: str, stages: tuple[int, ...]) -> None:
    assert parse_pattern(code).stages == stages


@given(TOPOLOGIES)
def test_a_code_reads_back_as_topology(topology: Topology) -> None:
    assert parse_pattern(topology.code) == topology


@given(st.text(max_size=12))
def test_a_wrong_character_is_shown(text: str) -> None:
    try:
        topology = parse_pattern(text)
    except SettingsError as problem:
        shown = re.search(r"\(character (\d+)\)", str(problem))
        if shown is not None:
            assert text[int(shown[1]) - 1] not in "0123"
        else:
            assert text.removeprefix(":") == "" or len(text) > 8
    else:
        assert topology.code == ":" + text.removeprefix(":")


@given(TOPOLOGIES)
def test_every_answer_is_used_and_inputs_exist(topology: Topology) -> None:
    for stage in range(1, len(topology.stages)):
        sources = [topology.sources(stage, place) for place in range(topology.stages[stage])]
        used = list(chain.from_iterable(sources))
        assert set(used) == set(range(topology.stages[stage - 1]))
        if topology.step(stage) is PatternStep.AGGREGATE:
            assert len(used) == len(set(used))
            assert all(len(one) > 1 for one in sources)
        else:
            assert all(len(one) == 1 for one in sources)
