"""Conversations: the model, the world and the user in turns; what is sent in each format, and how it is judged."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from pytest_selfopt.bench.case import Case
from pytest_selfopt.bench.environment import Environment, tool
from pytest_selfopt.bench.loading.entries import EntryReader
from pytest_selfopt.bench.loading.entry import Entry, Problems
from pytest_selfopt.models.anthropic import AnthropicWire
from pytest_selfopt.models.config import ModelConfig, ProviderConfig
from pytest_selfopt.models.ollama import OllamaWire
from pytest_selfopt.models.openai import OpenAIWire
from pytest_selfopt.runners.conversation import Dialogue, converse
from pytest_selfopt.specs.request import ChatRequest
from pytest_selfopt.specs.spec import Spec
from pytest_selfopt.specs.variants import VARIANTS
from pytest_selfopt.trial import CallError, ErrorKind, Reply, ToolCall
from pytest_selfopt.trial_json import reply_from_json, reply_to_json

NOTES = "pytest_selfopt.bench.worlds:Notes"
MODEL = ModelConfig(id="m", provider=ProviderConfig(name="p", wire="openai", base_url="http://h/v1"), name="m")
START = {"notes": {"list": "milk"}}


def case(**fields: Any) -> Case:
    """A case as a suite file has it."""
    problems = Problems("talk.jsonl")
    reader = EntryReader("talk", problems)
    value = {"id": "one", "environment": NOTES, "start": START, "turns": ["Add bread to my list."], **fields}
    reader.read([Entry("case", {"expect": {"state": {}}, **value}, 1)])
    assert not problems.sentences, problems.text()
    return reader.cases[0]


def refused(**fields: Any) -> str:
    problems = Problems("talk.jsonl")
    value = {"id": "one", "environment": NOTES, "start": START, "turns": ["Hello."], "expect": {"state": {}}, **fields}
    EntryReader("talk", problems).read([Entry("case", {name: one for name, one in value.items() if one != ...}, 1)])
    return problems.text()


def says(text: str = "Done.") -> Reply:
    return Reply(text=text, tokens_in=10, tokens_out=2, latency_s=0.5, served_model="m-1")


def calls(name: str, **arguments: Any) -> Reply:
    return replace(says(""), tool_calls=(ToolCall(name=name, arguments=arguments),))


def talk(
    asked: Case, *answers: Reply | CallError, variant: str = "native_api"
) -> tuple[Reply | CallError, list[ChatRequest]]:
    requests: list[ChatRequest] = []
    coming = iter(answers)

    def ask(request: ChatRequest) -> Reply | CallError:
        requests.append(request)
        return next(coming)

    spec = Spec(model="m", phase="extended", variant=variant)
    return converse(Dialogue(case=asked, examples=(), spec=spec, variant=VARIANTS[variant]), ask), requests


def had(asked: Case, *answers: Reply | CallError) -> Reply:
    reply, _ = talk(asked, *answers)
    assert isinstance(reply, Reply)
    return reply


ADD = calls("append_to_note", title="list", text="bread")


def test_a_conversation_continues_until_answered() -> None:
    asked = case(turns=["Add bread to my list.", "What is on it?"])
    reply, requests = talk(asked, ADD, says(), calls("read_note", title="list"), says("Milk and bread."))
    assert isinstance(reply, Reply)
    assert reply.conversation is not None
    assert [step.turn for step in reply.conversation.steps] == [1, 1, 2, 2]
    assert reply.conversation.steps[2].results == ('"milk\\nbread"',)
    assert reply.conversation.state["notes"] == {"list": {"labels": [], "text": "milk\nbread"}}
    assert (reply.text, reply.tokens_in, reply.tokens_out, reply.latency_s) == ("Milk and bread.", 40, 8, 2.0)
    assert [call.name for call in reply.tool_calls] == ["append_to_note", "read_note"]
    assert [message.role for message in requests[-1].messages] == [
        *("user", "assistant", "tool", "assistant"),
        *("user", "assistant", "tool"),
    ]
    assert reply_from_json(json.loads(json.dumps(reply_to_json(reply)))) == reply


def test_the_model_learns_of_a_failed_call() -> None:
    reply, requests = talk(case(), calls("append_to_note", title="lost", text="bread"), ADD, says())
    assert isinstance(reply, Reply)
    assert requests[1].messages[-1].content == "error: there is no note 'lost'"
    assert reply.conversation is not None
    assert reply.conversation.steps[0].results == ("error: there is no note 'lost'",)


def test_a_turns_steps_are_limited() -> None:
    asked = case(steps=2, turns=["Go.", "On."])
    reply = had(asked, ADD, ADD)
    assert reply.conversation is not None
    assert reply.conversation.unfinished == 1
    assert asked.judge(reply).reason == "turn 1 did not finish within its steps"


def test_a_failed_call_ends_the_conversation() -> None:
    error = CallError(kind=ErrorKind.TIMEOUT, message="late")
    assert talk(case(), ADD, error)[0] == error


def test_earlier_steps_of_a_failed_conversation_are_billed() -> None:
    error, _ = talk(case(), ADD, CallError(kind=ErrorKind.SERVER, message="down"))
    assert isinstance(error, CallError)
    assert error.reply is not None
    assert (error.kind, error.reply.tokens_in, error.reply.tokens_out) == (ErrorKind.SERVER, 10, 2)


def test_a_copied_answer_is_not_billed() -> None:
    reply = had(case(), replace(ADD, copied="header x-cache: HIT", provider_id="one"), replace(says(), provider_id="b"))
    assert (reply.copied, reply.tokens_in, reply.tokens_out) == ("header x-cache: HIT", 10, 2)
    assert reply.conversation is not None
    assert [step.id for step in reply.conversation.steps] == ["one", "b"]
    assert had(case(), replace(says(), copied="x")).cost_usd == 0


CALL = {"name": "append_to_note", "arguments": '{"title": "list", "text": "bread"}'}
OPENAI_MESSAGE = {
    "role": "assistant",
    "content": None,
    "reasoning_content": "They want bread.",
    "tool_calls": [
        {
            "id": "fc_7",
            "type": "function",
            "function": CALL,
            "extra_content": {"google": {"thought_signature": "c2ln"}},
        }
    ],
}
ANTHROPIC_BLOCKS = [
    {"type": "thinking", "thinking": "They want bread.", "signature": "c2ln"},
    {"type": "tool_use", "id": "toolu_7", "name": CALL["name"], "input": {"title": "list", "text": "bread"}},
]
OLLAMA_MESSAGE = {
    "role": "assistant",
    "content": "",
    "thinking": "They want bread.",
    "tool_calls": [{"function": {"name": CALL["name"], "arguments": {"title": "list", "text": "bread"}}}],
}


def test_openai_messages_go_back_unchanged() -> None:
    came = OpenAIWire().reply({"choices": [{"message": OPENAI_MESSAGE, "finish_reason": "tool_calls"}]}, 1.0)
    _, requests = talk(case(), came, says())
    messages: Any = OpenAIWire().body(MODEL, requests[1])["messages"]
    assert messages[1] == OPENAI_MESSAGE
    assert messages[2]["tool_call_id"] == "fc_7"


def test_anthropic_thoughts_go_back_signed() -> None:
    came = AnthropicWire().reply({"content": ANTHROPIC_BLOCKS, "stop_reason": "tool_use"}, 1.0)
    _, requests = talk(case(), came, says())
    messages: Any = AnthropicWire().body(MODEL, requests[1])["messages"]
    assert messages[1] == {"role": "assistant", "content": ANTHROPIC_BLOCKS}
    assert messages[2]["content"][0]["tool_use_id"] == "toolu_7"


def test_ollama_messages_go_back_unchanged() -> None:
    came = OllamaWire().reply({"done": True, "message": OLLAMA_MESSAGE}, 1.0)
    _, requests = talk(case(), came, says())
    messages: Any = OllamaWire().body(MODEL, requests[1])["messages"]
    assert messages[1] == OLLAMA_MESSAGE


def test_another_wire_gets_its_own_form() -> None:
    came = OpenAIWire().reply({"choices": [{"message": OPENAI_MESSAGE, "finish_reason": "tool_calls"}]}, 1.0)
    _, requests = talk(case(), came, says())
    messages: Any = AnthropicWire().body(MODEL, requests[1])["messages"]
    assert [block["type"] for block in messages[1]["content"]] == ["tool_use"]


class Faulty(Environment):
    """An environment with a fault, as a project may have one."""

    @tool
    def append_to_note(self, title: str, text: str) -> str:
        """Append a text to a note."""
        return f"{title}{text}" * (1 // 0)


def test_an_environment_error_is_the_benchmarks_fault() -> None:
    answer, _ = talk(case(environment=f"{__name__}:Faulty"), ADD)
    assert isinstance(answer, CallError)
    assert (answer.kind, answer.message) == (
        ErrorKind.TEST,
        "append_to_note of Faulty: ZeroDivisionError: integer division or modulo by zero",
    )


def test_without_tool_fields_calls_are_text() -> None:
    said = says('{"tool": "append_to_note", "arguments": {"title": "list", "text": "bread"}}')
    reply, requests = talk(case(), said, says('{"reply": "Done."}'), variant="atomic")
    assert isinstance(reply, Reply)
    assert reply.conversation is not None
    assert reply.conversation.steps[0].results == ("\"added to 'list'\"",)
    assert [(message.role, message.content) for message in requests[1].messages[1:]] == [
        ("user", "Add bread to my list."),
        ("assistant", '{"tool": "append_to_note", "arguments": {"title": "list", "text": "bread"}}'),
        ("user", "Result of append_to_note: \"added to 'list'\""),
    ]
    assert requests[1].tools == ()


def test_all_calls_of_a_text_are_carried_out() -> None:
    first = '{"tool": "append_to_note", "arguments": {"title": "list", "text": "bread"}}'
    said = says(f"{first}\n{first.replace('bread', 'milk')}")
    reply, requests = talk(case(), said, says('{"reply": "Done."}'), variant="atomic")
    assert isinstance(reply, Reply)
    assert reply.conversation is not None
    assert [call.arguments["text"] for call in reply.conversation.steps[0].calls] == ["bread", "milk"]
    assert json.loads(requests[1].messages[2].content)[1]["arguments"]["text"] == "milk"
    assert requests[1].messages[3].content.count("Result of append_to_note") == 2


def test_each_format_carries_calls_and_results() -> None:
    two = replace(says("I look."), tool_calls=(*calls("list_notes").tool_calls, *ADD.tool_calls))
    _, requests = talk(case(), two, says())
    messages = OpenAIWire().body(MODEL, requests[1])["messages"]
    assert messages == [
        {"role": "user", "content": "Add bread to my list."},
        {
            "role": "assistant",
            "content": "I look.",
            "tool_calls": [
                {"id": "call00100", "type": "function", "function": {"name": "list_notes", "arguments": "{}"}},
                {
                    "id": "call00101",
                    "type": "function",
                    "function": {"name": "append_to_note", "arguments": '{"title": "list", "text": "bread"}'},
                },
            ],
        },
        {"role": "tool", "content": '["list"]', "tool_call_id": "call00100"},
        {"role": "tool", "content": "\"added to 'list'\"", "tool_call_id": "call00101"},
    ]
    messages = OllamaWire().body(MODEL, requests[1])["messages"]
    assert isinstance(messages, list)
    assert messages[2:] == [
        {"role": "tool", "content": '["list"]', "tool_name": "list_notes"},
        {"role": "tool", "content": "\"added to 'list'\"", "tool_name": "append_to_note"},
    ]
    messages = AnthropicWire().body(MODEL, requests[1])["messages"]
    assert messages == [
        {"role": "user", "content": "Add bread to my list."},
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "I look."},
                {"type": "tool_use", "id": "call00100", "name": "list_notes", "input": {}},
                {
                    "type": "tool_use",
                    "id": "call00101",
                    "name": "append_to_note",
                    "input": {"title": "list", "text": "bread"},
                },
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "call00100", "content": '["list"]'},
                {"type": "tool_result", "tool_use_id": "call00101", "content": "\"added to 'list'\""},
            ],
        },
    ]


REFERENCE = [{"name": "append_to_note", "arguments": {"title": "list", "text": "bread"}}]
LIST = {"name": "list_notes", "arguments": {"label": ""}}
READ = {"name": "read_note", "arguments": {"title": "list"}}


@pytest.mark.parametrize(
    ("expect", "answers", "reason"),
    [
        ({"reference": REFERENCE}, [ADD, says()], ""),
        ({"reference": REFERENCE}, [says()], "notes.list.text is 'milk', expected 'milk\\nbread'"),
        ({"reference": REFERENCE}, [calls("write_note", title="bread", text=""), ADD, says()], "notes.bread is "),
        ({"state": {"notes": {"list": {"text": "milk", "labels": []}}}}, [says()], ""),
        ({"calls": [READ]}, [calls("read_note", title="list"), says()], ""),
        ({"calls": [READ]}, [calls("read_note", title="none"), says()], 'expected read_note(title="list")'),
        ({"calls": [READ]}, [says()], "it was not made"),
        ({"calls": [READ, LIST]}, [calls("list_notes"), calls("read_note", title="list"), says()], ""),
        (
            {"calls": [READ, LIST], "in_order": True},
            [calls("list_notes"), calls("read_note", title="list"), says()],
            "at its place in the order",
        ),
        ({"calls": [READ, READ]}, [calls("read_note", title="list"), says()], "it was not made"),
        ({"by_turn": [REFERENCE]}, [calls("list_notes"), ADD, says()], ""),
        ({"by_turn": [REFERENCE]}, [says()], "expected a tool call in turn 1, but none was made"),
        ({"by_turn": [REFERENCE]}, [ADD, ADD, says()], "not as expected after turn 1: notes.list.text is"),
        (
            {"by_turn": [[READ]]},
            [calls("list_notes"), says()],
            "did not obtain the result of read_note(title='list')",
        ),
        ({"by_turn": [[READ, READ]]}, [calls("read_note", title="list"), says()], "did not obtain the result"),
        ({"by_turn": [[]]}, [says()], ""),
        ({"forbidden": ["delete_note"]}, [calls("delete_note", title="no"), says()], "must not be called"),
        ({"no_call_in": [1]}, [says("Which list?")], ""),
        ({"no_call_in": [1]}, [ADD, says()], "expected no tool call in turn 1, got append_to_note"),
    ],
)
def test_a_conversation_is_judged_by_end_and_course(expect: dict[str, Any], answers: list[Reply], reason: str) -> None:
    asked = case(expect=expect)
    judgement = asked.judge(had(asked, *answers))
    assert judgement.passed is (reason == "")
    assert reason.replace('"', "'") in judgement.reason.replace('"', "'")
    again = Case.from_json(json.loads(json.dumps(asked.to_json())))
    assert again.judge(had(again, *answers)) == judgement
    assert again.content_hash == asked.content_hash


def test_facts_carry_over_but_late_actions_do_not() -> None:
    read = calls("read_note", title="list")
    asked = case(turns=["What is on it?", "And now?"], expect={"by_turn": [[], [READ]]})
    assert asked.judge(had(asked, read, says(), calls("list_notes"), says())).passed
    asked = case(turns=["Add bread.", "Thanks."], expect={"by_turn": [REFERENCE, []]})
    late = asked.judge(had(asked, calls("list_notes"), says(), ADD, says()))
    assert "not as expected after turn 1" in late.reason


def test_restraint_is_a_turn_without_calls() -> None:
    asked = case(turns=["Add it.", "Bread, to my list."], expect={"reference": REFERENCE, "no_call_in": [1]})
    assert asked.restraint
    right = had(asked, says("What, and to which list?"), ADD, says())
    assert asked.judge(right).passed
    assert not asked.oversteps(right)
    hasty = had(asked, ADD, says(), says())
    assert not asked.judge(hasty).passed
    assert asked.oversteps(hasty)
    assert not case().restraint


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"environment": "notes"}, "environment: unknown 'notes'"),
        ({"environment": "nowhere_at_all:X"}, "cannot be imported"),
        ({"start": {"notes": [1]}}, "cannot start in"),
        ({"turns": []}, "needs 'turns'"),
        ({"turns": ["a", ""]}, "turns: expected a list of non-empty strings"),
        ({"steps": 0}, "steps: expected a number from 1 to 100"),
        ({"tools": ["delete"]}, "tools: the environment has no tool 'delete'; did you mean 'delete_note'?"),
        ({"expect": {}}, "expect: needs at least one of state, reference"),
        ({"expect": {"stat": {}}}, "expect: unknown field 'stat'; did you mean 'state'?"),
        ({"expect": {"state": {"note": {}}}}, "has no attribute 'note'; did you mean 'notes'?"),
        ({"expect": {"state": {}, "reference": []}}, "needs either 'state', or 'reference' calls"),
        ({"expect": {"reference": [{"name": "read_note", "arguments": {"title": "x"}}]}}, "cannot be carried out"),
        ({"expect": {"calls": [{"name": "fly", "arguments": {}}]}}, "'fly' is not one of the case's tools"),
        ({"expect": {"calls": [READ], "forbidden": ["read_note"]}}, "is both expected and forbidden"),
        ({"expect": {"no_call_in": [2]}}, "2 is not one of the turns 1 to 1"),
        ({"expect": {"by_turn": [[], []]}}, "expected the calls of each of the 1 turns, got 2 lists"),
        ({"expect": {"by_turn": [{}]}}, "expect.by_turn[0]: expected a list of calls, got {}"),
        ({"expect": {"by_turn": [[1]]}}, "expect.by_turn[0][0]: expected a call with name and arguments, got 1"),
        ({"environment": ...}, "turns: only a conversation has it; a conversation needs an 'environment'"),
    ],
)
def test_an_impossible_conversation_names_the_field(fields: dict[str, Any], complaint: str) -> None:
    text = refused(**fields)
    assert text.startswith("talk.jsonl:1: ")
    assert complaint in text
