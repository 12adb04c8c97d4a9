"""Mistral and DeepSeek."""

from __future__ import annotations

from pytest_selfopt.trial import Json
from tests.models.reply_shapes.shape import (
    Shape,
    answers,
    called,
    calls_weather,
    completion,
    error,
    fails,
    misses,
    said,
)

_THOUGHT: Json = {"type": "thinking", "thinking": [{"type": "text", "text": "Count."}], "closed": True}
_PART: Json = {"type": "text", "text": "Hi."}
_EXTRA: Json = {"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs are not permitted", "input": 1}
_MISTRAL_API = "docs.mistral.ai, API: chat completion"
_DEEPSEEK_API = "api-docs.deepseek.com, Create chat completion"
_DEEPSEEK_CODES = "api-docs.deepseek.com, Error codes"
_DSML = (
    '<｜DSML｜function_calls>\n<｜DSML｜invoke name="get_weather">\n'
    '<｜DSML｜parameter name="city" string="true">Paris</｜DSML｜parameter>\n'
    "</｜DSML｜invoke>\n</｜DSML｜function_calls>"
)

MISTRAL = (
    Shape(
        name="mistral: thinking and text parts",
        body=completion(said([_THOUGHT, _PART])),
        expected=answers(),
        source="gh langchain4j#4474; docs.mistral.ai, Reasoning",
    ),
    Shape(
        name="mistral: two text parts",
        body=completion(said([{"type": "text", "text": "Good "}, {"type": "text", "text": "day."}])),
        expected=answers("Good day."),
        source="docs.mistral.ai, API: content chunks",
    ),
    Shape(
        name="mistral: text and reference parts",
        body=completion(said([_PART, {"type": "reference", "reference_ids": [1]}])),
        expected=answers(),
        source="docs.mistral.ai, API: content chunks (reference)",
    ),
    Shape(
        name="mistral: thinking part only, length",
        body=completion(said([_THOUGHT]), finish="length"),
        expected=fails("cut_off"),
        source="gh langchain4j#4474",
    ),
    Shape(
        name="mistral: thinking part only, stop",
        body=completion(said([_THOUGHT])),
        expected=fails("empty"),
        source="gh langchain4j#4474",
    ),
    Shape(
        name="mistral: model_length with text",
        body=completion(said(), finish="model_length"),
        expected=answers(finish_reason="length"),
        source=f"{_MISTRAL_API}: finish_reason",
    ),
    Shape(
        name="mistral: model_length without text",
        body=completion(said(""), finish="model_length"),
        expected=fails("cut_off"),
        source=f"{_MISTRAL_API}: finish_reason",
    ),
    Shape(
        name="mistral: finish_reason error",
        body=completion(said(""), finish="error"),
        expected=fails("server"),
        source=f"{_MISTRAL_API}: finish_reason",
    ),
    Shape(
        name="mistral: call with a short id and no type",
        body=completion(
            said(
                "",
                tool_calls=[{"id": "D681PevKs", "function": {"name": "get_weather", "arguments": '{"city": "Paris"}'}}],
                prefix=False,
            ),
            finish="tool_calls",
        ),
        tools=True,
        expected=calls_weather(),
        source="docs.mistral.ai, Function calling",
    ),
    Shape(
        name="mistral: 422 with a list nested in detail",
        body={"object": "error", "message": {"detail": [_EXTRA]}, "type": "invalid_request_error", "code": None},
        status=422,
        expected=fails("request"),
        source="gh editor-code-assistant/eca#231",
    ),
    Shape(
        name="mistral: 422 with a list in detail",
        body={"detail": [_EXTRA]},
        status=422,
        expected=fails("request"),
        source="gh php-mistral#76",
    ),
    Shape(
        name="mistral: 402",
        body={
            "object": "error",
            "message": "The monthly spending limit is reached.",
            "type": "invalid_request_error",
            "param": None,
            "code": None,
        },
        status=402,
        expected=fails("quota"),
        source="docs.mistral.ai, Error glossary: 402; developersdigest.tech/errors/api/mistral-api",
    ),
    Shape(
        name="mistral: 429 code 1300",
        body={
            "object": "error",
            "message": "Rate limit exceeded",
            "type": "rate_limited",
            "param": None,
            "code": "1300",
            "raw_status_code": 429,
        },
        status=429,
        expected=fails("rate_limit"),
        source="gh cline#9085, raycast/extensions#31107",
    ),
    Shape(
        name="mistral: 429 with a message alone",
        body={"message": "Requests rate limit exceeded"},
        status=429,
        expected=fails("rate_limit"),
        source="gh anon-kode#53",
    ),
    Shape(
        name="mistral: 429 capacity",
        body={
            "object": "error",
            "message": "Service tier capacity exceeded for this model.",
            "type": "invalid_request_error",
            "param": None,
            "code": None,
        },
        status=429,
        expected=fails("rate_limit"),
        source="gh continue#6185",
    ),
    Shape(
        name="mistral: 503 capacity",
        body={"object": "error", "message": "Service tier capacity exceeded for this model.", "code": None},
        status=503,
        expected=fails("server"),
        source="gh BerriAI/litellm#25078",
    ),
    Shape(
        name="mistral: 401 flat",
        body={"detail": "Unauthorized"},
        status=401,
        expected=fails("auth"),
        source="docs.mistral.ai, API; issue threads on wrong keys",
    ),
    Shape(
        name="mistral: rate limit inside 200, flat",
        body={"object": "error", "message": "Rate limit exceeded", "type": "rate_limited", "code": "1300"},
        expected=fails("rate_limit"),
        source="gh cline#9085 for the body; inside 200 by gateways",
    ),
)

DEEPSEEK = (
    Shape(
        name="deepseek: insufficient_system_resource",
        body=completion(said(""), finish="insufficient_system_resource"),
        expected=fails("server"),
        source=f"{_DEEPSEEK_API}: finish_reason",
    ),
    Shape(
        name="deepseek: insufficient_system_resource after some text",
        body=completion(said("The answer"), finish="insufficient_system_resource"),
        expected=fails("server"),
        source=f"{_DEEPSEEK_API}: finish_reason",
    ),
    Shape(
        name="deepseek: content_filter",
        body=completion(said(""), finish="content_filter"),
        expected=fails("refused"),
        source=f"{_DEEPSEEK_API}: finish_reason",
    ),
    Shape(
        name="deepseek: cache hits",
        body=completion(
            said(),
            usage={
                "prompt_tokens": 12,
                "completion_tokens": 5,
                "total_tokens": 17,
                "prompt_cache_hit_tokens": 8,
                "prompt_cache_miss_tokens": 4,
            },
        ),
        expected=answers(tokens_cached=8),
        source=f"{_DEEPSEEK_API}: usage",
    ),
    Shape(
        name="deepseek: reasoning_content and text",
        body=completion(said("42", reasoning_content="Count.")),
        expected=answers("42"),
        source="api-docs.deepseek.com, Thinking mode",
    ),
    Shape(
        name="deepseek: reasoning_content only, length",
        body=completion(said("", reasoning_content="Count."), finish="length"),
        expected=fails("cut_off"),
        source="api-docs.deepseek.com, Thinking mode",
    ),
    Shape(
        name="deepseek: reasoning_content only, stop",
        body=completion(said("", reasoning_content="Count.")),
        expected=fails("empty"),
        source="api-docs.deepseek.com, Thinking mode; JSON output: the API may give empty content",
    ),
    Shape(
        name="deepseek: call with reasoning_content",
        body=completion(said("", reasoning_content="Look.", tool_calls=[called(index=0)]), finish="tool_calls"),
        tools=True,
        expected=calls_weather(),
        source="api-docs.deepseek.com, Thinking mode: tool calls",
    ),
    Shape(
        name="deepseek: call leaked as DSML",
        body=completion(said(_DSML)),
        tools=True,
        expected=misses(),
        source="gh aiope#119, sglang#40236, command-code#909",
    ),
    Shape(
        name="deepseek: blank lines before the body",
        raw='\n\n\n{"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi."}, '
        '"finish_reason": "stop"}], "usage": {"prompt_tokens": 12, "completion_tokens": 5}}',
        expected=answers(),
        source="api-docs.deepseek.com, Rate limit: keep-alive lines",
    ),
    Shape(
        name="deepseek: blank lines and no body",
        raw="\n\n\n",
        expected=fails("malformed"),
        source="gh deepseek-ai/DeepSeek-R1#314",
    ),
    Shape(
        name="deepseek: no body",
        raw="",
        expected=fails("malformed"),
        source="gh deepseek-ai/DeepSeek-R1#314",
    ),
    Shape(
        name="deepseek: 402",
        body=error("Insufficient Balance", type="unknown_error", param=None, code="invalid_request_error"),
        status=402,
        expected=fails("quota"),
        source=_DEEPSEEK_CODES,
    ),
    Shape(
        name="deepseek: 422",
        body=error("Invalid parameters", type="invalid_request_error", param=None, code="invalid_request_error"),
        status=422,
        expected=fails("request"),
        source=_DEEPSEEK_CODES,
    ),
    Shape(
        name="deepseek: 401",
        body=error("Authentication Fails", type="authentication_error", param=None, code="invalid_request_error"),
        status=401,
        expected=fails("auth"),
        source=_DEEPSEEK_CODES,
    ),
    Shape(
        name="deepseek: 429",
        body=error("Rate Limit Reached", type="rate_limit_error", param=None, code="rate_limit_error"),
        status=429,
        expected=fails("rate_limit"),
        source=_DEEPSEEK_CODES,
    ),
    Shape(
        name="deepseek: 503",
        body=error("Server Overloaded", type="service_unavailable_error", param=None, code=None),
        status=503,
        expected=fails("server"),
        source=_DEEPSEEK_CODES,
    ),
    Shape(
        name="deepseek: insufficient balance inside 200",
        body=error("Insufficient Balance", type="unknown_error", param=None, code="invalid_request_error"),
        expected=fails("quota"),
        source=f"{_DEEPSEEK_CODES} for the text; inside 200 by gateways",
    ),
)

SHAPES = MISTRAL + DEEPSEEK
