"""Cases selected by their tags."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.acceptance.conftest import BODY, Project, long_suite, right, said

TAGS = {"item-0": ["slow", "paid"], "item-1": ["slow"], "item-2": ["skip", "area:billing"]}
CONFTEST = """
def pytest_collection_modifyitems(items):
    for item in items:
        if "[NOTSET" in item.name:  # Of a test without trials, which pytest itself would skip.
            continue
        assert "skip" not in [mark.name for mark in item.iter_markers()]

def pytest_runtest_setup(item):
    assert "slow" not in [mark.name for mark in item.iter_markers()]
"""
OTHER = """
import pytest

@pytest.mark.parametrize("number", [1])
def test_other(number):
    pass
"""


def tagged() -> list[dict[str, Any]]:
    lines = long_suite()
    for line in lines:
        if line.get("id") in TAGS:
            line["tags"] = TAGS[line["id"]]
    return lines


@pytest.fixture
def tags(long_project: Callable[..., Project]) -> Project:
    made = long_project({"rules": right()})
    made.write_suite(tagged())
    made.pytester.makeconftest(CONFTEST)
    made.pytester.makepyfile(test_other=OTHER)
    return made


def test_tags_select_cases_only(tags: Project) -> None:
    result = tags.run("-v", "--selfopt-tags", "slow and not paid")
    result.assert_outcomes(passed=2, deselected=11)
    assert "item-1" in said(result)
    assert "test_other" in said(result)


def test_selected_cycle_decides_nothing(tags: Project) -> None:
    result = tags.run("test_items.py", "--selfopt-cycle", "--selfopt-tags", "paid or area:billing", "-n2")
    assert "no decision: only some of the planned trials were selected" in said(result)
    assert "--selfopt-tags" in said(result)
    # Two cases, the baseline and three candidates, in the pass that all specs get.
    assert tags.server.seen.asked == 2 * 4


def test_unknown_tag_is_refused(tags: Project) -> None:
    result = tags.run("--selfopt-tags", "slwo", "-n2")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--selfopt-tags: no case has the tag 'slwo'; did you mean 'slow'?"])
    assert not tags.server.seen.asked


def test_wrong_expression_is_refused(tags: Project) -> None:
    result = tags.run("--selfopt-tags", "slow and")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--selfopt-tags: 'slow and': a tag is missing at the end*"])


def test_tags_answer_m_alone(tags: Project) -> None:
    result = tags.run("-m", "(slow or skip) and not paid")
    # The case with the tag skip, which is a marker with arguments, is neither skipped nor selected.
    result.assert_outcomes(passed=1, deselected=12)


def test_only_the_true_reason_is_told(tags: Project) -> None:
    tags.pytester.makepyfile(test_missing=BODY.replace("items.jsonl", "missing.jsonl"))
    result = tags.run("--selfopt-tags", "billing")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    told = result.stderr.str()
    assert "missing.jsonl" in told
    assert "no case has the tag" not in told
    tags.pytester.makepyfile(test_missing="import nothing_of_this_name")
    result = tags.run("--selfopt-tags", "billing", "-n2")
    assert "nothing_of_this_name" in said(result)
    assert "no case has the tag" not in result.stderr.str()


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_only_what_is_selected_needs_its_model(long_project: Callable[..., Project], workers: str) -> None:
    made = long_project()
    made.configure('api_key_env = "KEY_THAT_IS_NOT_SET"')
    made.pytester.makepyfile(test_unit="def test_unit(): pass")
    missing = "the environment variable KEY_THAT_IS_NOT_SET is not set"
    for selection in (["-k", "unit"], ["-m", "not selfopt"], ["test_unit.py"], ["--deselect", "test_items.py"]):
        result = made.run(*selection, workers)
        assert (result.ret, result.parseoutcomes()["passed"]) == (0, 1), selection
        assert "selfopt: not selected" not in said(result) or selection[0] in ("-k", "--deselect")
    for selection in ([], ["-k", "items"], ["-k", "item-1"], ["--selfopt-cycle"]):
        result = made.run(*selection, workers)
        assert result.ret == pytest.ExitCode.USAGE_ERROR, selection
        assert missing in result.stderr.str()
    if workers == "-n0":
        assert f"selfopt: not selected, and not possible: model 'scripted/model': {missing}" in (
            said(made.run("-k", "unit or item-1"))
        )
