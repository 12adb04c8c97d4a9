"""Variants ask as they say, and read calls out of whatever a model writes."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_selfopt.bench.case import Case, Example
from pytest_selfopt.bench.grading.expect import NoCall
from pytest_selfopt.bench.tools import Message, Tool
from pytest_selfopt.errors import SpecError
from pytest_selfopt.specs.answer_schema import answer_schema
from pytest_selfopt.specs.request import ChatRequest, Sampling
from pytest_selfopt.specs.spec import Spec
from pytest_selfopt.specs.variants import VARIANTS, build_request, read_json_answer, variant_named
from pytest_selfopt.trial import Reply, ToolCall

TOOL = Tool(
    name="get_weather",
    description="Get the weather.",
    parameters={
        "type": "object",
        "properties": {"city": {"type": "string"}, "unit": {"type": "string", "enum": ["C", "F"]}},
        "required": ["city"],
    },
)
CASE = Case(
    id="a",
    messages=(Message(role="system", content="Be kind."), Message(role="user", content="Weather in Paris?")),
    tools=(TOOL,),
    expect=NoCall(),
)
EXAMPLES = (
    Example(
        messages=(Message(role="user", content="Weather in Oslo?"),),
        tools=(TOOL,),
        answer=(ToolCall(name="get_weather", arguments={"city": "Oslo"}),),
    ),
    Example(messages=(Message(role="user", content="Hello!"),), tools=(TOOL,), answer="Hello."),
)


def asked(variant: str, **change: Any) -> ChatRequest:
    return build_request(CASE, EXAMPLES, Spec(model="m", phase="atomic", variant=variant, **change), VARIANTS[variant])


def test_native_only_offers_the_tools() -> None:
    request = asked("native_api")
    assert request.messages == CASE.messages
    assert request.tools == (TOOL.to_json(),)
    assert request.answer_schema is None


def test_atomic_describes_tools_and_keeps_case_instructions() -> None:
    request = asked("atomic")
    system, user = request.messages
    assert system.content.startswith("Be kind.")
    assert '- get_weather(city: string, unit?: "C" | "F"): Get the weather.' in system.content
    assert user.content == "Weather in Paris?"
    assert (request.tools, request.answer_schema) == ((), None)


def test_each_variant_adds_one_thing() -> None:
    atomic, schema, few_shot = asked("atomic"), asked("schema"), asked("few_shot")
    assert schema.messages == atomic.messages
    assert schema.answer_schema == few_shot.answer_schema == answer_schema((TOOL,))
    assert (few_shot.messages[0], few_shot.messages[-1]) == atomic.messages
    assert [message.role for message in few_shot.messages[1:-1]] == ["user", "assistant"] * 2
    assert json.loads(few_shot.messages[2].content) == {"tool": "get_weather", "arguments": {"city": "Oslo"}}
    assert json.loads(few_shot.messages[4].content) == {"reply": "Hello."}


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_case_without_tools_stays_unchanged(variant: str) -> None:
    case = Case(id="a", messages=(Message(role="user", content="Why?"),), expect=NoCall())
    request = build_request(case, (), Spec(model="m", phase="atomic", variant=variant), VARIANTS[variant])
    assert request.messages == case.messages
    assert (request.tools, request.answer_schema) == ((), None)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_spec_sets_sampling_and_isolation(variant: str) -> None:
    drawn = Sampling(temperature=0.5, max_tokens=9)
    request = asked(variant, sampling=drawn, isolated=True)
    assert (request.sampling, request.fresh) == (drawn, True)


def test_an_unknown_variant_is_refused() -> None:
    with pytest.raises(SpecError, match="unknown variant 'telepathy'; available: native_api"):
        variant_named("telepathy", {})


def test_worked_examples_satisfy_their_schema() -> None:
    request = asked("few_shot")
    for message in request.messages:
        if message.role == "assistant":
            jsonschema.validate(json.loads(message.content), answer_schema((TOOL,)))


@pytest.mark.parametrize(
    "text",
    [
        '{"tool": "f", "arguments": {"x": 1}}',
        'Sure! {"tool": "f", "arguments": {"x": 1}} there you go',
        '```json\n{"tool": "f",\n "arguments": {"x": 1}}\n```',
        '[{"tool": "f", "arguments": {"x": 1}}]',
    ],
)
def test_a_call_is_found_anywhere(text: str) -> None:
    assert read_json_answer(Reply(text=text)).tool_calls == (ToolCall(name="f", arguments={"x": 1}),)


def test_several_calls_keep_their_order() -> None:
    reply = read_json_answer(Reply(text='[{"tool": "f"}, {"tool": "g", "arguments": {}}]'))
    assert [call.name for call in reply.tool_calls] == ["f", "g"]


@pytest.mark.parametrize(
    "text", ["Hello.", "", "{}", '{"tool": null}', "a set {1, 2}", "code: { return; }", '{"reply": "Hello."}', "[1]"]
)
def test_plain_words_call_nothing(text: str) -> None:
    reply = read_json_answer(Reply(text=text))
    assert (reply.tool_calls, reply.undecodable) == ((), "")


def test_a_json_reply_reads_as_text() -> None:
    assert read_json_answer(Reply(text='{"reply": "Hello."}')).text == "Hello."


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (Reply(text='{"tool": "f", "argum', finish_reason="length"), "it was cut off at the token limit"),
        (Reply(text='{"tool": f}'), "is not valid JSON"),
        (Reply(text='{"tool": 3}'), "its tool is not a name"),
        (Reply(text='{"tool": "f", "arguments": [1]}'), "has arguments that are not an object"),
    ],
)
def test_a_malformed_call_says_why(reply: Reply, why: str) -> None:
    read = read_json_answer(reply)
    assert read.tool_calls == ()
    assert why in read.undecodable


@given(st.text() | st.text(alphabet='{}[]":,tol \n1'))
def test_no_text_breaks_the_reader(text: str) -> None:
    read = read_json_answer(Reply(text=text))
    assert not (read.tool_calls and read.undecodable)


NAMES = st.text(min_size=1, max_size=8)
ARGUMENTS = st.dictionaries(NAMES, st.none() | st.booleans() | st.integers() | st.text(max_size=8), max_size=3)


@given(NAMES, ARGUMENTS, st.sampled_from(["", "I will. ", "\n"]), st.sampled_from(["", " Done.", "}"]))
def test_every_written_call_reads_back(name: str, arguments: dict[str, Any], before: str, after: str) -> None:
    text = before + json.dumps({"tool": name, "arguments": arguments}) + after
    assert read_json_answer(Reply(text=text)).tool_calls == (ToolCall(name=name, arguments=arguments),)
