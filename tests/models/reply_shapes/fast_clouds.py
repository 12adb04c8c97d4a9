"""Groq, Cerebras, Together and Fireworks."""

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

_CALL_FAILED = "Failed to call a function. Please adjust your prompt. See 'failed_generation' for more details."
_NOT_OFFERED = "Tool call validation failed: attempted to call tool 'search' which was not in request.tools"
_NO_JSON = "Failed to generate JSON. Please adjust your prompt. See 'failed_generation' for more details."
_PER_DAY = (
    "Rate limit reached for model `served` on tokens per day (TPD): Limit 100000, Used 99500, Requested 900."
    " Please try again in 9m38.016s."
)
_PER_MINUTE = "Rate limit reached for model `served` on tokens per minute (TPM): Limit 6000, Used 5500, Requested 900."
_GROQ_CODES = "console.groq.com/docs/errors"
_GROQ_LIMITS = "console.groq.com/docs/rate-limits"
_SUSPENDED = "Account acme is suspended, possibly due to reaching the monthly spending limit or failure to pay."


def _failed_generation(
    name: str, message: str, code: str, generation: str, source: str, *, tools: bool = True
) -> Shape:
    body = error(message, type="invalid_request_error", code=code, failed_generation=generation)
    expected = misses(tokens=(None, None))
    return Shape(name=name, body=body, status=400, tools=tools, expected=expected, source=source)


def _groq_limit(name: str, message: str, kind: str, wait_s: float | None, source: str, **headers: str) -> Shape:
    body = error(message, type="tokens", code="rate_limit_exceeded")
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    return Shape(name=name, body=body, status=429, headers=named, expected=fails(kind, wait_s), source=source)


GROQ = (
    _failed_generation(
        "groq: tool_use_failed",
        _CALL_FAILED,
        "tool_use_failed",
        '<function=get_weather{"city": "Paris"}</function>',
        "gh groq-typescript#28, #103",
    ),
    _failed_generation(
        "groq: call of a tool that was not offered",
        _NOT_OFFERED,
        "tool_use_failed",
        '{"name": "search", "arguments": {"query": "Paris"}}',
        "gh mastra-ai/mastra#9688, groq-typescript#103",
    ),
    Shape(
        name="groq: call that does not match the schema",
        body={
            "request_id": "req_1",
            "error": {
                "message": "tool call validation failed: parameters for tool get_weather did not match schema",
                "type": "invalid_request_error",
                "param": "",
                "code": "tool_use_failed",
            },
        },
        status=400,
        tools=True,
        expected=misses(tokens=(None, None)),
        source="gh ha-groq-cloud-api#20",
    ),
    _failed_generation(
        "groq: json_validate_failed",
        _NO_JSON,
        "json_validate_failed",
        '{"tool": "get_weather", "arg',
        "gh amurex-backend#38",
        tools=False,
    ),
    _groq_limit("groq: 429 tokens per day", _PER_DAY, "quota", None, "gh continue#10920", retry_after="578"),
    _groq_limit("groq: 429 tokens per minute", _PER_MINUTE, "rate_limit", 5, _GROQ_LIMITS, retry_after="5"),
    _groq_limit(
        "groq: 429, reset of the requests",
        "Rate limit reached for model `served`.",
        "rate_limit",
        179.56,
        _GROQ_LIMITS,
        x_ratelimit_remaining_requests="0",
        x_ratelimit_reset_requests="2m59.56s",
        x_ratelimit_remaining_tokens="5000",
        x_ratelimit_reset_tokens="7.66s",
    ),
    Shape(
        name="groq: 413 larger than the limit per minute",
        body=error("Request too large for model `served`", type="tokens", code="rate_limit_exceeded"),
        status=413,
        expected=fails("request"),
        source="gh ha-groq#27",
    ),
    Shape(
        name="groq: 498 flex capacity",
        body=error("Flex tier capacity exceeded", type="invalid_request_error", code="capacity_exceeded"),
        status=498,
        expected=fails("rate_limit"),
        source=_GROQ_CODES,
    ),
    Shape(
        name="groq: 503",
        body=error("Service Unavailable", type="internal_server_error"),
        status=503,
        expected=fails("server"),
        source=_GROQ_CODES,
    ),
    Shape(
        name="groq: 400 unsupported property",
        body=error(
            "'messages.0' : for 'role:user' the following must be satisfied[(property 'x' is unsupported)]",
            type="invalid_request_error",
        ),
        status=400,
        expected=fails("request"),
        source="gh janhq/jan#8136, freellmapi#1070",
    ),
    Shape(
        name="groq: call beside an empty list as content",
        body=completion(said([], tool_calls=[called(call_id="fc_1")]), finish="tool_calls"),
        tools=True,
        expected=calls_weather(),
        source="gh 0xPlaygrounds/rig#1136",
    ),
    Shape(
        name="groq: reasoning and text, times in the usage",
        body=completion(
            said("42", reasoning="Count."),
            usage={
                "queue_time": 0.1,
                "prompt_tokens": 12,
                "prompt_time": 0.001,
                "completion_tokens": 5,
                "completion_time": 0.02,
                "total_tokens": 17,
                "total_time": 0.021,
            },
        ),
        expected=answers("42"),
        source="console.groq.com/docs/reasoning",
    ),
    Shape(
        name="groq: reasoning only, content missing",
        body=completion({"role": "assistant", "reasoning": "Count."}, finish="length"),
        expected=fails("cut_off"),
        source="console.groq.com/docs/reasoning",
    ),
)

CEREBRAS = (
    Shape(
        name="cerebras: 429, flat",
        body={
            "message": "Tokens per minute limit exceeded - too many tokens processed.",
            "type": "too_many_tokens_error",
            "param": "quota",
            "code": "token_quota_exceeded",
        },
        status=429,
        headers={"x-ratelimit-reset-tokens-minute": "11.38"},
        expected=fails("rate_limit"),
        source="gh continue#9800, opencode#7463; inference-docs.cerebras.ai, Rate limits",
    ),
    Shape(
        name="cerebras: 429 requests per minute, called a quota",
        body={
            "message": "Requests per minute limit exceeded - too many requests sent.",
            "type": "too_many_requests_error",
            "param": "quota",
            "code": "request_quota_exceeded",
        },
        status=429,
        expected=fails("rate_limit"),
        source="gh nminaya/grammar-nazi-bot#958",
    ),
    Shape(
        name="cerebras: 400, flat",
        body={
            "message": "body.messages.0.content: Input should be a valid string",
            "type": "invalid_request_error",
            "param": "validation_error",
            "code": "wrong_api_format",
        },
        status=400,
        expected=fails("request"),
        source="gh chatwise#1442, kilocode#10375",
    ),
    Shape(
        name="cerebras: 401, flat",
        body={"message": "Wrong API Key", "type": "invalid_request_error", "param": "api_key", "code": "wrong_api_key"},
        status=401,
        expected=fails("auth"),
        source="inference-docs.cerebras.ai, Error codes: 401; the code after wrong_api_format",
    ),
    Shape(
        name="cerebras: 429 inside 200, flat",
        body={"message": "Requests per minute limit exceeded", "type": "too_many_requests_error", "code": "429"},
        expected=fails("rate_limit"),
        source="gh opencode#7463 for the form; inside 200 by gateways",
    ),
    Shape(
        name="cerebras: time_info beside an answer",
        body={**completion(said()), "time_info": {"queue_time": 0.0001, "total_time": 0.01}},
        expected=answers(),
        source="inference-docs.cerebras.ai, Chat completions",
    ),
)

_LIMIT_REACHED: Json = {"message": "Credit limit exceeded.", "type": "credit_limit", "param": None, "code": None}

TOGETHER = (
    Shape(
        name="together: 402",
        body={"id": "abc-1", "error": _LIMIT_REACHED},
        status=402,
        expected=fails("quota"),
        source="gh edsl#2098",
    ),
    Shape(
        name="together: credit_limit inside 200",
        body={"id": "abc-1", "error": _LIMIT_REACHED},
        expected=fails("quota"),
        source="gh edsl#2098 for the body; inside 200 by gateways",
    ),
    Shape(
        name="together: 403 that is about the length",
        body=error("Input token count + max_tokens must be less than the context length", type="invalid_request_error"),
        status=403,
        expected=fails("request"),
        source="docs.together.ai, Error codes: 403",
    ),
    Shape(
        name="together: finish_reason eos",
        body=completion(said(tool_calls=[]), finish="eos", seed=1, logprobs=None),
        expected=answers(finish_reason="stop"),
        source="docs.together.ai, API: finish_reason",
    ),
    Shape(
        name="together: finish_reason error",
        body=completion(said("The"), finish="error"),
        expected=fails("server"),
        source="gh together-python#153",
    ),
    Shape(
        name="together: 503",
        body=error("The server is currently unavailable", type="service_unavailable", code="service_unavailable"),
        status=503,
        expected=fails("server"),
        source="docs.together.ai, Error codes",
    ),
    Shape(
        name="together: 524 as a page",
        raw="<html><head><title>524: A timeout occurred</title></head></html>",
        status=524,
        expected=fails("server"),
        source="docs.together.ai, Error codes: 524",
    ),
)

FIREWORKS = (
    Shape(
        name="fireworks: 412 suspended",
        body=error(_SUSPENDED, code="PRECONDITION_FAILED", object="error"),
        status=412,
        expected=fails("quota"),
        source="gh pollinations#12136, amd/gaia#3766",
    ),
    Shape(
        name="fireworks: cached tokens",
        body=completion(
            said(),
            usage={
                "prompt_tokens": 12,
                "total_tokens": 17,
                "completion_tokens": 5,
                "prompt_tokens_details": {"cached_tokens": 8},
            },
        ),
        expected=answers(tokens_cached=8),
        source="docs.fireworks.ai, Prompt caching",
    ),
)

SHAPES = GROQ + CEREBRAS + TOGETHER + FIREWORKS
