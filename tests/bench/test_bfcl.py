"""Imported cases of BFCL are judged as its own checker judges them, on its possible answers and on changed ones.

`python -m tests.performance.bfcl` is the long form: every change of every answer.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_selfopt.bench.importing.bfcl import import_bfcl
from pytest_selfopt.errors import SuiteError
from tests.bench.bfcl_agreement import THE_TRUTH, agreement
from tests.bench.bfcl_answers import Call
from tests.bench.bfcl_package import (
    OF_CALLS,
    RELEVANCE,
    TURNS,
    NotInstallable,
    category_of,
    opened,
    our_verdict,
    their_verdict,
)

NO_VALUES = ("live_simple_106-63-0", "live_simple_112-68-0")
"""Cases whose possible answers list no value for an argument: nobody can pass."""
NO_FUNCTIONS = (121, 122, 123, 124)
"""The lines of cases that offer no function: nobody can fail."""


@pytest.fixture(scope="module")
def bfcl() -> Iterator[Path]:
    """The folder with BFCL's data; its checker can be imported while it is open."""
    try:
        with opened() as folder:
            yield folder
    except NotInstallable as problem:
        pytest.skip(str(problem))


@pytest.mark.parametrize("category", OF_CALLS)
def test_our_grader_and_the_checker_agree(bfcl: Path, category: str) -> None:
    counted = agreement(bfcl, category, drawn=0, changes=3)
    assert counted.differ == []
    # Some possible answers contradict the types they are declared with, and fail by either.
    assert counted.passed[THE_TRUTH] >= 0.98 * counted.judged[THE_TRUTH]
    assert len(counted.judged) >= 20


@pytest.mark.parametrize("category", RELEVANCE)
def test_relevance_cases_only_ask_whether_called(bfcl: Path, category: str) -> None:
    assert agreement(bfcl, category, drawn=0).differ == []


def test_what_shows_nothing_is_left_out(bfcl: Path) -> None:
    simple, irrelevance = category_of(bfcl, "live_simple"), category_of(bfcl, "live_irrelevance")
    assert simple.functions.keys() - {case.id for case in simple.cases} == set(NO_VALUES)
    assert all("a list of alternatives must not be empty" in one for one in simple.left_out)
    file = "BFCL_v4_live_irrelevance.json"
    reason = "it offers no function, so that it would show nothing"
    assert irrelevance.left_out == tuple(f"{file}:{line}: {reason}" for line in NO_FUNCTIONS)
    assert len(irrelevance.cases) == 880


def test_an_optional_argument_may_have_to_be_given(bfcl: Path) -> None:
    category = category_of(bfcl, "simple")
    bound = 0
    for case in category.cases:
        (function,) = category.functions[case.id]
        ((name, values),) = category.answers[case.id][0].items()
        needed = {key: given[0] for key, given in values.items() if "" not in given}
        optional = needed.keys() - set(function["parameters"]["required"])
        bound += bool(optional)
        for key in optional:
            calls: list[Call] = [(name, {other: given for other, given in needed.items() if other != key})]
            assert not our_verdict(case, calls)
            assert not their_verdict(category, case.id, calls)
    assert bound == 103


def test_a_category_may_have_the_name_of_its_file(bfcl: Path) -> None:
    named = import_bfcl(bfcl, "simple_python", 3)
    assert named.cases == 3
    assert named.lines == import_bfcl(bfcl, "simple", 3).lines


def test_a_missing_package_says_how_to_install(bfcl: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bfcl_eval.constants", None)
    with pytest.raises(SuiteError, match="pip install --no-deps bfcl-eval mpmath"):
        import_bfcl(bfcl, TURNS, 1)


def test_conversations_are_judged_as_by_the_checker(bfcl: Path) -> None:
    counted = agreement(bfcl, TURNS, drawn=0, every=3)
    assert counted.differ == []
    assert counted.judged[THE_TRUTH] == counted.passed[THE_TRUTH] == 67
    assert 133 < sum(counted.passed.values()) < sum(counted.judged.values()) - 133
