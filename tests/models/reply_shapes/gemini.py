"""Gemini through its OpenAI-compatible endpoint, which wraps errors into a list."""

from __future__ import annotations

import json

from pytest_selfopt.trial import Json
from tests.models.reply_shapes.shape import (
    Shape,
    answers,
    called,
    calls_weather,
    completion,
    fails,
    misses,
    said,
)

_TYPE = "type.googleapis.com/google.rpc"
_EXCEEDED = "You exceeded your current quota, please check your plan and billing details."
_PER_MINUTE = "GenerateRequestsPerMinutePerProjectPerModel-FreeTier"
_PER_DAY = "GenerateRequestsPerDayPerProjectPerModel-FreeTier"


def _listed(code: int, status: str, message: str, *details: Json) -> Json:
    error: dict[str, Json] = {"code": code, "message": message, "status": status}
    if details:
        error["details"] = list(details)
    return [{"error": error}]


def _violated(quota: str) -> Json:
    violation: Json = {"quotaMetric": "generate_content_free_tier_requests", "quotaId": quota, "quotaValue": "10"}
    return {"@type": f"{_TYPE}.QuotaFailure", "violations": [violation]}


def _retry(delay: str) -> Json:
    return {"@type": f"{_TYPE}.RetryInfo", "retryDelay": delay}


def _used(tokens_in: int, tokens_out: int, total: int, **more: Json) -> Json:
    return {"prompt_tokens": tokens_in, "completion_tokens": tokens_out, "total_tokens": total, **more}


_BAD_KEY = _listed(
    400,
    "INVALID_ARGUMENT",
    "API key not valid. Please pass a valid API key.",
    {"@type": f"{_TYPE}.ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"},
)
_BUSY: Json = {
    "code": 429,
    "message": "Resource has been exhausted (e.g. check quota).",
    "status": "RESOURCE_EXHAUSTED",
}
_DEPLETED = "Your prepayment credits are depleted."
_OVERLOADED = _listed(503, "UNAVAILABLE", "The model is overloaded. Please try again later.")

_FAILED = (
    Shape(
        name="gemini: 429 per minute, with a delay",
        body=_listed(429, "RESOURCE_EXHAUSTED", _EXCEEDED, _violated(_PER_MINUTE), _retry("34.07s")),
        status=429,
        expected=fails("rate_limit", 34.07),
        source="gh google-gemini/gemini-cli#8437, continue#9570",
    ),
    Shape(
        name="gemini: 429 per day",
        body=_listed(429, "RESOURCE_EXHAUSTED", _EXCEEDED, _violated(_PER_DAY), _retry("27s")),
        status=429,
        expected=fails("quota"),
        source="gh google-gemini/gemini-cli#8437, continue#9570",
    ),
    Shape(
        name="gemini: 429 without details",
        body=_listed(429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota)."),
        status=429,
        expected=fails("rate_limit"),
        source="ai.google.dev/gemini-api/docs/troubleshooting; Vertex AI sends the same when it is busy",
    ),
    Shape(
        name="gemini: 429 per minute, called a quota",
        body={
            "error": {
                "code": 429,
                "message": "Quota exceeded for aiplatform.googleapis.com/online_prediction_input_tokens_per_minute.",
                "status": "RESOURCE_EXHAUSTED",
            }
        },
        status=429,
        expected=fails("rate_limit"),
        source="gh anthropics/claude-code#1440 (Vertex AI)",
    ),
    Shape(
        name="gemini: 429 prepaid credit",
        body=_listed(429, "RESOURCE_EXHAUSTED", f"{_DEPLETED} Manage your project and billing."),
        status=429,
        expected=fails("quota"),
        source="discuss.ai.google.dev 169216, 170374 and others",
    ),
    Shape(
        name="gemini: 402 prepaid credit",
        body=_listed(402, "RESOURCE_EXHAUSTED", f"{_DEPLETED} Manage your project and billing."),
        status=402,
        expected=fails("quota"),
        source="discuss.ai.google.dev 183654: now 402 instead of 429",
    ),
    Shape(
        name="gemini: 429 as JSON in the message, inside 200",
        body={"error": {"message": json.dumps({"error": _BUSY}), "code": 429, "status": "Too Many Requests"}},
        expected=fails("rate_limit"),
        source="gh google-gemini/gemini-cli#1906, continue#10560",
    ),
    Shape(
        name="gemini: 503 overloaded",
        body=_OVERLOADED,
        status=503,
        expected=fails("server"),
        source="gh google-gemini/gemini-cli#5191",
    ),
    Shape(
        name="gemini: 500",
        body=_listed(500, "INTERNAL", "An internal error has occurred. Please retry."),
        status=500,
        expected=fails("server"),
        source="ai.google.dev/gemini-api/docs/troubleshooting",
    ),
    Shape(
        name="gemini: 504",
        body=_listed(504, "DEADLINE_EXCEEDED", "Deadline expired before operation could complete."),
        status=504,
        expected=fails("timeout"),
        source="ai.google.dev/gemini-api/docs/troubleshooting",
    ),
    Shape(
        name="gemini: 400 wrong key",
        body=_BAD_KEY,
        status=400,
        expected=fails("auth"),
        source="gh continue#10290",
    ),
    Shape(
        name="gemini: 403",
        body=_listed(403, "PERMISSION_DENIED", "Your project has been denied access."),
        status=403,
        expected=fails("auth"),
        source="ai.google.dev/gemini-api/docs/troubleshooting",
    ),
    Shape(
        name="gemini: 400 unknown name",
        body=_listed(400, "INVALID_ARGUMENT", 'Invalid JSON payload received. Unknown name "seed": Cannot find field.'),
        status=400,
        expected=fails("request"),
        source="gh ChatterUI#227",
    ),
    Shape(
        name="gemini: 400 location",
        body=_listed(400, "FAILED_PRECONDITION", "User location is not supported for the API use."),
        status=400,
        expected=fails("request"),
        source="gh openai-gemini#4",
    ),
    Shape(
        name="gemini: list with 429 inside 200",
        body=_listed(429, "RESOURCE_EXHAUSTED", "Resource has been exhausted."),
        expected=fails("rate_limit"),
        source="gh continue#9570 for the body; inside 200 by gateways",
    ),
    Shape(
        name="gemini: list with 503 inside 200",
        body=_OVERLOADED,
        expected=fails("server"),
        source="gh google-gemini/gemini-cli#5191 for the body; inside 200 by gateways",
    ),
    Shape(
        name="gemini: error that is no list, code text alone",
        body={"error": {"status": "RESOURCE_EXHAUSTED", "message": "Resource has been exhausted."}},
        expected=fails("rate_limit"),
        source="ai.google.dev/gemini-api/docs/troubleshooting; inside 200 by gateways",
    ),
)

_NO_TEXT = (
    Shape(
        name="gemini: message without content, length",
        body=completion({"role": "assistant"}, finish="length", usage=_used(12, 0, 76)),
        expected=fails("cut_off"),
        source="gh google/generative-ai-docs#235, litellm#36881",
    ),
    Shape(
        name="gemini: choice without message, length",
        body={"choices": [{"index": 0, "finish_reason": "length"}], "usage": _used(12, 0, 76)},
        expected=fails("cut_off"),
        source="gh google/generative-ai-docs#235, litellm#40477",
    ),
    Shape(
        name="gemini: message without content, stop",
        body=completion({"role": "assistant"}, usage=_used(12, 0, 12)),
        expected=fails("empty"),
        source="gh litellm#36881",
    ),
    Shape(
        name="gemini: malformed call, prefixed finish reason",
        body=completion(
            {"role": "assistant"},
            finish="function_call_filter: MALFORMED_FUNCTION_CALL",
            usage=_used(910, 0, 910),
        ),
        tools=True,
        expected=misses(tokens=(910, 0)),
        source="source files found by find_string 'function_call_filter: MALFORMED_FUNCTION_CALL'",
    ),
    Shape(
        name="gemini: malformed call, bare finish reason",
        body=completion(said(""), finish="MALFORMED_FUNCTION_CALL"),
        tools=True,
        expected=misses(),
        source="ai.google.dev/api/generate-content, FinishReason",
    ),
    Shape(
        name="gemini: SAFETY",
        body=completion({"role": "assistant"}, finish="SAFETY"),
        expected=fails("refused"),
        source="gh llmgateway#2218, HKUDS/Vibe-Trading#308: the enum of Gemini itself, in capitals",
    ),
    Shape(
        name="gemini: RECITATION after some text",
        body=completion(said("To be, or"), finish="RECITATION"),
        expected=fails("refused"),
        source="gh neuron-ai#447; ai.google.dev/api/generate-content, FinishReason",
    ),
    Shape(
        name="gemini: prompt refused, choice without message",
        body={
            "choices": [{"index": 0, "finish_reason": "content_filter: PROHIBITED_CONTENT"}],
            "usage": _used(12, 0, 12),
        },
        expected=fails("refused"),
        source="ten source files found by find_string 'content_filter: PROHIBITED_CONTENT' (RavenDB, sub2api, …)",
    ),
)

_ANSWERED = (
    Shape(
        name="gemini: thinking only in the total",
        body=completion(said("42"), usage=_used(20, 198, 623)),
        expected=answers("42", tokens=(20, 603)),
        source="gh mozilla-ai/any-llm#1290",
    ),
    Shape(
        name="gemini: completion 0, all in the total",
        body=completion(said("42"), usage=_used(21, 0, 81, completion_tokens_details={"reasoning_tokens": 60})),
        expected=answers("42", tokens=(21, 60), tokens_reasoning=60),
        source="gh CLIProxyAPI#5733",
    ),
    Shape(
        name="gemini: reasoning beside the completion, no total",
        body=completion(
            said("42"),
            usage={
                "prompt_tokens": 20,
                "completion_tokens": 198,
                "completion_tokens_details": {"reasoning_tokens": 405},
            },
        ),
        expected=answers("42", tokens=(20, 603), tokens_reasoning=405),
        source="gh mozilla-ai/any-llm#1290",
    ),
    Shape(
        name="gemini: call with a thought signature",
        body=completion(
            {"role": "assistant", "tool_calls": [called(extra_content={"google": {"thought_signature": "c2ln"}})]},
            finish="tool_calls",
        ),
        tools=True,
        expected=calls_weather(),
        source="gh dayu-agent#45; ai.google.dev/gemini-api/docs/openai",
    ),
    Shape(
        name="gemini: call with an empty id",
        body=completion({"role": "assistant", "tool_calls": [called(call_id="")]}, finish="stop"),
        tools=True,
        expected=calls_weather(),
        source="gh vercel/ai#7834, camel-ai/camel#3027",
    ),
)

SHAPES = _FAILED + _NO_TEXT + _ANSWERED
