"""What takes too long to judge a reply names itself, and all else is judged."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.acceptance.conftest import MODEL, Project, said
from tests.ledger_file import open_ledger

SLOW = r"^(\w+\s?)*$"
ANSWER = {"rules": [{"when": {}, "then": {"text": f"{'word' * 10}!"}}]}
WORDS = {"id": "words", "prompt": "Say something.", "expect": {"regex": SLOW}}
OTHER = {"id": "other", "prompt": "Say something else.", "expect": {"regex": "^(word)+!$"}}
FOREVER = """
def judge(reply, wanted):
    while True:
        pass
"""


@pytest.mark.parametrize("way", ["-n0", "-n2"])
def test_a_slow_pattern_is_an_error(project: Callable[..., Project], way: str) -> None:
    made = project(ANSWER)
    made.write_suite([WORDS, OTHER])
    result = made.run("-k", "run0", way)
    assert result.ret == 1
    assert result.parseoutcomes() == {"failed": 1, "passed": 1}
    told = said(result)
    assert "words-run0" in told
    assert f"the regular expression {SLOW!r} takes longer than 1 s" in told


def test_a_check_names_a_slow_pattern(project: Callable[..., Project]) -> None:
    made = project(ANSWER)
    made.write_suite([WORDS])
    checked = made.selfopt("suite", "check", "items.jsonl")
    assert checked.returncode == 1
    assert "case 'words'" in checked.stdout
    assert repr(SLOW) in checked.stdout


def test_a_batch_goes_on_behind_a_slow_pattern(project: Callable[..., Project]) -> None:
    made = project(ANSWER)
    made.write_suite([WORDS, OTHER])
    made.configure(f'[tool.selfopt.tiers]\nmine = ["{MODEL}"]')
    shown = made.selfopt("batch", "mine", "--suite", "items.jsonl", "--runs", "2", "--yes")
    assert shown.returncode == 1, shown.stdout + shown.stderr
    with open_ledger(made.path / ".selfopt" / "ledger.sqlite") as ledger:
        rows = ledger.execute('SELECT "case", outcome, error_kind, reason FROM call ORDER BY "case"').fetchall()
    assert [row[1:3] for row in rows] == [("pass", None)] * 2 + [("error", "test")] * 2
    assert "case 'items/words' (items.jsonl:1): the regular expression" in rows[-1][3]


def test_a_time_limit_ends_a_slow_grader(project: Callable[..., Project]) -> None:
    made = project(ANSWER)
    (made.path / "forever.py").write_text(FOREVER)
    made.write_suite([{**WORDS, "expect": {"grader": "forever:judge"}}, OTHER])
    result = made.run("-k", "run0", "--timeout=5")
    assert result.ret == 1
    assert result.parseoutcomes() == {"errors": 1, "passed": 1}
    assert "Timeout (>5" in said(result)
