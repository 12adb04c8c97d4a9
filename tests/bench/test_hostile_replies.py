"""No reply holds a session: readers take as much longer as a text is longer, and what can take for ever has a limit."""

from __future__ import annotations

import gc
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from pytest_selfopt.bench.grading import expect
from pytest_selfopt.bench.grading.bounded import TooSlow, bounded
from pytest_selfopt.bench.grading.expect import JsonSchema
from pytest_selfopt.bench.grading.extract import NO_JSON, json_in
from pytest_selfopt.bench.grading.folding import fold
from pytest_selfopt.bench.grading.judgement import BrokenGrader, Judgement, SlowGrader
from pytest_selfopt.bench.grading.patterns import search
from pytest_selfopt.bench.helper_process import HELPER
from pytest_selfopt.specs.spoken_calls import read_spoken
from pytest_selfopt.swarm.voting import key_of
from pytest_selfopt.trial import Reply
from tests.bench.growth import is_quadratic
from tests.bench.hostile_replies import FORMAT_READERS, LISTS, READERS, REPLIES, Family

READ_EVERYWHERE = {**READERS, **FORMAT_READERS}
UNIQUE = JsonSchema({"items": {"minLength": 1}, "uniqueItems": True})
HOSTILE = r"^(\w+\s?)*$"
TEXT = "a" * 50 + "!"
NODE = {"type": "object", "properties": {"a": {"$ref": "#/$defs/node"}}}
CHOICE: dict[str, Any] = {
    "$ref": "#/$defs/node",
    "$defs": {"node": {"anyOf": [{**NODE, "required": ["b"]}, {**NODE, "required": ["c"]}]}},
}
"""Each level of a value is looked at twice as often as the one above."""


def nested(depth: int) -> str:
    return '{"a": ' * depth + "{}" + "}" * depth


@pytest.mark.parametrize("name", READ_EVERYWHERE)
def test_time_grows_with_the_length_of_a_text(name: str) -> None:
    slow = [str(family) for family in REPLIES if is_quadratic(READ_EVERYWHERE[name], family.text)]
    assert slow == []


@pytest.mark.parametrize("family", LISTS, ids=str)
def test_unique_items_take_time_by_their_number(family: Family) -> None:
    assert not is_quadratic(lambda text: UNIQUE.judge(Reply(text=text)), family.text)


def test_growth_is_told_from_a_long_time() -> None:
    def compare(text: str) -> int:
        return sum(text.count(sign) for sign in text)

    assert is_quadratic(compare, Family("ab").text, short=2_000)
    assert not is_quadratic(lambda text: [sign.upper() for sign in text], Family("ab").text)


def in_thread(work: Callable[[], object]) -> Any:
    """What work returns or raises in another thread."""
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(work)
        return done.exception() or done.result()


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits of a hundredth of the usual ones."""
    monkeypatch.setattr(expect, "LIMIT_S", 0.01)
    monkeypatch.setattr(expect, "_CHARACTER_S", 1e-7)


@pytest.mark.timeout(120)
@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("elsewhere", [False, True], ids=["here", "in a thread"])
def test_a_schema_without_patterns_has_a_limit(elsewhere: bool) -> None:  # noqa: FBT001 (a case)
    schema = JsonSchema(CHOICE)

    def judge() -> Judgement:
        return schema.judge(Reply(text=nested(60)))

    if elsewhere:
        problem = in_thread(judge)
    else:
        with pytest.raises(SlowGrader) as caught:
            judge()
        problem = caught.value
    assert isinstance(problem, SlowGrader)
    assert 'takes longer than 0.01 s on \'{"a": {' in str(problem)
    assert "(422 characters)" in str(problem)
    assert "fewer alternatives (anyOf, oneOf)" in str(problem)
    assert "max_tokens" in str(problem)


def test_no_garbage_is_collected_within_the_limit() -> None:
    """Python swallows what is raised in a callback of the collection, and tells pytest, which may fail the test."""
    assert bounded(gc.isenabled) is False
    assert gc.isenabled()
    with pytest.raises(SlowGrader):
        JsonSchema(CHOICE).judge(Reply(text=nested(60)))
    assert gc.isenabled()


def test_a_process_that_ended_is_replaced() -> None:
    def searched(pattern: str) -> object:
        try:
            return bounded(search, pattern, TEXT, seconds=0.02)
        except TooSlow:
            return HELPER._process

    first = in_thread(lambda: [searched("a+"), searched(HOSTILE), searched("^b")])
    assert first == [True, HELPER._process, False]
    assert isinstance(in_thread(lambda: bounded(die, "a")), TooSlow)
    again = in_thread(lambda: [searched("a+"), searched(HOSTILE)])
    assert again == [True, HELPER._process]
    assert again[1] is not first[1]


def die(_text: str) -> None:
    """End the process that works for others."""
    sys.exit(3)


def test_a_fault_in_another_process_is_told() -> None:
    unresolved = JsonSchema({"$ref": "#/nowhere"})
    problem = in_thread(lambda: unresolved.judge(Reply(text="1")))
    assert isinstance(problem, BrokenGrader)
    assert "refers to '/nowhere', which leads nowhere" in str(problem)


def wait_for_another_thread(seconds: float) -> str:
    def work() -> None:
        end = time.thread_time() + seconds
        while time.thread_time() < end:
            pass

    other = threading.Thread(target=work)
    other.start()
    other.join()
    return "done"


def test_the_work_of_other_threads_counts_for_nothing() -> None:
    assert bounded(wait_for_another_thread, 1.0, seconds=0.25) == "done"


@pytest.mark.timeout(120)
def test_a_swallowed_interruption_comes_again() -> None:
    def stubborn() -> bool:
        try:
            return search(HOSTILE, TEXT)
        except TooSlow:
            return search(HOSTILE, TEXT)

    with pytest.raises(TooSlow):
        bounded(stubborn, seconds=0.02)


@pytest.mark.timeout(120)
def test_long_numbers_are_none_without_pythons_limit() -> None:
    digits = "9" * 3_000_000
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        assert json_in(f"[{digits}]") is NO_JSON
        assert (
            read_spoken(f"<function=a><parameter=x>{digits}</parameter></function>").calls[0].arguments["x"] == digits
        )
        assert "not valid JSON" in read_spoken(f'{{"tool": "a", "arguments": "{{\\"x\\": {digits}}}"}}').undecodable
        assert key_of(Reply(text=digits)) == f"text {digits}"
    finally:
        sys.set_int_max_str_digits(limit)


@pytest.mark.parametrize("text", ["f(x=" + "-" * 2_000 + "1)", "f" + ".f" * 2_000 + "(x=1)"])
def test_deep_python_is_words(text: str) -> None:
    assert read_spoken(text).calls == ()


@pytest.mark.parametrize("depth", range(100, 1_000, 100))
def test_deep_answers_have_votes(depth: int) -> None:
    assert key_of(Reply(text=f'{{"tool": "a", "arguments": {nested(depth)}}}'))


def test_rows_of_marks_stay_as_they_are() -> None:
    row = "a" + "\u0315" * 20 + "\u0323" * 20
    assert fold(f"e\u0301{row}e\u0301") == f"\u00e9{row}\u00e9"
    assert fold(fold(row)) == fold(row)
    assert fold("a" + "\u0315" * 10 + "\u0323" * 10) == "\u1ea1" + "\u0323" * 9 + "\u0315" * 10
