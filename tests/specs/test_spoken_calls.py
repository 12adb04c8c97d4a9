"""Calls in words are all found, in the forms of models' templates, and nothing else is taken for one."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pytest_selfopt.bench.grading.expect import Calls, NoCall
from pytest_selfopt.bench.grading.tool_calls import ExpectedCall
from pytest_selfopt.specs.spoken_calls import read_spoken
from pytest_selfopt.specs.variants import VARIANTS, Variant, read_json_answer, read_reply
from pytest_selfopt.trial import Reply, ToolCall

A = ToolCall(name="a", arguments={"x": 1})
DELETE = ToolCall(name="delete_all", arguments={})
A_TEXT = '{"tool": "a", "arguments": {"x": 1}}'
DELETE_TEXT = '{"tool": "delete_all", "arguments": {}}'
NAMED_DELETE = '{"name": "delete_all", "arguments": {}}'
HERMES_DELETE = f"<tool_call>\n{NAMED_DELETE}\n</tool_call>"


def expected(*calls: ToolCall) -> Calls:
    wanted = [
        ExpectedCall(name=call.name, arguments={name: (value,) for name, value in call.arguments.items()})
        for call in calls
    ]
    return Calls(tuple(wanted))


def read(text: str, variant: str = "few_shot") -> Reply:
    return read_reply(Reply(text=text), VARIANTS[variant])


BOTH = [
    f"{A_TEXT}\n{DELETE_TEXT}",
    f"{A_TEXT}, {DELETE_TEXT}",
    f"{A_TEXT}; {DELETE_TEXT}",
    f"[{A_TEXT}, {DELETE_TEXT}]",
    f"[[{A_TEXT}], {DELETE_TEXT}]",
    f"```json\n{A_TEXT}\n```\nand\n```json\n{DELETE_TEXT}\n```",
    f"{A_TEXT}\nThen I will: {NAMED_DELETE}",
    f"{A_TEXT}\n{HERMES_DELETE}",
    f'{{"reply": "ok"}}\n{A_TEXT}\n{DELETE_TEXT}',
    f"{A_TEXT}\n```python\ndelete_all()\nf\n``` {DELETE_TEXT}",
]


@pytest.mark.parametrize("text", BOTH)
def test_two_calls_are_not_one(text: str) -> None:
    reply = read(text)
    one, both = expected(A).judge(reply), expected(A, DELETE).judge(reply)
    assert (one.passed, both.passed) == (False, True)
    assert "expected 1 call" in one.reason
    assert "got 2" in one.reason


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(
    "text",
    [
        f'{{"reply": "ok"}}\n{NAMED_DELETE}',
        f'{{"reply": "ok"}}\n{DELETE_TEXT}',
        f"It is done: {{1, 2}}\n{NAMED_DELETE}",
        f"Sure.\n{HERMES_DELETE}",
        HERMES_DELETE,
        "<|python_tag|>delete_all.call()<|eom_id|>",
        "<function=delete_all>{}</function>",
        "[TOOL_CALLS] [" + NAMED_DELETE + "]",
        "[TOOL_CALLS]delete_all{}",
        "[delete_all()]",
        '{"type": "function", "function": {"name": "delete_all"}}',
        '{"type": "tool_use", "id": "1", "name": "delete_all", "input": {}}',
        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>delete_all",
        "<|channel|>commentary to=functions.delete_all <|message|>{}",
        "<|python_start|>[delete_all()]<|python_end|>",
        "<|python_start|>delete_all()<|python_end|>\nDone.",
        "delete_all()<|eot_id|>",
        "```tool_code\ndelete_all()\n```",
        "```tool_code\nprint(delete_all())\n```",
        '{"content": null, "tool_calls": null, "function_call": {"name": "delete_all"}}',
    ],
)
def test_a_call_is_no_restraint(variant: str, text: str) -> None:
    assert not NoCall().judge(read(text, variant)).passed


def test_a_leaked_call_says_what_to_do() -> None:
    reply = read(f"Done. {NAMED_DELETE}", "native_api")
    assert (reply.tool_calls, reply.text) == ((), f"Done. {NAMED_DELETE}")
    assert "--tool-call-parser" in reply.undecodable


DRAFT = "{'tool': no}, perhaps " + DELETE_TEXT


@pytest.mark.parametrize(
    "text",
    [
        f"For x in {{1, 2}}: {A_TEXT}",
        f"function () {{ return [1; }} {A_TEXT}",
        f"{{{A_TEXT}}}",
        f'[see "a"] {A_TEXT}',
        f"<think>{DRAFT}</think>{A_TEXT}",
        f"{DRAFT}\n</think>\n\n{A_TEXT}",
        f"[THINK]{DRAFT}[/THINK]{A_TEXT}",
        f"Let me see.\n<thinking>\n{DRAFT}\n</thinking>\n{A_TEXT}",
        f"Hm, <think>{DRAFT}</think> {A_TEXT}",
        f"<think>one</think>\n<think>{DRAFT}</think>{A_TEXT}",
        f"{A_TEXT}\n<think>Or rather {DELETE_TEXT}",
        '{"tool": "a", "parameters": {"x": 1}}',
        '{"tool": "a", "arguments": "{\\"x\\": 1}"}',
        '{"name": "a", "parameters": {"x": 1}}',
        '{"function": {"name": "a", "arguments": "{\\"x\\": 1}"}}',
        '{"function": "a", "arguments": {"x": 1}}',
        '{"id": "1", "type": "function", "function": {"name": "a", "arguments": {"x": 1}}}',
        '{"tool_calls": [{"name": "a", "arguments": {"x": 1}}]}',
        '{"tool_name": "a", "parameters": {"x": 1}}',
        '<tool_call>{"name": "a", "arguments": {"x": 1}}',
        "<tool_call>\n<function=a>\n<parameter=x>\n1\n</parameter>\n</function>\n</tool_call>",
        '<function=a{"x": 1}</function>',
        '[TOOL_CALLS]a[CALL_ID]abc123xyz[ARGS]{"x": 1}',
        '[TOOL_CALLS]{"name": "a", "arguments": {"x": 1}}',
        "Sure:\n```python\n[a(x=1)]\n```",
        "```\na(x=1)\n```",
        "[a(x=1)]<|eot_id|>",
        "<|python_start|>[a(x=1)]<|python_end|><|eot|>",
        '{"function_call": {"name": "a", "arguments": "{\\"x\\": 1}"}}',
    ],
)
def test_a_right_call_is_found(text: str) -> None:
    assert read(text).tool_calls == (A,)


@pytest.mark.parametrize("arguments", ["null", '"null"', '""', "{}", '"{}"'])
@pytest.mark.parametrize("member", ["tool", "name"])
def test_no_arguments_are_an_empty_object(member: str, arguments: str) -> None:
    assert read(f'{{"{member}": "delete_all", "arguments": {arguments}}}').tool_calls == (DELETE,)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(
    "text",
    [
        '{"name": "Ann", "age": 3}',
        '{"name": "GPT-2", "parameters": 124000000}',
        '{"name": "a", "description": "A tool.", "parameters": {"type": "object"}}',
        '{"name": "Ann", "input": {"x": 1}}',
        '{"people": [{"name": "Ann", "arguments": {}}]}',
        '{"text": "{\\"tool\\": \\"a\\"} <tool_call>"}',
        "[1] [2], {1, 2} and {x: 1}",
        "Call print(x) or f(1).",
        '```python\nprint("hello")\n```',
        "```python\nmain()\n```",
        "The <think> tag opens thoughts.",
        'const person = { name: "Ann", "age": 3 };',
    ],
)
def test_words_are_no_calls(variant: str, text: str) -> None:
    reply = read(text, variant)
    assert (reply.tool_calls, reply.undecodable, reply.text) == ((), "", text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f'{A_TEXT}\n{{"tool": "b", "argu', "is not valid JSON"),
        ('Sure: {"name": "a", "arg', "is not valid JSON"),
        (f"[{A_TEXT}, ", "is not valid JSON"),
        ("{'tool': 'a', 'arguments': {}}", "is not valid JSON"),
        ('{tool: "a"}', "is not valid JSON"),
        ('{"name": "a", "arguments": [1]}', "has arguments that are not an object"),
        ('{"tool": "a", "arguments": {"x": NaN}}', "NaN or Infinity"),
        ('{"tool": "a", "arguments": "x=1"}', "has arguments that are not valid JSON"),
        (f"{A_TEXT}\n<tool_call>a\n<arg_key>x</arg_key>", "has no call behind <tool_call>"),
        ('<tool_call>{"x": 1}</tool_call>', "names no tool"),
        ("<function=a><parameter=x>1", "does not end"),
        ('[a(x="Par', "is no list of calls"),
        ("<|python_tag|>print(1 + 1)", "has no call behind <|python_tag|>"),
        ('{"tool": "a", "arguments": {"x": ' + "[" * 5000, "nested too deeply"),
        ('{"tool": "a", "arguments": {"x": ' + "9" * 5000, "too long a number"),
    ],
)
def test_a_broken_call_is_undecodable(text: str, why: str) -> None:
    reply = read_json_answer(Reply(text=text))
    assert reply.tool_calls == ()
    assert reply.undecodable.startswith("looks like a tool call but ")
    assert why in reply.undecodable


@pytest.mark.parametrize("variant", VARIANTS)
def test_thoughts_are_no_answer(variant: str) -> None:
    assert read("<think>41?</think>42", variant).text == "42"
    assert read("<think>41?</think> <thinking>43?</thinking>42", variant).text == "42"
    assert read("<think>I will not ca", variant).undecodable


def in_json(calls: Sequence[ToolCall]) -> str:
    return "\n".join(json.dumps({"tool": call.name, "arguments": call.arguments}) for call in calls)


def in_list(calls: Sequence[ToolCall]) -> str:
    return json.dumps([{"name": call.name, "parameters": call.arguments} for call in calls])


def in_openai(calls: Sequence[ToolCall]) -> str:
    functions = [{"name": call.name, "arguments": json.dumps(call.arguments)} for call in calls]
    return json.dumps({"tool_calls": [{"type": "function", "function": function} for function in functions]})


def in_fences(calls: Sequence[ToolCall]) -> str:
    return "\n".join(f"```json\n{in_json([call])}\n```" for call in calls)


def in_hermes(calls: Sequence[ToolCall]) -> str:
    bodies = [json.dumps({"name": call.name, "arguments": call.arguments}) for call in calls]
    return "\n".join(f"<tool_call>\n{body}\n</tool_call>" for body in bodies)


def in_llama(calls: Sequence[ToolCall]) -> str:
    bodies = [json.dumps({"name": call.name, "parameters": call.arguments}) for call in calls]
    return f"<|python_tag|>{'; '.join(bodies)}"


def in_functions(calls: Sequence[ToolCall]) -> str:
    return "".join(f"<function={call.name}>{json.dumps(call.arguments)}</function>" for call in calls)


def in_mistral(calls: Sequence[ToolCall]) -> str:
    return "[TOOL_CALLS]" + json.dumps([{"name": call.name, "arguments": call.arguments} for call in calls])


def in_tekken(calls: Sequence[ToolCall]) -> str:
    return "".join(f"[TOOL_CALLS]{call.name}[ARGS]{json.dumps(call.arguments)}" for call in calls)


def in_xml(calls: Sequence[ToolCall]) -> str:
    bodies = []
    for call in calls:
        members = "".join(
            f"<parameter={name}>\n{json.dumps(value)}\n</parameter>\n" for name, value in call.arguments.items()
        )
        bodies.append(f"<tool_call>\n<function={call.name}>\n{members}</function>\n</tool_call>")
    return "\n".join(bodies)


def in_python(calls: Sequence[ToolCall]) -> str:
    bodies = []
    for call in calls:
        members = ", ".join(f"{name}={value!r}" for name, value in call.arguments.items())
        bodies.append(f"{call.name}({members})")
    return f"```python\n[{', '.join(bodies)}]\n```"


FORMS = (
    in_json,
    in_list,
    in_openai,
    in_fences,
    in_hermes,
    in_llama,
    in_functions,
    in_mistral,
    in_tekken,
    in_xml,
    in_python,
)
NAMES = st.from_regex(r"[a-z][a-z_]{2,8}", fullmatch=True).map(lambda name: f"{name}_x")
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(alphabet="az <>{}[]():,;='\"\\`\n\té/", max_size=12) | st.sampled_from(
    ["</think>", "<tool_call>", "[TOOL_CALLS]"]
)
VALUES = st.recursive(
    SCALARS | TEXTS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2), max_leaves=4
)
SPOKEN = st.builds(ToolCall, name=NAMES, arguments=st.dictionaries(NAMES, VALUES, max_size=3))
PROSE = st.text(alphabet="ab {}.,:;'()1\n", max_size=30)


@given(st.lists(SPOKEN, min_size=1, max_size=3), st.sampled_from(FORMS), PROSE, PROSE)
def test_written_calls_are_read_back(
    calls: list[ToolCall], form: Callable[[Sequence[ToolCall]], str], before: str, after: str
) -> None:
    written = form(calls)
    if form in (in_xml, in_python):
        # Only JSON objects keep a mark from being one.
        assume("</think>" not in written and written.count("```") in (0, 2))
    spoken = read_spoken(f"{before}\n{written}\n{after}")
    if form is in_python and len(calls) == 1 and not calls[0].arguments:
        assert (spoken.calls, spoken.undecodable) == ((), "")
    else:
        assert (spoken.calls, spoken.undecodable) == (tuple(calls), "")


FRAGMENTS = (
    *(
        "{",
        "}",
        "[",
        "]",
        "(",
        ")",
        '"',
        "'",
        "\\",
        ",",
        ":",
        ";",
        "\n",
        " ",
        "=",
        "a",
        "1",
        "-",
        "null",
        "NaN",
        "```",
        "```json\n",
    ),
    *(
        '{"tool": "a"',
        '"arguments": {}',
        '{"name": "a"',
        '"parameters": ',
        "{'tool'",
        '{"reply": "x"}',
        "[a(x=1)]",
        "a(x=",
    ),
    *(
        "<tool_call>",
        "</tool_call>",
        "<|python_tag|>",
        "<function=",
        "<function=a>",
        "</function>",
        "<parameter=x>",
        "</parameter>",
    ),
    *(
        "[TOOL_CALLS]",
        "[ARGS]",
        "[CALL_ID]",
        "<think>",
        "</think>",
        "[THINK]",
        "<|channel|>",
        "to=functions.",
        "<｜tool",
        "\ud800",
        "\x00",
    ),
)


@given(st.text() | st.lists(st.sampled_from(FRAGMENTS), max_size=30).map("".join))
def test_no_text_breaks_the_reading(text: str) -> None:
    for variant in VARIANTS.values():
        reply = variant.read(Reply(text=text))
        assert not (reply.tool_calls and reply.undecodable)
        json.dumps([call.arguments for call in reply.tool_calls], allow_nan=False)


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)
def test_without_tools_json_is_words(variant: Variant) -> None:
    text = '{"name": "llama", "parameters": {"billions": 7}}'
    reply = read_reply(Reply(text=f"<think>JSON?</think>{text}"), variant, has_tools=False)
    assert (reply.text, reply.tool_calls, reply.undecodable) == (text, (), "")
