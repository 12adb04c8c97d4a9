"""A regular expression that takes too long is a fault of the benchmark, which names itself."""

from __future__ import annotations

from collections.abc import Callable

from tests.acceptance.conftest import Project, said

SLOW = r"^(\w+\s?)*$"
ANSWER = {"rules": [{"when": {}, "then": {"text": f"{'word' * 10}!"}}]}


def test_a_slow_pattern_is_an_error(project: Callable[..., Project]) -> None:
    made = project(ANSWER)
    case = {"id": "words", "prompt": "Say something.", "expect": {"regex": SLOW}}
    made.write_suite([case])
    result = made.run("-k", "run0")
    assert result.ret == 1
    assert result.parseoutcomes() == {"failed": 1}
    told = said(result)
    assert "words-run0" in told
    assert f"the regular expression {SLOW!r} takes longer than 1 s" in told
    checked = made.selfopt("suite", "check", "items.jsonl")
    assert checked.returncode == 1
    assert "case 'words'" in checked.stdout
    assert repr(SLOW) in checked.stdout
