"""Specs read back from their ids, and neighbours are one change away."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_selfopt.errors import SpecError
from pytest_selfopt.specs.neighbours import SearchSpace, neighbours
from pytest_selfopt.specs.request import Sampling
from pytest_selfopt.specs.spec import Spec, difference, parse_spec

NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,12}", fullmatch=True)
MODELS = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._:/@+-]{0,30}[A-Za-z0-9])?", fullmatch=True)


def thousandths(least: int, most: int) -> st.SearchStrategy[float]:
    return st.integers(least, most).map(lambda value: float(f"{value / 1000:.3f}"))


SAMPLINGS = st.builds(
    Sampling,
    temperature=thousandths(0, 5000),
    max_tokens=st.integers(1, 1_000_000),
    top_p=st.none() | thousandths(1, 1000),
    seed=st.none() | st.integers(0, 2**63),
)
SPECS = st.builds(
    Spec,
    model=MODELS,
    phase=NAMES,
    variant=NAMES,
    timeout_s=thousandths(1, 86_400_000),
    retries=st.integers(0, 10),
    isolated=st.booleans(),
    warmup=st.booleans(),
    sampling=SAMPLINGS,
)


@given(SPECS)
def test_every_spec_round_trips_through_its_id(spec: Spec) -> None:
    assert parse_spec(spec.id) == spec


@given(SPECS, SPECS)
def test_equal_specs_have_equal_ids(one: Spec, other: Spec) -> None:
    assert (one == other) == (one.id == other.id)


def test_the_id_of_the_documents_parses() -> None:
    spec = parse_spec("lfm2.5-thinking:1.2b/atomic/native_api/t60/r1/i0")
    assert spec == Spec(model="lfm2.5-thinking:1.2b", phase="atomic", variant="native_api")


def test_a_model_name_may_resemble_a_suffix() -> None:
    spec = Spec(model="a/atomic/schema/t60/r1/i0/x", phase="atomic", variant="schema")
    assert parse_spec(spec.id) == spec


@pytest.mark.parametrize(
    "text",
    [
        "",
        "model",
        "m/atomic/native_api/t60/r1",
        "m/atomic/native_api/t60/r1/i2",
        "m/atomic/native_api/tsixty/r1/i0",
        "m/Atomic/native_api/t60/r1/i0",
        "m/atomic/native_api/t60/r1/i0 ",
        "m/atomic/native_api/t60/r1/i0/w2",
        "/atomic/native_api/t60/r1/i0",
    ],
)
def test_a_malformed_id_names_the_format(text: str) -> None:
    with pytest.raises(SpecError, match="the form is MODEL/PHASE"):
        parse_spec(text)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"timeout_s": 0.0}, "timeout 0 s"),
        ({"timeout_s": float("nan")}, "timeout nan s"),
        ({"retries": 11}, "retries 11"),
        ({"model": "with space"}, "model 'with space'"),
        ({"variant": "Native"}, "variant 'Native'"),
        ({"sampling": Sampling(temperature=-1)}, "temperature -1"),
        ({"sampling": Sampling(top_p=0)}, "top_p 0"),
    ],
)
def test_impossible_values_are_refused(change: dict[str, object], sentence: str) -> None:
    good = Spec(model="m", phase="atomic", variant="schema")
    with pytest.raises(SpecError, match=sentence):
        dataclasses.replace(good, **change)  # type: ignore[arg-type]


@given(SPECS)
def test_neighbours_differ_in_one_dimension(spec: Spec) -> None:
    around = neighbours(spec, SearchSpace())
    assert len(set(around)) == len(around)
    for other in around:
        changed = [
            field.name for field in dataclasses.fields(Spec) if getattr(spec, field.name) != getattr(other, field.name)
        ]
        assert len(changed) == 1
        assert changed[0] not in ("model", "phase", "sampling")


def test_numbers_move_to_adjacent_values() -> None:
    spec = Spec(model="m", phase="atomic", variant="schema", timeout_s=60, retries=1)
    around = neighbours(spec, SearchSpace())
    assert {other.timeout_s for other in around} == {60.0, 30.0, 120.0}
    assert {other.retries for other in around} == {0, 1, 2}


def test_a_difference_reads_as_words() -> None:
    before = Spec(model="m", phase="atomic", variant="native_api")
    after = dataclasses.replace(before, variant="few_shot", isolated=True)
    assert difference(before, after) == "variant native_api → few_shot, isolation off → on"
    assert difference(before, dataclasses.replace(before, timeout_s=30)) == "timeout 60 s → 30 s"
