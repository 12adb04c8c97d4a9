"""Ollama: its own API, and its OpenAI-compatible one."""

from __future__ import annotations

from pytest_selfopt.trial import Json
from tests.models.reply_shapes.shape import (
    WEATHER,
    Expected,
    Shape,
    answers,
    calls_weather,
    completion,
    error,
    fails,
    misses,
    ollama,
    said,
)

_CALL: Json = {"function": {"name": "get_weather", "arguments": {"city": "Paris"}}}
_RAW = 'error parsing tool call: raw=\'{"city": "Par\', err=unexpected end of JSON input'
_BUSY = "server busy, please try again.  maximum pending requests exceeded"


def _failed(name: str, status: int, message: str, kind: str, source: str) -> Shape:
    body: Json = {"error": message}
    expected = fails(kind)
    return Shape(name=f"ollama: {name}", wire="ollama", body=body, status=status, expected=expected, source=source)


def _given(name: str, body: Json, expected: Expected, source: str, *, tools: bool = False) -> Shape:
    return Shape(name=f"ollama: {name}", wire="ollama", body=body, tools=tools, expected=expected, source=source)


_ANSWERED = (
    _given("text", ollama(said()), answers(finish_reason="stop"), "docs.ollama.com, Chat"),
    _given("thinking and content", ollama(said("42", thinking="Count.")), answers("42"), "gh frappe/flow#84"),
    _given(
        "<think> in the content",
        ollama(said("<think>\nCount.\n</think>\n\n42")),
        answers("42"),
        "docs.ollama.com, Thinking: older versions and models without support leave the tags",
    ),
    _given(
        "length with text",
        ollama(said("The answer is"), reason="length"),
        answers("The answer is", finish_reason="length"),
        "docs.ollama.com, Chat: done_reason",
    ),
    _given(
        "no count of the cached prompt",
        {key: value for key, value in ollama(said()).items() if key != "prompt_eval_count"},
        answers(tokens=(None, 5)),
        "gh ollama#2068, SWE-agent#44: left out when the prompt was cached (older versions)",
    ),
    _given("no done_reason", ollama(said(), reason=None), answers(), "ollama/ollama, older versions"),
    _given(
        "call",
        ollama(said("", tool_calls=[_CALL])),
        calls_weather(),
        "docs.ollama.com, Tool calling",
        tools=True,
    ),
    _given(
        "two calls with thinking",
        ollama(said("", thinking="Look.", tool_calls=[_CALL, _CALL])),
        answers("", WEATHER, WEATHER),
        "docs.ollama.com, Tool calling",
        tools=True,
    ),
    _given(
        "call leaked into the content",
        ollama(said('{"name": "get_weather", "parameters": {"city": "Paris"}}')),
        misses(),
        "gh ollama#12884, hermes-agent#39099 for the forms",
        tools=True,
    ),
    _given(
        "call leaked as <tool_call>",
        ollama(said('<tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n</tool_call>')),
        misses(),
        "gh ollama#12884, hermes-agent#39099 for the forms",
        tools=True,
    ),
)

_NOT_ANSWERED = (
    _given(
        "load",
        ollama(said(""), reason="load", prompt_eval_count=None, eval_count=None),
        fails("server"),
        "docs.ollama.com, Chat: empty messages load; gh gollama#115",
    ),
    _given("unload", ollama(said(""), reason="unload"), fails("server"), "gh gollama#115"),
    _given(
        "not done, inside 200",
        {"model": "served", "message": said("", thinking="Count"), "done": False},
        fails("malformed"),
        "gh ollama#17836",
    ),
    _given(
        "thinking only, length",
        ollama(said("", thinking="Count."), reason="length"),
        fails("cut_off"),
        "docs.ollama.com, Thinking",
    ),
    _given("thinking only, stop", ollama(said("", thinking="Count.")), fails("empty"), "docs.ollama.com, Thinking"),
    _given("empty, stop", ollama(said("")), fails("empty"), "gh ollama#7547"),
    _given(
        "error inside 200", {"error": "an error was encountered"}, fails("server"), "ollama/ollama, server/routes.go"
    ),
    Shape(
        name="ollama: 500 failed parse of a call",
        wire="ollama",
        body={"error": _RAW},
        status=500,
        tools=True,
        expected=misses(tokens=(None, None)),
        source="gh ollama#12884, #17638",
    ),
    Shape(
        name="ollama: 500 failed parse of a call, the text as a key",
        wire="ollama",
        body={"error parsing tool call": 'raw=\'{"city": "Par\', err=unexpected end of JSON input'},
        status=500,
        tools=True,
        expected=misses(tokens=(None, None)),
        source="gh ollama#11704",
    ),
    _failed("503 queue", 503, _BUSY, "server", "docs.ollama.com, FAQ: OLLAMA_MAX_QUEUE"),
    _failed("503 cloud", 503, "Server overloaded, please retry shortly", "server", "gh ollama#15934"),
    _failed("429 weekly limit", 429, "you have reached your weekly usage limit", "quota", "gh hermes-agent#68832"),
    _failed("429 session limit", 429, "you have reached your session usage limit", "quota", "gh continue#11444"),
    _failed("429 hourly limit", 429, "you have reached your hourly usage limit", "quota", "gh continue#9233"),
    _failed("404", 404, "model 'served' not found", "request", "docs.ollama.com, Errors"),
    _failed("400 tools", 400, "served does not support tools", "request", "gh ollama#14795"),
    _failed(
        "500 runner", 500, "llama runner process has terminated: exit status 2", "server", "docs.ollama.com, Errors"
    ),
    _failed("401 cloud", 401, "unauthorized", "auth", "docs.ollama.com, Cloud"),
)

_COMPATIBLE = (
    Shape(
        name="ollama: finish_reason null with text, OpenAI format",
        body=completion(said(), finish=None),
        expected=answers(),
        source="gh ollama#7547",
    ),
    Shape(
        name="ollama: finish_reason load, OpenAI format",
        body=completion(said(""), finish="load"),
        expected=fails("server"),
        source="gh gollama#115; ollama/ollama, openai/openai.go hands done_reason on",
    ),
    Shape(
        name="ollama: 500 failed parse of a call, OpenAI format",
        body=error(_RAW, type="api_error", param=None, code=None),
        status=500,
        tools=True,
        expected=misses(tokens=(None, None)),
        source="gh ollama#12884",
    ),
    Shape(
        name="ollama: 404, OpenAI format",
        body=error("model 'served' not found", type="not_found_error", param=None, code=None),
        status=404,
        expected=fails("request"),
        source="ollama/ollama, openai/openai.go: NewError",
    ),
)

SHAPES = _ANSWERED + _NOT_ANSWERED + _COMPATIBLE
