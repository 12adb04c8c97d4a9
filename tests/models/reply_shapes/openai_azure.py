"""OpenAI and Azure OpenAI, chat completions."""

from __future__ import annotations

from pytest_selfopt.trial import Json
from tests.models.reply_shapes.shape import (
    IN_30_S_HTTP,
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

_THOUGHT: Json = {
    "prompt_tokens": 12,
    "completion_tokens": 64,
    "total_tokens": 76,
    "completion_tokens_details": {"reasoning_tokens": 64},
}
_DETAILED: Json = {
    "prompt_tokens": 12,
    "completion_tokens": 5,
    "total_tokens": 17,
    "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 2, "audio_tokens": 0},
}
_NO_CREDIT = "You exceeded your current quota, please check your plan and billing details."
_TOO_LONG = "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens."
_CUT = "Could not finish the message because max_tokens or model output limit was reached."
_FILTERED = "The response was filtered due to the prompt triggering Azure OpenAI's content management policy."
_FOUND: Json = {"violence": {"filtered": True, "severity": "medium"}}

_SPEND_CODES = (
    "credit_balance_exhausted",
    "organization_usage_limit_exceeded",
    "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded",
)

_SPENT = tuple(
    Shape(
        name=f"openai: 429 {code}",
        body=error("The limit or the balance is used up.", type="insufficient_quota", param=None, code=code),
        status=429,
        expected=fails("quota"),
        source="help.openai.com 5955604, 6614457; developers.openai.com guide Spend limits",
    )
    for code in _SPEND_CODES
)

OPENAI = (
    *_SPENT,
    Shape(
        name="openai: spend limit in the code alone",
        body=error("Spend limit reached.", type="rate_limit_error", code="project_spend_limit_exceeded"),
        status=429,
        expected=fails("quota"),
        source="developers.openai.com guide Spend limits",
    ),
    Shape(
        name="openai: text, cached and reasoning tokens",
        body=completion(said(refusal=None, annotations=[]), usage=_DETAILED),
        expected=answers(tokens_cached=4, tokens_reasoning=2, finish_reason="stop", served_model="served"),
        source="OpenAI API reference, chat completion object",
    ),
    Shape(
        name="openai: refusal",
        body=completion(said(None, refusal="I'm sorry, I cannot assist with that request.")),
        expected=fails("refused"),
        source="OpenAI guide Structured outputs, refusals",
    ),
    Shape(
        name="openai: length, thought only",
        body=completion(said("", refusal=None), finish="length", usage=_THOUGHT),
        expected=fails("cut_off"),
        source="gh covan-ai/covan#112, async-openai#424, CoursIA#8454",
    ),
    Shape(
        name="openai: stop, content null",
        body=completion(said(None, refusal=None), usage=_THOUGHT),
        expected=fails("empty"),
        source="gh AstrBotDevs/AstrBot#7410, CoursIA#3571",
    ),
    Shape(
        name="openai: length with text",
        body=completion(said("The answer is"), finish="length"),
        expected=answers("The answer is", finish_reason="length"),
        source="OpenAI API reference, finish_reason",
    ),
    Shape(
        name="openai: finish_reason null with text",
        body=completion(said(), finish=None),
        expected=answers(),
        source="gh openai/openai-openapi#20",
    ),
    Shape(
        name="openai: content_filter, empty",
        body=completion(said(""), finish="content_filter"),
        expected=fails("refused"),
        source="OpenAI API reference, finish_reason",
    ),
    Shape(
        name="openai: content_filter after some text",
        body=completion(said("First you"), finish="content_filter"),
        expected=fails("refused"),
        source="OpenAI API reference, finish_reason",
    ),
    Shape(
        name="openai: error null beside choices",
        body={**completion(said()), "error": None},
        expected=answers(),
        source="gh BerriAI/litellm#32394",
    ),
    Shape(
        name="openai: tool call",
        body=completion(said(None, tool_calls=[called()]), finish="tool_calls"),
        tools=True,
        expected=calls_weather(),
        source="OpenAI API reference, tool_calls",
    ),
    Shape(
        name="openai: tool call, finish_reason stop",
        body=completion(said(None, tool_calls=[called()])),
        tools=True,
        expected=calls_weather(),
        source="OpenAI guide Function calling: a forced call ends with stop",
    ),
    Shape(
        name="openai: arguments cut off at the limit",
        body=completion(said(None, tool_calls=[called('{"city": "Pa')]), finish="length"),
        tools=True,
        expected=misses(),
        source="gh MiqroForge-Desktop#1100",
    ),
    Shape(
        name="openai: finish_reason tool_calls without a call",
        body=completion(said(None, tool_calls=None), finish="tool_calls"),
        tools=True,
        expected=fails("empty"),
        source="a note 'finish_reason Analysis for Tool Call Completion' found by search (corpus code)",
    ),
    Shape(
        name="openai: function_call of the legacy API",
        body=completion(
            said(None, function_call={"name": "get_weather", "arguments": '{"city": "Paris"}'}), finish="function_call"
        ),
        tools=True,
        expected=calls_weather(),
        source="OpenAI API reference, function_call (deprecated); OpenRouter docs, FinishReason",
    ),
    Shape(
        name="openai: 429 insufficient_quota",
        body=error(_NO_CREDIT, type="insufficient_quota", param=None, code="insufficient_quota"),
        status=429,
        expected=fails("quota"),
        source="gh Pythagora-io/gpt-pilot#340, NextChat#3123",
    ),
    Shape(
        name="openai: 429 insufficient_quota in type alone",
        body=error(_NO_CREDIT, type="insufficient_quota", param=None, code=None),
        status=429,
        expected=fails("quota"),
        source="gh ChatGPTAPIFree#16, NextChat#1792",
    ),
    Shape(
        name="openai: 429 tokens, reset of what is exhausted",
        body=error("Rate limit reached on tokens per min (TPM)", type="tokens", param=None, code="rate_limit_exceeded"),
        status=429,
        headers={
            "x-ratelimit-remaining-requests": "499",
            "x-ratelimit-reset-requests": "120ms",
            "x-ratelimit-remaining-tokens": "0",
            "x-ratelimit-reset-tokens": "6m0s",
        },
        expected=fails("rate_limit", 360),
        source="gh MetaGPT#523, continue#11472; OpenAI guide Rate limits, headers",
    ),
    Shape(
        name="openai: 429, nothing is exhausted",
        body=error("Rate limit reached", type="tokens", param=None, code="rate_limit_exceeded"),
        status=429,
        headers={
            "x-ratelimit-remaining-requests": "10",
            "x-ratelimit-reset-requests": "12ms",
            "x-ratelimit-remaining-tokens": "900",
            "x-ratelimit-reset-tokens": "1s",
        },
        expected=fails("rate_limit", 0.012),
        source="OpenAI guide Rate limits, headers",
    ),
    Shape(
        name="openai: 429 with retry-after-ms",
        body=error("Rate limit reached", type="requests", param=None, code="rate_limit_exceeded"),
        status=429,
        headers={"retry-after-ms": "520"},
        expected=fails("rate_limit", 0.52),
        source="openai-python, _base_client.py: retry-after-ms",
    ),
    Shape(
        name="openai: 429 with a date",
        body=error("Rate limit reached", type="requests", param=None, code="rate_limit_exceeded"),
        status=429,
        headers={"Retry-After": IN_30_S_HTTP},
        expected=fails("rate_limit", 30, within_s=2),
        source="RFC 9110, Retry-After; openai-python, _base_client.py",
    ),
    Shape(
        name="openai: 500 server_error",
        body=error(
            "The server had an error while processing your request.", type="server_error", param=None, code=None
        ),
        status=500,
        expected=fails("server"),
        source="OpenAI guide Error codes",
    ),
    Shape(
        name="openai: 503 overloaded",
        body=error("Our servers are overloaded.", type="service_unavailable_error", code="server_is_overloaded"),
        status=503,
        expected=fails("server"),
        source="gh openai/codex#43337",
    ),
    Shape(
        name="openai: overloaded inside 200",
        body={
            "type": "error",
            "error": {"type": "service_unavailable_error", "code": "server_is_overloaded", "message": "Overloaded."},
        },
        expected=fails("server"),
        source="gh openai/codex#43337",
    ),
    Shape(
        name="openai: 400 that is a cut-off",
        body=error(f"{_CUT} Please try again with higher max_tokens.", type="invalid_request_error", param=None),
        status=400,
        expected=fails("cut_off"),
        source="gh goclaw#245, openai-python#2886 (by #3182)",
    ),
    Shape(
        name="openai: 400 unsupported parameter of our request",
        body=error(
            "Unsupported parameter: 'max_tokens' is not supported with this model.",
            type="invalid_request_error",
            param="max_tokens",
            code="unsupported_parameter",
        ),
        status=400,
        expected=fails("request"),
        source="gh ai_automation_suggester#38, YPrompt#26; answered likewise to the second attempt",
    ),
    Shape(
        name="openai: 400 context length",
        body=error(_TOO_LONG, type="invalid_request_error", param="messages", code="context_length_exceeded"),
        status=400,
        expected=fails("request"),
        source="MicrosoftDocs/azure-ai-docs, models.md (quoted errors)",
    ),
    Shape(
        name="openai: 401 wrong key",
        body=error("Incorrect API key provided.", type="invalid_request_error", param=None, code="invalid_api_key"),
        status=401,
        expected=fails("auth"),
        source="OpenAI guide Error codes",
    ),
    Shape(
        name="openai: 404 responses only",
        body=error(
            "This model is only supported in v1/responses.", type="invalid_request_error", param="model", code=None
        ),
        status=404,
        expected=fails("request"),
        source="gh tmuxai#82",
    ),
    Shape(
        name="openai: flat detail",
        body={"detail": "Unsupported parameter: temperature"},
        status=400,
        expected=fails("request"),
        source="gh akitaonrails/ai-memory#851, openai/codex#6603",
    ),
    Shape(
        name="openai: flat detail inside 200",
        body={"detail": "Internal server error"},
        expected=fails("server"),
        source="gh lfnovo/open-notebook#107 (a proxy's detail); inside 200 by the issue's decision",
    ),
    Shape(
        name="openai: bad gateway as a page",
        raw="<html><head><title>502 Bad Gateway</title></head></html>",
        status=502,
        expected=fails("server"),
        source="Cloudflare in front of most providers (cf-ray in gh groq-typescript#28)",
    ),
    Shape(
        name="openai: page inside 200",
        raw="<html><body>Just a moment...</body></html>",
        expected=fails("malformed"),
        source="Cloudflare's challenge page, sent by gateways with 200",
    ),
)

AZURE = (
    Shape(
        name="azure: filter results beside an answer",
        body=completion(said(), content_filter_results={"hate": {"filtered": False, "severity": "safe"}}),
        expected=answers(),
        source="Microsoft Learn, Azure OpenAI content filtering",
    ),
    Shape(
        name="azure: content_filter, message without content",
        body=completion({"role": "assistant"}, finish="content_filter", content_filter_results=_FOUND),
        expected=fails("refused"),
        source="Microsoft Learn, Azure OpenAI content filtering",
    ),
    Shape(
        name="azure: 400 prompt filtered",
        body=error(
            _FILTERED,
            type=None,
            param="prompt",
            code="content_filter",
            status=400,
            innererror={"code": "ResponsibleAIPolicyViolation", "content_filter_result": _FOUND},
        ),
        status=400,
        expected=fails("refused"),
        source="gh compl-ai#20, openai-dotnet#55, helm#3327",
    ),
    Shape(
        name="azure: 429, code a numeric string",
        body=error("Requests have exceeded call rate limit. Please retry after 22 seconds.", code="429"),
        status=429,
        headers={"retry-after": "22", "retry-after-ms": "22000"},
        expected=fails("rate_limit", 22),
        source="gh TinyLLM#17, copilot-camp#551",
    ),
    Shape(
        name="azure: 401, flat",
        body={"statusCode": 401, "message": "Access denied due to invalid subscription key or wrong API endpoint."},
        status=401,
        expected=fails("auth"),
        source="gh openai/codex#1354",
    ),
    Shape(
        name="azure: 404 deployment",
        body=error("The API deployment for this resource does not exist.", code="DeploymentNotFound"),
        status=404,
        expected=fails("request"),
        source="Microsoft Learn, Azure OpenAI errors",
    ),
    Shape(
        name="azure: 400, flat, code a number",
        body={"requestid": "1", "code": 400, "message": "Validation error at #/max_completion_tokens"},
        status=400,
        expected=fails("request"),
        source="learn.microsoft.com/answers/questions/5555284",
    ),
)

SHAPES = OPENAI + AZURE
