"""Variants: how a case is presented to a model, and how tool calls are read from its answer.

`native_api` uses the provider's own tool-calling fields. The others put everything into the prompt and ask for one
JSON object, each extending the one before: `atomic` describes the tools, `schema` also constrains the
answer to that form, `few_shot` also shows worked examples.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from pytest_selfopt.bench.call_format import show
from pytest_selfopt.bench.case import Case, Example
from pytest_selfopt.bench.tools import Message
from pytest_selfopt.errors import SpecError
from pytest_selfopt.import_string import imported
from pytest_selfopt.specs.answer_schema import answer_schema
from pytest_selfopt.specs.request import ChatRequest
from pytest_selfopt.specs.signature import signature
from pytest_selfopt.specs.spec import Spec
from pytest_selfopt.specs.spoken_calls import read_spoken
from pytest_selfopt.specs.thinking import without_thinking
from pytest_selfopt.trial import Reply, ToolCall

INSTRUCTION = 'Answer with one JSON object: {"tool": NAME, "arguments": {...}}, or {"reply": TEXT} when no tool fits.'

TOLD_RESULT = "Result of "
"""Prefix of a message with a tool result, for variants without a field for results."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One way of asking.

    `build` makes the request from the case, the suite's worked examples and the spec; `read` finds the tool calls
    in a reply to it.
    """

    name: str
    build: Callable[[Case, Sequence[Example], Spec], ChatRequest]
    read: Callable[[Reply], Reply]
    needs_examples: bool = False


def variant_named(name: str, own: Mapping[str, str]) -> Variant:
    """Return a variant by name: a built-in one, or one of the project's `own`, given as "module:NAME".

    Raises:
        SpecError: if the variant does not exist or cannot be imported.
    """
    if name in VARIANTS:
        return VARIANTS[name]
    if name not in own:
        known = ", ".join((*VARIANTS, *own))
        raise SpecError(f"unknown variant {name!r}; available: {known}")
    try:
        variant = imported(own[name])
    except ValueError as problem:
        raise SpecError(f"variant {name}: {problem}") from None
    if not isinstance(variant, Variant) or variant.name != name:
        raise SpecError(f"variant {name}: {own[name]!r} is not a pytest_selfopt.Variant of that name")
    return variant


def build_request(case: Case, examples: Sequence[Example], spec: Spec, variant: Variant) -> ChatRequest:
    """Build the request that asks `case` with the variant and settings of `spec`.

    Raises:
        SpecError: if the variant, which may be the project's code, raises.
    """
    try:
        request = variant.build(case, examples, spec)
        return replace(request, sampling=spec.sampling, fresh=spec.isolated)
    except Exception as problem:
        place = f"variant {variant.name} cannot ask {case.key}"
        raise SpecError(f"{place}: {_cause(problem)}") from problem


def read_reply(reply: Reply, variant: Variant, *, has_tools: bool = True) -> Reply:
    """Return the reply with the tool calls that the variant finds in it.

    Where no tool was offered, our variants look for none: what looks like a call is the JSON that was asked for.

    Raises:
        SpecError: if the variant, which may be the project's code, raises.
    """
    if not has_tools and variant.name in VARIANTS:
        return replace(reply, text=without_thinking(reply.text))
    try:
        return replace(variant.read(reply))
    except Exception as problem:
        place = f"variant {variant.name} cannot read {show(reply.text)}"
        raise SpecError(f"{place}: {_cause(problem)}") from problem


def _cause(problem: Exception) -> str:
    return f"{type(problem).__name__}: {problem}"


def _ask_natively(case: Case, _examples: Sequence[Example], _spec: Spec) -> ChatRequest:
    tools = tuple(tool.to_json() for tool in case.tools)
    return ChatRequest(messages=case.messages, tools=tools)


def _ask_in_text(case: Case, _examples: Sequence[Example], _spec: Spec) -> ChatRequest:
    if not case.tools:
        return ChatRequest(messages=case.messages)
    system, others = _in_text(case)
    return ChatRequest(messages=(system, *others))


def _ask_constrained(case: Case, examples: Sequence[Example], spec: Spec) -> ChatRequest:
    request = _ask_in_text(case, examples, spec)
    if not case.tools:
        return request
    return replace(request, answer_schema=answer_schema(case.tools))


def _ask_with_examples(case: Case, examples: Sequence[Example], _spec: Spec) -> ChatRequest:
    as_json = bool(case.tools)
    shown: list[Message] = []
    for example in examples:
        shown.extend(_worked(example, as_json=as_json))
    if not case.tools:
        return ChatRequest(messages=(*shown, *case.messages))
    system, others = _in_text(case)
    return ChatRequest(
        messages=(system, *shown, *others),
        answer_schema=answer_schema(case.tools),
    )


def _in_text(case: Case) -> tuple[Message, tuple[Message, ...]]:
    """Express a case without tool fields: a system message that describes the tools, and the messages as text."""
    system: list[str] = []
    others: list[Message] = []
    for message in case.messages:
        if message.role == "system":
            system.append(f"{message.content}\n\n")
        else:
            others.append(message)
    tools = "\n".join(map(signature, case.tools))
    content = f"{''.join(system)}Tools:\n{tools}\n\n{INSTRUCTION}"
    return Message(role="system", content=content), _told(others)


def _told(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Express a conversation as text: calls as JSON objects, their results as the user's next message."""
    plain: list[Message] = []
    for message in messages:
        if message.calls:
            content = _as_json(message.calls)
            plain.append(Message(role="assistant", content=content))
        elif message.role == "tool":
            result = f"{TOLD_RESULT}{message.tool}: {message.content}"
            # Some servers reject two consecutive messages of one role.
            if plain and plain[-1].role == "user":
                result = f"{plain.pop().content}\n{result}"
            plain.append(Message(role="user", content=result))
        else:
            # The provider's own form of it would bring back what was read out of its text.
            plain.append(replace(message, echo=None))
    return tuple(plain)


def _as_json(calls: Sequence[ToolCall]) -> str:
    objects = [{"tool": call.name, "arguments": call.arguments} for call in calls]
    if len(objects) == 1:
        return json.dumps(objects[0], ensure_ascii=False)
    return json.dumps(objects, ensure_ascii=False)


def _worked(example: Example, *, as_json: bool) -> tuple[Message, ...]:
    content = _answer_text(example.answer, as_json=as_json)
    answer = Message(role="assistant", content=content)
    return (*example.messages, answer)


def _answer_text(answer: tuple[ToolCall, ...] | str, *, as_json: bool) -> str:
    if not isinstance(answer, str):
        return _as_json(answer)
    if as_json:
        return json.dumps({"reply": answer}, ensure_ascii=False)
    return answer


_LEAKED = (
    "wrote its call as text, which the server did not read: start it with its parser for tool calls (vLLM and SGLang: "
    "--tool-call-parser, llama.cpp: --jinja), or take another variant"
)


def _read_native(reply: Reply) -> Reply:
    """Return the reply; a call that its server left in the text is undecodable, which is no restraint either."""
    if reply.tool_calls or reply.undecodable:
        return reply
    spoken = read_spoken(reply.text)
    if spoken.calls or spoken.undecodable:
        return replace(reply, undecodable=_LEAKED)
    return _with_words(reply, spoken.words)


def read_json_answer(reply: Reply) -> Reply:
    """Find the calls in a text, which should be one JSON object.

    Plain text is a reply without calls. A text that sets out to be a call but does not decode is marked `undecodable`:
    it cannot be carried out, but it does not count as restraint either.
    """
    if reply.tool_calls:
        return reply
    spoken = read_spoken(reply.text)
    if spoken.undecodable:
        return replace(reply, undecodable=_with_cut(spoken.undecodable, reply))
    if spoken.calls:
        return replace(reply, tool_calls=spoken.calls)
    if spoken.reply is not None:
        return replace(reply, text=spoken.reply)
    return _with_words(reply, spoken.words)


def _with_cut(reason: str, reply: Reply) -> str:
    if reply.finish_reason == "length":
        return f"{reason}; it was cut off at the token limit"
    return reason


def _with_words(reply: Reply, words: str) -> Reply:
    """Return the reply without thoughts; nothing but thoughts is no answer, and so no restraint."""
    if words == reply.text:
        return reply
    if not words.strip():
        return replace(reply, text=words, undecodable="says nothing but its thoughts")
    return replace(reply, text=words)


_BUILT_IN = (
    Variant(name="native_api", build=_ask_natively, read=_read_native),
    Variant(name="atomic", build=_ask_in_text, read=read_json_answer),
    Variant(name="schema", build=_ask_constrained, read=read_json_answer),
    Variant(
        name="few_shot",
        build=_ask_with_examples,
        read=read_json_answer,
        needs_examples=True,
    ),
)
VARIANTS: dict[str, Variant] = {variant.name: variant for variant in _BUILT_IN}

CONSTRAINED = ("schema", "few_shot")
"""The built-in variants whose answers are constrained by a JSON Schema."""
