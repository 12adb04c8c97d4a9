"""Variants: how a case is put to a model, and how its tool calls are read from the answer.

`native_api` uses the provider's own tool-calling fields. The others put everything into the prompt and ask for one
JSON object, each adding one thing to the one before: `atomic` describes the tools, `schema` also constrains the
answer to that form, `few_shot` also shows worked examples.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from pytest_selfopt.bench.call_format import show
from pytest_selfopt.bench.case import Case, Example
from pytest_selfopt.bench.tools import Message, Tool
from pytest_selfopt.errors import SpecError
from pytest_selfopt.import_string import imported
from pytest_selfopt.specs.request import ChatRequest
from pytest_selfopt.specs.spec import Spec
from pytest_selfopt.trial import Json, Reply, ToolCall

INSTRUCTION = 'Answer with one JSON object: {"tool": NAME, "arguments": {...}}, or {"reply": TEXT} when no tool fits.'

TOLD_RESULT = "Result of "
"""What a message begins with that tells what a tool gave, where there are no fields for that."""

MAX_REPLY_CHARACTERS = 120
"""Bound of a constrained plain reply, so that one sentence fits into the usual token limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One manner of asking.

    `build` makes the request from the case, the suite's worked examples and the spec; `read` finds the tool calls
    in a reply to it.
    """

    name: str
    build: Callable[[Case, Sequence[Example], Spec], ChatRequest]
    read: Callable[[Reply], Reply]
    needs_examples: bool = False


def variant_named(name: str, own: Mapping[str, str]) -> Variant:
    """The variant of that name: a built-in one, or one of a project's `own`, each named as "module:NAME".

    Raises:
        SpecError: when there is none, or it cannot be imported.
    """
    if name in VARIANTS:
        return VARIANTS[name]
    if name not in own:
        raise SpecError(f"unknown variant {name!r}; known are {', '.join((*VARIANTS, *own))}")
    try:
        found = imported(own[name])
    except ValueError as problem:
        raise SpecError(f"variant {name}: {problem}") from None
    if not isinstance(found, Variant) or found.name != name:
        raise SpecError(f"variant {name}: {own[name]!r} is no pytest_selfopt.Variant of that name")
    return found


def build_request(case: Case, examples: Sequence[Example], spec: Spec, variant: Variant) -> ChatRequest:
    """The request that asks `case` with all that `spec` says, in the manner of its variant.

    Raises:
        SpecError: when the variant, which may be somebody else's code, cannot make one.
    """
    try:
        request = variant.build(case, examples, spec)
        return replace(request, sampling=spec.sampling, fresh=spec.isolated)
    except Exception as problem:
        raise SpecError(f"variant {variant.name} cannot ask {case.key}: {_said(problem)}") from problem


def read_reply(reply: Reply, variant: Variant) -> Reply:
    """The reply with the tool calls that the variant finds in it.

    Raises:
        SpecError: when the variant, which may be somebody else's code, cannot read it.
    """
    try:
        return replace(variant.read(reply))
    except Exception as problem:
        raise SpecError(f"variant {variant.name} cannot read {show(reply.text)}: {_said(problem)}") from problem


def _said(problem: Exception) -> str:
    return f"{type(problem).__name__}: {problem}"


def _ask_natively(case: Case, _examples: Sequence[Example], _spec: Spec) -> ChatRequest:
    return ChatRequest(messages=case.messages, tools=tuple(tool.to_json() for tool in case.tools))


def _ask_in_text(case: Case, _examples: Sequence[Example], _spec: Spec) -> ChatRequest:
    if not case.tools:
        return ChatRequest(messages=case.messages)
    return ChatRequest(messages=(_system(case), *_told(_without_system(case))))


def _ask_constrained(case: Case, examples: Sequence[Example], spec: Spec) -> ChatRequest:
    request = _ask_in_text(case, examples, spec)
    return replace(request, answer_schema=answer_schema(case.tools)) if case.tools else request


def _ask_with_examples(case: Case, examples: Sequence[Example], _spec: Spec) -> ChatRequest:
    shown = [message for example in examples for message in _worked(example, as_json=bool(case.tools))]
    if not case.tools:
        return ChatRequest(messages=(*shown, *case.messages))
    return ChatRequest(
        messages=(_system(case), *shown, *_told(_without_system(case))), answer_schema=answer_schema(case.tools)
    )


def _system(case: Case) -> Message:
    described = "\n".join(_signature(tool) for tool in case.tools)
    own = [message.content + "\n\n" for message in case.messages if message.role == "system"]
    return Message(role="system", content=f"{''.join(own)}Tools:\n{described}\n\n{INSTRUCTION}")


def _without_system(case: Case) -> tuple[Message, ...]:
    return tuple(message for message in case.messages if message.role != "system")


def _told(messages: Sequence[Message]) -> tuple[Message, ...]:
    """A conversation in words alone: calls as the JSON objects they were, their results as the user's next message."""
    told: list[Message] = []
    for message in messages:
        if message.calls:
            told.append(Message(role="assistant", content=_as_json(message.calls)))
        elif message.role == "tool":
            result = f"{TOLD_RESULT}{message.tool}: {message.content}"
            if told and told[-1].role == "user":
                result = f"{told.pop().content}\n{result}"
            told.append(Message(role="user", content=result))
        else:
            told.append(message)
    return tuple(told)


def _as_json(calls: Sequence[ToolCall]) -> str:
    values = [{"tool": call.name, "arguments": call.arguments} for call in calls]
    return json.dumps(values[0] if len(values) == 1 else values, ensure_ascii=False)


def _signature(tool: Tool) -> str:
    """One line a tool, as in `- get_weather(city: string, unit?: "celsius" | "fahrenheit"): …`."""
    properties = tool.parameters.get("properties")
    required = tool.parameters.get("required")
    needed = required if isinstance(required, list) else []
    fields = properties.items() if isinstance(properties, dict) else ()
    shown = ", ".join(f"{name}{'' if name in needed else '?'}: {_type(schema)}" for name, schema in fields)
    return f"- {tool.name}({shown}): {tool.description}"


def _type(schema: Json) -> str:
    if not isinstance(schema, dict):
        return "any"
    choices = schema.get("enum")
    if isinstance(choices, list):
        return " | ".join(json.dumps(choice, ensure_ascii=False) for choice in choices)
    return str(schema.get("type", "any"))


def _worked(example: Example, *, as_json: bool) -> tuple[Message, ...]:
    answer = example.answer
    if isinstance(answer, str):
        said = json.dumps({"reply": answer}, ensure_ascii=False) if as_json else answer
    else:
        said = _as_json(answer)
    return (*example.messages, Message(role="assistant", content=said))


def answer_schema(tools: Sequence[Tool]) -> dict[str, Json]:
    """The JSON Schema of one answer: a plain reply, or one call of one of `tools`."""
    reply: dict[str, Json] = _closed({"reply": {"type": "string", "maxLength": MAX_REPLY_CHARACTERS}})
    calls: list[Json] = [
        _closed({"tool": {"const": tool.name}, "arguments": {**tool.parameters, "additionalProperties": False}})
        for tool in tools
    ]
    return {"anyOf": [reply, *calls]}


def _closed(properties: dict[str, Json]) -> dict[str, Json]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _read_native(reply: Reply) -> Reply:
    return reply


def read_json_answer(reply: Reply) -> Reply:
    """Find the calls in a text that was asked to be one JSON object.

    Plain words are a reply that calls nothing. A text that sets out to be a call and does not decode is marked
    `undecodable`: nobody could carry it out, but it is no restraint either.
    """
    if reply.tool_calls:
        return reply
    start = reply.text.find("{")
    listed = reply.text.find("[")
    if 0 <= listed < start and reply.text[listed + 1 : start].strip() == "":
        start = listed
    if start < 0:
        return reply
    try:
        value, _ = json.JSONDecoder().raw_decode(reply.text, start)
    except (ValueError, RecursionError) as problem:
        return _undecodable(reply, f"is not valid JSON ({problem})") if _tries(reply.text) else reply
    return _with_calls(reply, value)


def _tries(text: str) -> bool:
    return '"tool"' in text or '"arguments"' in text or "'tool'" in text


def _undecodable(reply: Reply, why: str) -> Reply:
    cut = "; it was cut off at the token limit" if reply.finish_reason == "length" else ""
    return replace(reply, undecodable=f"looks like a tool call but {why}{cut}")


def _with_calls(reply: Reply, value: object) -> Reply:
    entries = value if isinstance(value, list) else [value]
    wanted = [entry for entry in entries if isinstance(entry, dict) and entry.get("tool") is not None]
    if not wanted:
        said = value.get("reply") if isinstance(value, dict) else None
        return replace(reply, text=said) if isinstance(said, str) else reply
    calls: list[ToolCall] = []
    for entry in wanted:
        name, arguments = entry["tool"], entry.get("arguments", {})
        if not isinstance(name, str) or not isinstance(arguments, dict):
            return _undecodable(reply, "its tool is no name or its arguments are no object")
        calls.append(ToolCall(name=name, arguments=arguments))
    return replace(reply, tool_calls=tuple(calls))


VARIANTS: dict[str, Variant] = {
    variant.name: variant
    for variant in (
        Variant(name="native_api", build=_ask_natively, read=_read_native),
        Variant(name="atomic", build=_ask_in_text, read=read_json_answer),
        Variant(name="schema", build=_ask_constrained, read=read_json_answer),
        Variant(name="few_shot", build=_ask_with_examples, read=read_json_answer, needs_examples=True),
    )
}
