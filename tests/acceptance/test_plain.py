"""Without `--selfopt-*`: benchmarks are plain tests, and other projects notice nothing."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.acceptance.conftest import BASELINE, CALLS, MODEL, RESTRAINT, Project, right, said

Make = Callable[..., Project]

OTHER_PROJECT = """
import pytest

@pytest.fixture
def case(): return "mine"

@pytest.fixture(params=[1, 2])
def run(request): return request.param

def test_pass(case, run): assert case == "mine"

@pytest.mark.skip(reason="why not")
def test_skip(): ...

@pytest.mark.xfail
def test_xfail(): assert False

def test_fail(run): assert run == 1

def test_no_such_fixture(reply): ...
"""


def test_each_case_runs_once_on_the_baseline(project: Make) -> None:
    made = project({"rules": right()})
    result = made.run()
    assert result.ret == 0
    result.assert_outcomes(passed=CALLS + RESTRAINT)
    assert len(made.server.seen.requests) == CALLS + RESTRAINT
    assert all("tools" in request for request in made.server.seen.requests)
    assert not (made.path / ".selfopt").exists()
    assert not (made.path / "routing_config.json").exists()


def test_the_routing_configuration_is_followed(project: Make) -> None:
    made = project({"rules": right(constrained=True)})
    (made.path / "routing_config.json").write_text(
        f'{{"version": 1, "rules": [{{"model": "{MODEL}", "phase": "atomic", "variant": "schema"}}]}}'
    )
    result = made.run()
    result.assert_outcomes(passed=CALLS + RESTRAINT)


@pytest.mark.parametrize(
    ("then", "told"),
    [({"text": "4"}, "/w1: answered in 0."), ({"status": 503, "message": "asleep"}, "/w1 failed after 0.")],
)
def test_a_session_tells_its_warm_up(project: Make, then: dict[str, object], told: str) -> None:
    made = project({"rules": [{"when": {"prompt": "What is 2+2?"}, "then": then}, *right()], "default": {"text": "Hi"}})
    result = made.run("--selfopt-warmup")
    result.assert_outcomes(passed=CALLS + RESTRAINT)
    assert f"selfopt: warm-up of {BASELINE}{told}" in said(result)


def test_a_wrong_answer_fails_with_its_content(project: Make) -> None:
    made = project({"rules": right()[1:], "default": {"text": "I can not."}})
    result = made.run("-rf")
    assert result.ret == 1
    result.assert_outcomes(passed=CALLS + RESTRAINT - 1, failed=1)
    assert "Miss: expected a call of look_up, got no call but 'I can not.'" in said(result)


def test_a_missing_answer_is_one_sentence(project: Make) -> None:
    made = project({"default": {"status": 401, "message": "who are you?"}})
    result = made.run("-k", "item-1")
    assert result.ret == 1
    assert "items.jsonl:4: HTTP status 401: who are you?" in said(result)
    assert "Traceback" not in said(result)


def test_xdist_workers_call_for_own_items_only(project: Make) -> None:
    made = project({"rules": right()})
    result = made.run("-n", "2")
    result.assert_outcomes(passed=CALLS + RESTRAINT)
    assert len(made.server.seen.requests) == CALLS + RESTRAINT


def test_other_projects_behave_as_without_plugin(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_other=OTHER_PROJECT)
    in_order = ("-p", "no:cacheprovider", "-p", "no:randomly")
    with_plugin = pytester.runpytest_subprocess(*in_order)
    without = pytester.runpytest_subprocess(*in_order, "-p", "no:selfopt")
    assert with_plugin.ret == without.ret == 1
    assert _comparable(with_plugin) == _comparable(without)
    assert not (pytester.path / ".selfopt").exists()


def test_the_plugin_imports_nothing_heavy(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_other="""
        import sys

        def test_imports():
            ours = {name for name in sys.modules if name.startswith("pytest_selfopt")}
            assert ours == {"pytest_selfopt", "pytest_selfopt.plugin", "pytest_selfopt.hookspec"}
            assert not {"requests", "yaml", "jsonschema", "sqlite3", "xllamacpp"} & set(sys.modules)
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:hypothesispytest")
    result.assert_outcomes(passed=1)


def _comparable(result: pytest.RunResult) -> list[str]:
    """The output without what names times, temporary folders and the list of plugins."""
    lines = [line for line in result.outlines if not line.startswith("plugins:")]
    return [re.sub(r"runpytest-\d+|in \d+\.\d+s|=+", "", line) for line in lines]
