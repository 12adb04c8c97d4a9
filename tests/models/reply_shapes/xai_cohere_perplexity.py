"""xAI, Cohere's compatibility API and Perplexity."""

from __future__ import annotations

from tests.models.reply_shapes.shape import (
    USAGE,
    Shape,
    answers,
    called,
    calls_weather,
    completion,
    fails,
    said,
)

_SPENT = (
    "Your team has either used all available credits or reached its monthly spending limit."
    " To continue making API requests, please purchase more credits or raise your spending limit."
)
_WRONG_KEY = "Incorrect API key provided: xa***. You can obtain an API key from the console."
_TRIAL = "You are using a Trial key, which is limited to"

XAI = (
    Shape(
        name="xai: 403 spending limit, flat",
        body={"code": "personal-team-blocked:spending-limit", "error": "You have run out of credits."},
        status=403,
        expected=fails("quota"),
        source="gh agenc-core#2483",
    ),
    Shape(
        name="xai: 403 no credits, flat",
        body={
            "code": "The caller does not have permission to execute the specified operation",
            "error": "Your newly created team doesn't have any credits or licenses yet.",
        },
        status=403,
        expected=fails("quota"),
        source="gh continue#12670",
    ),
    Shape(
        name="xai: 403 no permission, flat",
        body={
            "code": "The caller does not have permission to execute the specified operation",
            "error": "The API key is disabled.",
        },
        status=403,
        expected=fails("auth"),
        source="docs.x.ai, Debugging errors: 403",
    ),
    Shape(
        name="xai: 429 credits, flat",
        body={"code": "Some resource has been exhausted", "error": _SPENT},
        status=429,
        expected=fails("quota"),
        source="gh continue#10373",
    ),
    Shape(
        name="xai: 429 rate, flat",
        body={"code": "Some resource has been exhausted", "error": "Too many requests for the team and model."},
        status=429,
        expected=fails("rate_limit"),
        source="docs.x.ai, Debugging errors: 429",
    ),
    Shape(
        name="xai: 400 unsupported argument, flat",
        body={
            "code": "Client specified an invalid argument",
            "error": "Argument not supported on this model: presencePenalty",
        },
        status=400,
        expected=fails("request"),
        source="gh uni-api#105",
    ),
    Shape(
        name="xai: 400 wrong key, flat",
        body={"code": "Client specified an invalid argument", "error": _WRONG_KEY},
        status=400,
        expected=fails("auth"),
        source="gh hotovo/aider-desk#653, openai/codex#1352",
    ),
    Shape(
        name="xai: 401, flat",
        body={
            "code": "The request does not have valid authentication credentials for the operation",
            "error": "No credentials were given.",
        },
        status=401,
        expected=fails("auth"),
        source="docs.x.ai, Debugging errors: 401; the code after gRPC's sentence, as in the others",
    ),
    Shape(
        name="xai: no credits inside 200, flat",
        body={"code": "Some resource has been exhausted", "error": _SPENT},
        expected=fails("quota"),
        source="gh continue#10373 for the body; inside 200 by gateways",
    ),
    Shape(
        name="xai: reasoning beside the completion",
        body=completion(
            said("101 * 3 = 303", refusal=None),
            usage={
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "total_tokens": 115,
                "completion_tokens_details": {"reasoning_tokens": 100},
                "num_sources_used": 0,
            },
        ),
        expected=answers("101 * 3 = 303", tokens=(10, 105), tokens_reasoning=100),
        source="docs.x.ai, Reasoning: usage; gh fast-agent#276 with such a total",
    ),
    Shape(
        name="xai: finish_reason end_turn",
        body=completion(said(), finish="end_turn"),
        expected=answers(finish_reason="stop"),
        source="gh genkit-ai/genkit#6259",
    ),
    Shape(
        name="xai: call without a finish_reason",
        body=completion(said("", tool_calls=[called()]), finish=None),
        tools=True,
        expected=calls_weather(),
        source="gh evalstate/fast-agent#276",
    ),
)

COHERE = (
    Shape(
        name="cohere: 422, flat",
        body={"id": "1", "message": "unprocessable entity: n is not supported"},
        status=422,
        expected=fails("request"),
        source="gh ai_clients_dart#26",
    ),
    Shape(
        name="cohere: 429 of a trial key, per month",
        body={"message": f"{_TRIAL} 1000 API calls / month. You can continue with a Production key."},
        status=429,
        expected=fails("quota"),
        source="docs.cohere.com, Rate limits",
    ),
    Shape(
        name="cohere: 429 of a trial key, per minute",
        body={"message": f"{_TRIAL} 10 API calls / minute. You can continue with a Production key."},
        status=429,
        expected=fails("rate_limit"),
        source="errornotes.dev, Cohere 429; docs.cohere.com, Rate limits",
    ),
    Shape(
        name="cohere: 401, flat",
        body={"id": "1", "message": "invalid api token"},
        status=401,
        expected=fails("auth"),
        source="docs.cohere.com/reference/errors; developersdigest.tech/errors/api/cohere-api: 401",
    ),
    Shape(
        name="cohere: 402, flat",
        body={"message": "Please add or update your payment method to continue"},
        status=402,
        expected=fails("quota"),
        source="docs.cohere.com/reference/errors; developersdigest.tech/errors/api/cohere-api: 402",
    ),
)

PERPLEXITY = (
    Shape(
        name="perplexity: cost is an object",
        body={
            **completion(
                said(),
                usage={**USAGE, "cost": {"input_tokens_cost": 0.0, "request_cost": 0.005, "total_cost": 0.006}},
                delta={"role": "assistant", "content": ""},
            ),
            "citations": ["https://example.org"],
            "search_results": [],
        },
        expected=answers(),
        source="docs.perplexity.ai, Chat completions: usage.cost",
    ),
    Shape(
        name="perplexity: thinking in the content",
        body=completion(said("<think>\nCount.\n</think>\n\n42")),
        expected=answers("42"),
        source="docs.perplexity.ai, Sonar reasoning: response includes <think>",
    ),
    Shape(
        name="perplexity: 401 as a page",
        raw="<html><head><title>401 Authorization Required</title></head></html>",
        status=401,
        expected=fails("auth"),
        source="gh perplexityai/api-discussion#281",
    ),
)

SHAPES = XAI + COHERE + PERPLEXITY
