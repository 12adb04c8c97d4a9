"""The official clients of the three formats, each with its libraries.

They take longer to import than all else of the tests together, so that only what asks by them imports this module.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple, Protocol

import anthropic
import httpx
import httpx2
import ollama
import openai

from pytest_selfopt.models.scripted import ScriptedServer

MESSAGES: Any = [{"role": "user", "content": "What is the weather in Paris and in Rome?"}]
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOL: Any = {"name": "get_weather", "description": "d", "parameters": PARAMETERS}
BROKEN = (
    openai.APIConnectionError,
    anthropic.APIConnectionError,
    httpx.RemoteProtocolError,
    # Anthropic's client wraps only what fails before the stream begins.
    httpx2.RemoteProtocolError,
)


class Answer(NamedTuple):
    """What a client made of an answer."""

    text: str
    finish: str | None
    tokens: tuple[int | None, int | None]
    calls: list[dict[str, Any]]


class Client(Protocol):
    """An official client."""

    def ask(self, *, tools: bool = False) -> Answer: ...

    def stream(self, *, tools: bool = False) -> Answer: ...

    def close(self) -> None: ...


class OpenAIClient:
    def __init__(self, server: ScriptedServer) -> None:
        self.client = openai.OpenAI(base_url=server.base_url, api_key="key", max_retries=0)

    def close(self) -> None:
        self.client.close()

    def ask(self, *, tools: bool = False) -> Answer:
        return self._read(self.client.chat.completions.create(**self._request(tools=tools)))

    def stream(self, *, tools: bool = False) -> Answer:
        request = {**self._request(tools=tools), "stream_options": {"include_usage": True}}
        with self.client.chat.completions.stream(**request) as stream:
            return self._read(stream.get_final_completion())

    def _request(self, *, tools: bool) -> dict[str, Any]:
        request: dict[str, Any] = {"model": "m", "messages": MESSAGES}
        if tools:
            request["tools"] = [{"type": "function", "function": TOOL}]
        return request

    def _read(self, completion: Any) -> Answer:
        (choice,) = completion.choices
        usage = completion.usage
        assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
        calls = [
            {"name": call.function.name, "arguments": json.loads(call.function.arguments)}
            for call in choice.message.tool_calls or ()
        ]
        tokens = (usage.prompt_tokens, usage.completion_tokens)
        return Answer(choice.message.content or "", choice.finish_reason, tokens, calls)


class AnthropicClient:
    def __init__(self, server: ScriptedServer) -> None:
        self.client = anthropic.Anthropic(base_url=server.address, api_key="key", max_retries=0)

    def close(self) -> None:
        self.client.close()

    def ask(self, *, tools: bool = False) -> Answer:
        return self._read(self.client.messages.create(**self._request(tools=tools)))

    def stream(self, *, tools: bool = False) -> Answer:
        with self.client.messages.stream(**self._request(tools=tools)) as stream:
            return self._read(stream.get_final_message())

    def _request(self, *, tools: bool) -> dict[str, Any]:
        request: dict[str, Any] = {"model": "m", "messages": MESSAGES, "max_tokens": 64}
        if tools:
            request["tools"] = [{"name": "get_weather", "input_schema": PARAMETERS}]
        return request

    def _read(self, message: Any) -> Answer:
        texts = [block.text for block in message.content if block.type == "text"]
        calls = [
            {"name": block.name, "arguments": block.input} for block in message.content if block.type == "tool_use"
        ]
        tokens = (message.usage.input_tokens, message.usage.output_tokens)
        return Answer("".join(texts), message.stop_reason, tokens, calls)


class OllamaClient:
    def __init__(self, server: ScriptedServer) -> None:
        self.client = ollama.Client(server.address)

    def close(self) -> None:
        self.client.close()  # type: ignore[no-untyped-call]

    def ask(self, *, tools: bool = False) -> Answer:
        return self._read([self.client.chat("m", MESSAGES, tools=self._tools(tools=tools))])

    def stream(self, *, tools: bool = False) -> Answer:
        return self._read(list(self.client.chat("m", MESSAGES, tools=self._tools(tools=tools), stream=True)))

    def _tools(self, *, tools: bool) -> Any:
        if not tools:
            return None
        return [{"type": "function", "function": TOOL}]

    def _read(self, parts: list[ollama.ChatResponse]) -> Answer:
        last = parts[-1]
        assert [part.done for part in parts] == [False] * (len(parts) - 1) + [True]
        text = "".join(part.message.content or "" for part in parts)
        calls = [
            {"name": call.function.name, "arguments": dict(call.function.arguments)}
            for part in parts
            for call in part.message.tool_calls or ()
        ]
        return Answer(text, last.done_reason, (last.prompt_eval_count, last.eval_count), calls)
