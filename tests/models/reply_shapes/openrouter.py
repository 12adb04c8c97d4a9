"""OpenRouter, whose own errors and those of the provider behind it differ."""

from __future__ import annotations

from pytest_selfopt.trial import Json
from tests.models.reply_shapes.shape import (
    IN_30_S_MS,
    Shape,
    answers,
    calls_weather,
    completion,
    error,
    fails,
    said,
)

_NO_TEXT_USAGE: Json = {"prompt_tokens": 12, "completion_tokens": 0, "total_tokens": 12}
_PER_DAY = "Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 free model requests per day"
_PER_MINUTE = "Rate limit exceeded: free-models-per-min."
_MORE_CREDIT = "This request requires more credits, or fewer max_tokens. You requested up to 64 tokens."
_UPSTREAM: Json = {"raw": "served:free is temporarily rate-limited upstream.", "provider_name": "Somewhere"}
_DOCS = "openrouter.ai/docs, Errors and debugging"


def _used(**more: Json) -> Json:
    return {"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17, **more}


_FAILED_INSIDE_200 = (
    Shape(
        name="openrouter: finish_reason error after some text",
        body=completion(
            said("The answer"),
            finish="error",
            error={"code": 502, "message": "Upstream error", "metadata": {"error_type": "provider_unavailable"}},
        ),
        expected=fails("server"),
        source=f"{_DOCS}; gh JetBrains/koog choice.error",
    ),
    Shape(
        name="openrouter: choice with error 429",
        body=completion(said(""), finish="error", error={"code": 429, "message": "Rate limited upstream"}),
        expected=fails("rate_limit"),
        source=f"{_DOCS}; gh spring-ai#6908",
    ),
    Shape(
        name="openrouter: choice with error, finish_reason stop",
        body=completion(said(""), error={"code": 504, "message": "Upstream idle timeout exceeded"}),
        expected=fails("timeout"),
        source="gh spring-ai#6908",
    ),
    Shape(
        name="openrouter: finish_reason error without a word on why",
        body=completion(said("The"), finish="error", native_finish_reason="MALFORMED_RESPONSE"),
        expected=fails("server"),
        source="gh genkit-ai/genkit#6259",
    ),
    Shape(
        name="openrouter: error instead of choices",
        body=error("Provider returned error", code=502, metadata={"provider_name": "Somewhere"}),
        expected=fails("server"),
        source=_DOCS,
    ),
    Shape(
        name="openrouter: error beside choices",
        body={**completion(said("")), **error("Provider returned error", code=503)},
        expected=fails("server"),
        source=_DOCS,
    ),
    Shape(
        name="openrouter: 429 inside 200",
        body={**error("Provider returned error", code=429, metadata=_UPSTREAM), "user_id": "user_1"},
        expected=fails("rate_limit"),
        source="gh open-webui/computer#293",
    ),
    Shape(
        name="openrouter: code as a string inside 200",
        body=error("Provider returned error", code="429"),
        expected=fails("rate_limit"),
        source="gh Saturn#43",
    ),
    Shape(
        name="openrouter: 400 inside 200",
        body=error("Provider returned error", code=400, metadata={"raw": "ERROR", "provider_name": "Somewhere"}),
        expected=fails("request"),
        source=_DOCS,
    ),
    Shape(
        name="openrouter: no credit, inside 200",
        body=error("Insufficient credits", code=402),
        expected=fails("quota"),
        source=_DOCS,
    ),
    Shape(
        name="openrouter: error nested in error",
        body={"error": {"error": {"message": "Insufficient credits", "code": 402}, "code": 402}},
        expected=fails("quota"),
        source="gh tailcallhq/forgecode#571",
    ),
    Shape(
        name="openrouter: empty choices",
        body={**completion(said()), "choices": []},
        expected=fails("malformed"),
        source="openrouter.ai/docs, Errors: when no content is generated",
    ),
    Shape(
        name="openrouter: nothing at all, finish_reason null",
        body=completion(said(""), finish=None, usage=_NO_TEXT_USAGE, native_finish_reason=None),
        expected=fails("empty"),
        source="gh pydantic-ai#3584; openrouter.ai/docs, Errors: when no content is generated",
    ),
    Shape(
        name="openrouter: native finish reason SAFETY",
        body=completion(said(""), finish="content_filter", native_finish_reason="SAFETY"),
        expected=fails("refused"),
        source="openrouter.ai/docs, API reference: finish reason",
    ),
)

_FAILED = (
    Shape(
        name="openrouter: 402 more credits or fewer tokens",
        body=error(_MORE_CREDIT, code=402, metadata={"provider_name": None}),
        status=402,
        expected=fails("quota"),
        source="gh forall#76, openclaude#1125",
    ),
    Shape(
        name="openrouter: 403 flagged by moderation",
        body=error(
            "Input flagged",
            code=403,
            metadata={"reasons": ["violence"], "flagged_input": "Hello", "provider_name": "Somewhere"},
        ),
        status=403,
        expected=fails("refused"),
        source=f"{_DOCS}, moderation errors",
    ),
    Shape(
        name="openrouter: 403 limit of the key",
        body=error("Key limit exceeded (daily limit). Manage it in the settings", code=403),
        status=403,
        expected=fails("quota"),
        source="gh RooCodeInc/Roo-Code#515, MCPJam/inspector#1287",
    ),
    Shape(
        name="openrouter: 403 budget of the workspace",
        body=error(
            "Budget limit exceeded",
            code=403,
            metadata={"limit_source": "openrouter_workspace_budget", "limit_usd": 5, "spend_usd": 5.01},
        ),
        status=403,
        expected=fails("quota"),
        source="developersdigest.tech/errors/api/openrouter: 403 Budget limit exceeded, after openrouter.ai/docs",
    ),
    Shape(
        name="openrouter: 402 of requests in flight, to be retried",
        body=error(
            "Too many requests in flight for the balance",
            code=402,
            metadata={
                "error_type": "payment_required",
                "reason": "in_flight_budget_exhausted",
                "limit_source": "openrouter_in_flight_budget",
            },
        ),
        status=402,
        headers={"Retry-After": "4"},
        expected=fails("rate_limit", 4),
        source="OpenRouterTeam/docs, api_reference/limits.mdx: in-flight spending budget; four source files read",
    ),
    Shape(
        name="openrouter: 403 refusal of the provider",
        body=error("The provider declined.", code=403, metadata={"error_type": "refusal"}),
        status=403,
        expected=fails("refused"),
        source="openrouter.ai/docs, APIErrorType; developersdigest.tech/errors/api/openrouter: 403 refusal",
    ),
    Shape(
        name="openrouter: 400 that is a cut-off",
        body=error("The limit of tokens was reached", code=400, metadata={"error_type": "max_tokens_exceeded"}),
        status=400,
        expected=fails("cut_off"),
        source="openrouter.ai/docs, APIErrorType; developersdigest.tech: 400 max_tokens_exceeded",
    ),
    Shape(
        name="openrouter: 401",
        body=error("No auth credentials found", code=401),
        status=401,
        expected=fails("auth"),
        source=_DOCS,
    ),
    Shape(
        name="openrouter: 429 free models per day",
        body=error(_PER_DAY, code=429, metadata={"headers": {"X-RateLimit-Remaining": "0"}}),
        status=429,
        expected=fails("quota"),
        source="gh openclaude#936",
    ),
    Shape(
        name="openrouter: 429 per minute, reset in a header",
        body=error(_PER_MINUTE, code=429),
        status=429,
        headers={"X-RateLimit-Limit": "20", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": IN_30_S_MS},
        expected=fails("rate_limit", 30, within_s=2),
        source="gh openclaude#936",
    ),
    Shape(
        name="openrouter: 429 per minute, reset in the body",
        body=error(
            _PER_MINUTE,
            code=429,
            metadata={"headers": {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": IN_30_S_MS}},
        ),
        status=429,
        expected=fails("rate_limit", 30, within_s=2),
        source="gh openclaude#936",
    ),
    Shape(
        name="openrouter: 408",
        body=error("Request timed out", code=408),
        status=408,
        expected=fails("timeout"),
        source=_DOCS,
    ),
    Shape(
        name="openrouter: 503 no provider",
        body=error("No available model provider that meets your routing requirements", code=503),
        status=503,
        expected=fails("server"),
        source=_DOCS,
    ),
    Shape(
        name="openrouter: 404 no endpoint with tools",
        body=error("No endpoints found that support tool use.", code=404),
        status=404,
        tools=True,
        expected=fails("request"),
        source="gh fast-agent#122",
    ),
)

_ANSWERED = (
    Shape(
        name="openrouter: cost",
        body=completion(said(), usage=_used(cost=0.95, is_byok=False, cost_details={"upstream_inference_cost": None})),
        expected=answers(cost_usd=0.95),
        source="openrouter.ai/docs, Usage accounting",
    ),
    Shape(
        name="openrouter: cost with a key of one's own",
        body=completion(
            said(),
            usage=_used(
                cost=0.95,
                is_byok=True,
                cost_details={"upstream_inference_cost": 19},
                prompt_tokens_details={"cached_tokens": 4, "cache_write_tokens": 3},
            ),
        ),
        expected=answers(cost_usd=19.95, tokens_cached=4, tokens_cache_write=3),
        source="openrouter.ai/docs, Usage accounting",
    ),
    Shape(
        name="openrouter: reasoning and text",
        body=completion(
            said("42", reasoning="Count.", reasoning_details=[{"type": "reasoning.text", "text": "Count."}]),
            native_finish_reason="STOP",
        ),
        expected=answers("42"),
        source="openrouter.ai/docs, Reasoning tokens",
    ),
    Shape(
        name="openrouter: reasoning only, length",
        body=completion(said("", reasoning="Count."), finish="length", native_finish_reason="max_output_tokens"),
        expected=fails("cut_off"),
        source="openrouter.ai/docs, Reasoning tokens",
    ),
    Shape(
        name="openrouter: reasoning only, stop",
        body=completion(said(None, reasoning="Count."), native_finish_reason="stop"),
        expected=fails("empty"),
        source="openrouter.ai/docs, Reasoning tokens",
    ),
    Shape(
        name="openrouter: tool call with an index",
        body=completion(
            said(
                "",
                tool_calls=[
                    {
                        "index": 0,
                        "id": "tool_0_get_weather",
                        "type": "function",
                        "function": {"name": "get_weather", "arguments": '{"city":"Paris"}'},
                    }
                ],
            ),
            finish="tool_calls",
            native_finish_reason="STOP",
        ),
        tools=True,
        expected=calls_weather(),
        source="openrouter.ai/docs, API reference: response schema",
    ),
)

SHAPES = _FAILED_INSIDE_200 + _FAILED + _ANSWERED
