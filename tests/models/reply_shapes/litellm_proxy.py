"""The LiteLLM proxy, which wraps the errors of providers into its own sentences."""

from __future__ import annotations

from pytest_selfopt.trial import Json
from tests.models.reply_shapes.shape import (
    Shape,
    answers,
    claude_error,
    completion,
    error,
    fails,
    misses,
    said,
)

_TAIL = ". Received Model Group=served\nAvailable Model Group Fallbacks=None"
_UNSUPPORTED = "litellm.UnsupportedParamsError: openai does not support parameters: ['temperature'], for model=served."
_CREDIT = (
    'litellm.BadRequestError: AnthropicException - {"type":"error","error":{"type":"invalid_request_error",'
    '"message":"Your credit balance is too low to access the Anthropic API."}}'
)
_GROQ = (
    'litellm.BadRequestError: GroqException - {"error":{"message":"Failed to call a function.",'
    '"type":"invalid_request_error","code":"tool_use_failed","failed_generation":"get_weather{"}}\n'
)
_LLAMA_CPP = (
    "litellm.InternalServerError: InternalServerError: Custom_openaiException - Failed to parse tool call arguments"
    " as JSON: [json.exception.parse_error.101] parse error at line 1, column 131"
)
_NO_QUOTA = (
    "litellm.RateLimitError: RateLimitError: OpenAIException - You exceeded your current quota, please check your plan"
    " and billing details."
)
_FILTERED = (
    "litellm.BadRequestError: litellm.ContentPolicyViolationError: AzureException - The response was filtered due to"
    " the prompt triggering Azure OpenAI's content management policy."
)
_SUSPENDED = "litellm.APIError: APIError: Fireworks_aiException - Account is suspended, monthly spending limit reached"


def _failed(name: str, status: int, message: str, expected: str, source: str, kind: str = "None") -> Shape:
    body = error(message, type=kind, param="None", code=str(status))
    return Shape(name=f"litellm: {name}", body=body, status=status, expected=fails(expected), source=source)


def _missed(name: str, status: int, message: str, source: str) -> Shape:
    body = error(message + _TAIL, type=None, param=None, code=str(status))
    expected = misses(tokens=(None, None))
    return Shape(name=f"litellm: {name}", body=body, status=status, tools=True, expected=expected, source=source)


_FAILED = (
    _failed("400 unsupported parameter", 400, _UNSUPPORTED, "request", "gh standard-agent#31"),
    _failed(
        "401 wrong key",
        401,
        "Authentication Error, Invalid proxy server token passed.",
        "auth",
        "docs.litellm.ai, Virtual keys",
        "auth_error",
    ),
    _failed(
        "429 budget of the key",
        429,
        "Budget has been exceeded! Current cost: 5.1, Max budget: 5.0",
        "quota",
        "gh OpenCRE#1102; docs.litellm.ai, Budgets",
        "budget_exceeded",
    ),
    _failed(
        "400 budget of the key",
        400,
        "Budget has been exceeded! Current cost: 5.1, Max budget: 5.0",
        "quota",
        "gh BerriAI/litellm#14144",
        "budget_exceeded",
    ),
    _failed(
        "400 budget of the end user",
        400,
        "ExceededBudget: End User=u over budget. Spend=5.1, Budget=5.0",
        "quota",
        "docs.litellm.ai, Budgets: customers",
        "budget_exceeded",
    ),
    _failed(
        "429 budget of the deployments",
        429,
        "No deployments available - crossed budget: Exceeded budget for deployment model_name: served",
        "quota",
        "docs.litellm.ai, Budget routing",
    ),
    _failed(
        "429 all deployments cool down",
        429,
        "No deployments available for selected model, Try again in 60 seconds. Passed model=served.",
        "rate_limit",
        "docs.litellm.ai, Routing: cooldowns",
    ),
    _failed(
        "500", 500, "litellm.InternalServerError: OpenAIException - Connection error.", "server", "gh litellm#36881"
    ),
    _failed("400 wrapping a credit balance", 400, _CREDIT + _TAIL, "quota", "gh claude-quickstarts#229, wrapped"),
    _failed("429 wrapping a quota", 429, _NO_QUOTA + _TAIL, "quota", "docs.litellm.ai, Exception mapping"),
    _failed("400 wrapping a content filter", 400, _FILTERED + _TAIL, "refused", "gh BerriAI/litellm#16231"),
    _failed("412 wrapping a suspension", 412, _SUSPENDED, "quota", "gh wayland#545"),
    _missed("400 wrapping tool_use_failed", 400, _GROQ, "gh huggingface/smolagents#1119"),
    _missed("500 wrapping a failed parse", 500, _LLAMA_CPP, "gh vxcontrol/pentagi#313"),
)

_THOUGHTS: Json = [{"type": "thinking", "thinking": "Count.", "signature": "c2ln"}]

_INSIDE_200 = (
    Shape(
        name="litellm: choices null",
        body={**completion(said()), "choices": None},
        expected=fails("malformed"),
        source="gh 9router#2727",
    ),
    Shape(
        name="litellm: choices empty",
        body={**completion(said()), "choices": []},
        expected=fails("malformed"),
        source="gh BerriAI/litellm#40477",
    ),
    Shape(
        name="litellm: error of Anthropic's form inside 200",
        body=claude_error("overloaded_error", "Overloaded"),
        expected=fails("server"),
        source="gh BerriAI/litellm#30385, #39037 for the mixed forms",
    ),
    Shape(
        name="litellm: code as a string inside 200",
        body=error("litellm.Timeout: APITimeoutError - Request timed out.", type=None, param=None, code="408"),
        expected=fails("timeout"),
        source="docs.litellm.ai, Exception mapping: timeout",
    ),
    Shape(
        name="litellm: thinking blocks beside text",
        body=completion(
            said("42", reasoning_content="Count.", thinking_blocks=_THOUGHTS, function_call=None, tool_calls=None)
        ),
        expected=answers("42"),
        source="docs.litellm.ai, Reasoning content",
    ),
    Shape(
        name="litellm: everything is null",
        body=completion(said(None, function_call=None, tool_calls=None), usage=None),
        expected=fails("empty"),
        source="gh BerriAI/litellm#36881",
    ),
)

SHAPES = _FAILED + _INSIDE_200
