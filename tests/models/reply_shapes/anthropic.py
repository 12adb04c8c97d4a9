"""Anthropic's own API."""

from __future__ import annotations

from pytest_selfopt.trial import Json, ToolCall
from tests.models.reply_shapes.shape import (
    IN_30_S_RFC3339,
    WEATHER,
    Shape,
    answers,
    calls_weather,
    claude,
    claude_error,
    error,
    fails,
)

_TEXT: Json = {"type": "text", "text": "Hi."}
_THINKING: Json = {"type": "thinking", "thinking": "Count.", "signature": "c2ln"}
_REDACTED: Json = {"type": "redacted_thinking", "data": "ZGF0YQ=="}
_USE: dict[str, Json] = {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Paris"}}
_SEARCH: Json = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "Paris"}}
_CACHE: Json = {
    "input_tokens": 5,
    "cache_read_input_tokens": 3,
    "cache_creation_input_tokens": 2,
    "output_tokens": 4,
    "service_tier": "standard",
}
_STOPS = "platform.claude.com/docs, Stop reasons and fallback"
_ERRORS = "platform.claude.com/docs, Errors"
_LIMITS = "platform.claude.com/docs, Rate limits"
_LOW_CREDIT = "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade."
_SPEND_LIMIT = "You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC."


def _failed(status: int, kind: str, message: str, expected: str, source: str = _ERRORS) -> Shape:
    name = f"anthropic: {status} {kind}"
    body = claude_error(kind, message)
    return Shape(name=name, wire="anthropic", body=body, status=status, expected=fails(expected), source=source)


_ANSWERED = (
    Shape(
        name="anthropic: thinking and text",
        wire="anthropic",
        body=claude(_THINKING, _TEXT),
        expected=answers(finish_reason="stop", served_model="served"),
        source="platform.claude.com/docs, Extended thinking",
    ),
    Shape(
        name="anthropic: redacted thinking and text",
        wire="anthropic",
        body=claude(_REDACTED, _TEXT),
        expected=answers(),
        source="platform.claude.com/docs, Extended thinking",
    ),
    Shape(
        name="anthropic: stop_sequence",
        wire="anthropic",
        body={**claude(_TEXT, stop="stop_sequence"), "stop_sequence": "END"},
        expected=answers(),
        source=_STOPS,
    ),
    Shape(
        name="anthropic: stop_reason null with text",
        wire="anthropic",
        body=claude(_TEXT, stop=None),
        expected=answers(),
        source=f"{_STOPS}: null before the end; compatible servers leave it so",
    ),
    Shape(
        name="anthropic: tool call after text",
        wire="anthropic",
        body=claude(_TEXT, _USE, stop="tool_use"),
        tools=True,
        expected=calls_weather("Hi."),
        source="platform.claude.com/docs, Tool use",
    ),
    Shape(
        name="anthropic: tool call alone",
        wire="anthropic",
        body=claude({**_USE, "caller": {"type": "direct"}}, stop="tool_use"),
        tools=True,
        expected=calls_weather(),
        source="platform.claude.com/docs, Tool use",
    ),
    Shape(
        name="anthropic: two calls",
        wire="anthropic",
        body=claude(_USE, {**_USE, "id": "toolu_2"}, stop="tool_use"),
        tools=True,
        expected=answers("", WEATHER, WEATHER),
        source="platform.claude.com/docs, Parallel tool use",
    ),
    Shape(
        name="anthropic: call without arguments",
        wire="anthropic",
        body=claude({**_USE, "input": {}}, stop="tool_use"),
        tools=True,
        expected=answers("", ToolCall(name="get_weather", arguments={})),
        source="platform.claude.com/docs, Tool use",
    ),
    Shape(
        name="anthropic: max_tokens with text",
        wire="anthropic",
        body=claude(_TEXT, stop="max_tokens"),
        expected=answers(finish_reason="length"),
        source=_STOPS,
    ),
    Shape(
        name="anthropic: context window exceeded, with text",
        wire="anthropic",
        body=claude(_TEXT, stop="model_context_window_exceeded"),
        expected=answers(),
        source=_STOPS,
    ),
    Shape(
        name="anthropic: error null beside the content",
        wire="anthropic",
        body={**claude(_TEXT), "error": None},
        expected=answers(),
        source="gh BerriAI/litellm#32394",
    ),
    Shape(
        name="anthropic: prompt cache",
        wire="anthropic",
        body=claude(_TEXT, usage=_CACHE),
        expected=answers(tokens=(10, 4), tokens_cached=3, tokens_cache_write=2),
        source="platform.claude.com/docs, Prompt caching: usage",
    ),
    Shape(
        name="anthropic: usage null",
        wire="anthropic",
        body=claude(_TEXT, usage=None),
        expected=answers(tokens=(None, None)),
        source="servers with this API leave it out; compare gh BerriAI/litellm#32394",
    ),
    Shape(
        name="anthropic: cache counts null",
        wire="anthropic",
        body=claude(
            _TEXT,
            usage={
                "input_tokens": 12,
                "cache_read_input_tokens": None,
                "cache_creation_input_tokens": None,
                "output_tokens": 5,
            },
        ),
        expected=answers(),
        source="platform.claude.com/docs, Messages API: usage, members number or null",
    ),
)

_NOT_ANSWERED = (
    Shape(
        name="anthropic: thinking only, max_tokens",
        wire="anthropic",
        body=claude(_THINKING, stop="max_tokens"),
        expected=fails("cut_off"),
        source=_STOPS,
    ),
    Shape(
        name="anthropic: context window exceeded, no text",
        wire="anthropic",
        body=claude(_THINKING, stop="model_context_window_exceeded"),
        expected=fails("cut_off"),
        source=_STOPS,
    ),
    Shape(
        name="anthropic: content empty, end_turn",
        wire="anthropic",
        body=claude(),
        expected=fails("empty"),
        source=f"{_STOPS}: empty responses with end_turn",
    ),
    Shape(
        name="anthropic: refusal without content",
        wire="anthropic",
        body=claude(stop="refusal", stop_details={"type": "refusal", "category": "cyber", "explanation": None}),
        expected=fails("refused"),
        source="platform.claude.com/docs, Handle streaming refusals; docs.apiyi.com on refusals",
    ),
    Shape(
        name="anthropic: refusal after some text",
        wire="anthropic",
        body=claude(_TEXT, stop="refusal"),
        expected=fails("refused"),
        source="platform.claude.com/docs, Handle streaming refusals",
    ),
    Shape(
        name="anthropic: pause_turn",
        wire="anthropic",
        body=claude(_TEXT, _SEARCH, stop="pause_turn"),
        expected=fails("server"),
        source=_STOPS,
    ),
    Shape(
        name="anthropic: overloaded inside 200",
        wire="anthropic",
        body=claude_error("overloaded_error", "Overloaded"),
        expected=fails("server"),
        source=f"{_ERRORS}: errors after a 200",
    ),
    Shape(
        name="anthropic: rate limit inside 200",
        wire="anthropic",
        body=claude_error("rate_limit_error", "Number of request tokens has exceeded your per-minute rate limit"),
        expected=fails("rate_limit"),
        source=f"{_ERRORS}: errors after a 200",
    ),
    Shape(
        name="anthropic: authentication inside 200",
        wire="anthropic",
        body=claude_error("authentication_error", "invalid x-api-key"),
        expected=fails("auth"),
        source=f"{_ERRORS}: errors after a 200",
    ),
    Shape(
        name="anthropic: invalid request inside 200",
        wire="anthropic",
        body=claude_error("invalid_request_error", "max_tokens: Field required"),
        expected=fails("request"),
        source=f"{_ERRORS}: errors after a 200",
    ),
)

_FAILED = (
    _failed(400, "invalid_request_error", "`temperature` is deprecated for this model.", "request"),
    _failed(401, "authentication_error", "invalid x-api-key", "auth"),
    _failed(402, "billing_error", "There is an issue with your billing or payment information", "quota"),
    _failed(403, "permission_error", "Your API key does not have permission to use the resource", "auth"),
    _failed(404, "not_found_error", "model: served", "request"),
    _failed(413, "request_too_large", "Request exceeds the maximum size", "request"),
    _failed(429, "rate_limit_error", "This request would exceed your organization's rate limit", "rate_limit", _LIMITS),
    _failed(500, "api_error", "Overloaded", "server", "gh claude-code#8132"),
    _failed(504, "timeout_error", "The request timed out", "timeout"),
    _failed(529, "overloaded_error", "Overloaded", "server"),
    Shape(
        name="anthropic: 429 with retry-after",
        wire="anthropic",
        body=claude_error("rate_limit_error", "This request would exceed your rate limit"),
        status=429,
        headers={"retry-after": "17", "anthropic-ratelimit-requests-remaining": "0"},
        expected=fails("rate_limit", 17),
        source=_LIMITS,
    ),
    Shape(
        name="anthropic: 429 with the time of the reset alone",
        wire="anthropic",
        body=claude_error("rate_limit_error", "This request would exceed your rate limit"),
        status=429,
        headers={
            "anthropic-ratelimit-requests-remaining": "0",
            "anthropic-ratelimit-requests-reset": IN_30_S_RFC3339,
            "anthropic-ratelimit-tokens-remaining": "9000",
            "anthropic-ratelimit-tokens-reset": "2025-01-01T00:00:00Z",
        },
        expected=fails("rate_limit", 30, within_s=2),
        source=_LIMITS,
    ),
    Shape(
        name="anthropic: 429 spend limit of the tier",
        wire="anthropic",
        body={
            "type": "error",
            "error": {
                "type": "rate_limit_error",
                "message": "You have reached your API usage limits: the monthly API usage threshold is crossed.",
                "details": {"error_code": "enforced_spend_limit_reached"},
            },
        },
        status=429,
        expected=fails("quota"),
        source=f"{_LIMITS}; developersdigest.tech/errors/api/anthropic-api; five source files read",
    ),
    Shape(
        name="anthropic: 400 usage limits of the workspace",
        wire="anthropic",
        body=claude_error("invalid_request_error", _SPEND_LIMIT.replace("specified", "specified workspace")),
        status=400,
        expected=fails("quota"),
        source="developersdigest.tech/errors/api/anthropic-api/400-spend-limit-reached, after platform.claude.com",
    ),
    Shape(
        name="anthropic: 400 credit balance",
        wire="anthropic",
        body=claude_error("invalid_request_error", _LOW_CREDIT),
        status=400,
        expected=fails("quota"),
        source="gh anthropics/claude-quickstarts#229",
    ),
    Shape(
        name="anthropic: 400 usage limits",
        wire="anthropic",
        body=claude_error("invalid_request_error", _SPEND_LIMIT),
        status=400,
        expected=fails("quota"),
        source="gh claude-code#2127, #38035",
    ),
    Shape(
        name="anthropic: an error as OpenAI words it, from LiteLLM",
        wire="anthropic",
        body=error("max_tokens: Field required", type="None", param="None", code="400"),
        status=400,
        expected=fails("request"),
        source="gh BerriAI/litellm#30385, #39037",
    ),
)

SHAPES = _ANSWERED + _NOT_ANSWERED + _FAILED
