"""How a swarm answers one question, without asking anybody."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_selfopt.bench.tools import Message
from pytest_selfopt.runners.runner import Call
from pytest_selfopt.specs.request import ChatRequest
from pytest_selfopt.swarm.execution_state import SwarmExecution
from pytest_selfopt.swarm.pattern import parse_pattern
from pytest_selfopt.swarm.swarm import Swarm, parse_swarm_name, swarm_name
from pytest_selfopt.swarm.voting import vote
from pytest_selfopt.trial import CallError, CallResult, ErrorKind, Reply, ToolCall

MEMBERS = tuple("abcdefgh")
LONG = "It is a long story about many things that nobody ever tells in {} words."
Say = Callable[[Call], Reply | CallError]


def swarm(code: str, members: tuple[str, ...] = MEMBERS) -> Swarm:
    return Swarm(id=f"swarm{code}@t", topology=parse_pattern(code), members=members, judge="j")


def called(name: str, **arguments: object) -> Reply:
    return Reply(tool_calls=(ToolCall(name=name, arguments=dict(arguments)),), tokens_in=10, tokens_out=2)  # type: ignore[arg-type]


def answered(course: SwarmExecution, say: Say) -> tuple[CallResult, list[Call]]:
    """The end of a course, and all that was asked on the way; each answer takes a second."""
    asked: list[Call] = []
    waiting = list(course.begin())
    while waiting:
        call = waiting.pop(0)
        asked.append(call)
        said, at = say(call), float(len(asked))
        result = CallResult(
            reply=said if isinstance(said, Reply) else None,
            error=said if isinstance(said, CallError) else None,
            started=at,
            ended=at + 1,
        )
        following = course.take(call.id, result)
        if isinstance(following, CallResult):
            assert not waiting
            return following, asked
        waiting += following or []
    raise AssertionError("the course has no end")


def course_of(code: str, members: tuple[str, ...] = MEMBERS) -> SwarmExecution:
    request = ChatRequest(messages=(Message(role="user", content="Which?"),))
    return SwarmExecution(Call(id="call", model=f"swarm{code}@t", request=request, lane="lane"), swarm(code, members))


def test_eight_answers_are_settled_by_vote() -> None:
    course = course_of(":10")
    right, wrong = called("find", city="Paris", day=3), called("find", city="London", day=3)
    said = {"a": wrong, "b": right, "c": called("find", day=3.0, city=" paris "), "d": wrong, "e": right}
    result, asked = answered(course, lambda call: said.get(call.model, Reply(text="No.", tokens_in=1, tokens_out=1)))
    assert [call.model for call in asked] == list(MEMBERS)
    assert result.reply is not None
    assert result.reply.tool_calls == right.tool_calls
    assert (result.reply.tokens_in, result.reply.tokens_out) == (53, 13)
    counted = course.parts[-1].vote
    assert counted is not None
    assert (counted.voices, counted.voters, course.parts[-1].result.attempts) == (3, 8, 0)
    assert (result.started, result.ended, result.attempts) == (1.0, 9.0, 8)


def test_a_model_judges_free_texts_that_disagree() -> None:
    course = course_of(":10")
    result, asked = answered(
        course, lambda call: Reply(text="The judge's word." if call.model == "j" else LONG.format(call.model))
    )
    assert [call.model for call in asked] == [*MEMBERS, "j"]
    seen = asked[-1].request.messages[-1].content
    assert seen.startswith("Which?\n\n")
    assert all(f"in {name} words." in seen for name in MEMBERS)
    assert result.reply is not None
    assert result.reply.text == "The judge's word."


def test_eight_answers_build_on_one() -> None:
    course = course_of(":01")
    result, asked = answered(course, lambda call: Reply(text="four" if call.model in "abcef" else "five"))
    assert [call.model for call in asked] == ["a", *MEMBERS]
    assert all("four" in call.request.messages[-1].content for call in asked[1:])
    assert result.reply is not None
    assert result.reply.text == "four"


def test_a_double_diamond_builds_on_the_vote() -> None:
    course = course_of(":1010")
    result, asked = answered(course, lambda _: Reply(text="blue"))
    assert len(asked) == 16
    assert [part.stage for part in course.parts] == [0] * 8 + [1] + [2] * 8 + [3]
    assert result.reply is not None
    assert result.reply.served_model == ":1010 of a, b, c, d, e, f, g, h, judged by j"


def test_missing_answers_have_no_vote() -> None:
    down = CallError(kind=ErrorKind.SERVER, message="HTTP status 500")
    result, _ = answered(course_of(":10"), lambda call: down if call.model in "abcdefg" else Reply(text="yes"))
    assert result.reply is not None
    assert result.reply.text == "yes"
    result, asked = answered(course_of(":10"), lambda _: down)
    assert len(asked) == 8
    assert result.error == CallError(
        kind=ErrorKind.SERVER, message="none of 8 models answered; first error: HTTP status 500", status=None
    )


def test_a_cancelled_call_makes_the_answer_repeatable() -> None:
    cancelled = CallError(kind=ErrorKind.CANCELLED, message="the budget is used up")
    result, _ = answered(course_of(":10"), lambda call: cancelled if call.model == "c" else Reply(text="yes"))
    assert result.cancelled


def test_a_spent_quota_tells_why_calls_were_cancelled() -> None:
    spent = CallError(kind=ErrorKind.QUOTA, message="no credit is left")
    cancelled = CallError(kind=ErrorKind.CANCELLED, message="no credit is left")
    result, _ = answered(course_of(":10"), lambda call: spent if call.model == "c" else cancelled)
    assert result.error == spent


@given(
    st.lists(st.sampled_from("012"), min_size=1, max_size=4).map("".join),
    st.integers(1, 10),
    st.lists(st.sampled_from(["x", "y", LONG, None]), min_size=1),
)
def test_every_course_ends_within_its_topology(digits: str, members: int, said: list[str | None]) -> None:
    course = course_of(f":{digits}", tuple(f"m{number}" for number in range(members)))
    turns = iter(range(10**6))

    def say(call: Call) -> Reply | CallError:
        text = said[next(turns) % len(said)]
        return CallError(kind=ErrorKind.SERVER, message="down") if text is None else Reply(text=text.format(call.id))

    result, asked = answered(course, say)
    assert len({call.id for call in asked}) == len(asked) <= course.swarm.topology.calls
    assert (result.reply is None) == (result.error is not None)
    assert result.attempts == len(asked)


@pytest.mark.parametrize(
    ("texts", "winner", "voices", "how"),
    [
        (["Yes.", "no", "YES"], 0, 2, "counted"),
        (['{"tool": "a", "arguments": {}}', 'Sure: {"arguments": {}, "tool": "a"}', "no"], 0, 2, "counted"),
        (["4", "4.0", "5"], 0, 2, "counted"),
        (["red", "blue", "green"], 0, 1, "counted"),
        ([LONG.format(1), LONG.format(2)], 0, 1, "judged"),
        ([LONG.format(1)], 0, 1, "counted"),
    ],
)
def test_what_counts_as_the_same_answer(texts: list[str], winner: int, voices: int, how: str) -> None:
    counted = vote([Reply(text=text) for text in texts])
    assert counted is not None
    assert (counted.winner, counted.voices, counted.free) == (winner, voices, how == "judged")


@given(st.permutations(["a", "a", "a", "b", "b", "c"]))
def test_answer_order_changes_no_majority(texts: list[str]) -> None:
    counted = vote([Reply(text=text) for text in texts])
    assert counted is not None
    assert texts[counted.winner] == "a"


def test_a_name_reads_back() -> None:
    assert parse_swarm_name("swarm:1010@best8") == (parse_pattern(":1010"), "best8")
    assert swarm_name(parse_pattern(":1010"), "best8") == "swarm:1010@best8"
    assert parse_swarm_name("openrouter/a") is None
    assert json.dumps(swarm(":10").served_as)
