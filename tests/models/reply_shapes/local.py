"""Servers on one's own machine that follow the OpenAI format, other than vLLM and SGLang."""

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

_TOO_LONG = "the request exceeds the available context size. try increasing the context size or enable context shift"
_EXCEEDED: Json = {
    "code": 400,
    "message": _TOO_LONG,
    "type": "exceed_context_size_error",
    "n_prompt_tokens": 14429,
    "n_ctx": 8192,
}
_TIMINGS: Json = {"prompt_n": 12, "prompt_ms": 20.5, "predicted_n": 5, "predicted_ms": 90.1}
_CRASHED = "The model has crashed without additional information. (Exit code: 18446744072635812000)"


def _unparsed(name: str, message: str, source: str) -> Shape:
    body = error(message, code=500, type="server_error")
    expected = misses(tokens=(None, None))
    return Shape(name=f"llama.cpp: {name}", body=body, status=500, tools=True, expected=expected, source=source)


TGI = (
    Shape(
        name="tgi: finish_reason eos_token",
        body=completion(said(), finish="eos_token"),
        expected=answers(finish_reason="stop"),
        source="huggingface/text-generation-inference, router/src/lib.rs: FinishReason",
    ),
    Shape(
        name="tgi: call with id 0 and arguments as an object",
        body=completion(
            {
                "role": "assistant",
                "tool_calls": [
                    {
                        "id": 0,
                        "type": "function",
                        "function": {"description": None, "name": "get_weather", "arguments": {"city": "Paris"}},
                    }
                ],
            },
            finish="eos_token",
        ),
        tools=True,
        expected=calls_weather(),
        source="huggingface/text-generation-inference, using_guidance.md; gh tgi#2136",
    ),
    Shape(
        name="tgi: 429 overloaded",
        body={"error": "Model is overloaded", "error_type": "overloaded"},
        status=429,
        expected=fails("rate_limit"),
        source="gh text-generation-inference#439; router/src/infer/mod.rs",
    ),
    Shape(
        name="tgi: 422",
        body={
            "error": "Input validation error: `inputs` tokens + `max_new_tokens` too large",
            "error_type": "validation",
        },
        status=422,
        expected=fails("request"),
        source="gh huggingface/huggingface_hub#2514; router/src/infer/mod.rs",
    ),
    Shape(
        name="tgi: 422 failed parse of a call",
        body={
            "error": 'Tool error: Failed to parse generated text: EOF while parsing a string "{\\"function\\": {"',
            "error_type": "tool_error",
        },
        status=422,
        tools=True,
        expected=misses(tokens=(None, None)),
        source="huggingface/text-generation-inference, router/src/server.rs and infer/mod.rs: ToolError",
    ),
    Shape(
        name="tgi: 500 incomplete",
        body={"error": "Incomplete generation", "error_type": "incomplete_generation"},
        status=500,
        expected=fails("server"),
        source="huggingface/text-generation-inference, router/src/infer/mod.rs",
    ),
    Shape(
        name="tgi: 424",
        body={"error": "Request failed during generation: Server error: CANCELLED", "error_type": "generation"},
        status=424,
        expected=fails("server"),
        source="huggingface/text-generation-inference, router/src/infer/mod.rs",
    ),
)

LLAMA_CPP = (
    Shape(
        name="llama.cpp: timings beside an answer",
        body={**completion(said()), "timings": _TIMINGS, "system_fingerprint": "b1-abc"},
        expected=answers(),
        source="ggml-org/llama.cpp, tools/server/README.md",
    ),
    Shape(
        name="llama.cpp: arguments as an object",
        body=completion(said("", tool_calls=[called({"city": "Paris"})]), finish="tool_calls"),
        tools=True,
        expected=calls_weather(),
        source="gh llama.cpp#20198",
    ),
    Shape(
        name="llama.cpp: 503 loading",
        body=error("Loading model", code=503, type="unavailable_error"),
        status=503,
        expected=fails("server"),
        source="ggml-org/llama.cpp, tools/server/README.md: GET /health",
    ),
    _unparsed(
        "500 failed to parse input",
        "Failed to parse input at pos 12: </tool_call>",
        "gh llama.cpp#24644, #20532, #20761",
    ),
    _unparsed(
        "500 failed to parse arguments",
        "Failed to parse tool call arguments as JSON: [json.exception.parse_error.101] parse error at line 1, column 9",
        "gh llama.cpp#22072",
    ),
    Shape(
        name="llama.cpp: 400 context",
        body={"error": _EXCEEDED},
        status=400,
        expected=fails("request"),
        source="gh llama.cpp#17284",
    ),
    Shape(
        name="llama.cpp: context, inside 200",
        body={"error": _EXCEEDED},
        expected=fails("request"),
        source="gh oobabooga/textgen#7257",
    ),
    Shape(
        name="llama.cpp: context, code 500 inside 200",
        body=error(_TOO_LONG, code=500, type="exceed_context_size_error", n_prompt_tokens=1407, n_ctx=256),
        expected=fails("request"),
        source="gh llama.cpp#15780",
    ),
    Shape(
        name="llama.cpp: 401",
        body=error("Invalid API Key", code=401, type="authentication_error"),
        status=401,
        expected=fails("auth"),
        source="ggml-org/llama.cpp, tools/server/server-http.cpp: middleware_validate_api_key",
    ),
    Shape(
        name="llama.cpp: 501",
        body=error("This server does not support completions.", code=501, type="not_supported_error"),
        status=501,
        expected=fails("server"),
        source="ggml-org/llama.cpp, tools/server: format_error_response, ERROR_TYPE_NOT_SUPPORTED",
    ),
)

OTHERS = (
    Shape(
        name="mlx-lm: reasoning without content, length",
        body=completion({"role": "assistant", "reasoning": "Count."}, finish="length"),
        expected=fails("cut_off"),
        source="gh mlx-lm#1738",
    ),
    Shape(
        name="lm studio: wrong path, inside 200",
        body={"error": "Unexpected endpoint or method. (POST /chat/completions)"},
        expected=fails("request"),
        source="gh lmstudio-bug-tracker#618",
    ),
    Shape(
        name="lm studio: 400 crash",
        body={"error": _CRASHED},
        status=400,
        expected=fails("server"),
        source="gh lmstudio-bug-tracker#1347",
    ),
    Shape(
        name="lm studio: model unloaded, inside 200",
        body={"error": "Model is unloaded."},
        expected=fails("server"),
        source="gh lmstudio-bug-tracker#1492",
    ),
    Shape(
        name="lm studio: 400 context",
        body={"error": "The number of tokens to keep from the initial prompt is greater than the context length."},
        status=400,
        expected=fails("request"),
        source="gh openclaude#353, lmstudio-bug-tracker#2205",
    ),
    Shape(
        name="lm studio: context, inside 200",
        body=error("The number of tokens to keep from the initial prompt is greater than the context length."),
        expected=fails("request"),
        source="gh lmstudio-bug-tracker#2322",
    ),
    Shape(
        name="lm studio: too long a prompt, silently",
        body=completion(said(""), usage={"prompt_tokens": 36000, "completion_tokens": 0, "total_tokens": 36000}),
        expected=fails("empty"),
        source="gh lmstudio-bug-tracker#2339",
    ),
    Shape(
        name="lm studio: stats beside an answer",
        body={**completion(said(tool_calls=[]), logprobs=None), "stats": {}, "system_fingerprint": "served"},
        expected=answers(),
        source="lmstudio.ai/docs, OpenAI compatibility",
    ),
    Shape(
        name="koboldcpp: 503 busy",
        body={"detail": {"msg": "Server is busy; please try again later.", "type": "service_unavailable"}},
        status=503,
        expected=fails("server"),
        source="gh LostRuins/koboldcpp#1189, TavernAI-v1#137",
    ),
    Shape(
        name="koboldcpp: busy, inside 200",
        body={"detail": {"msg": "Server is busy; please try again later.", "type": "service_unavailable"}},
        expected=fails("server"),
        source="gh LostRuins/koboldcpp#1189 for the body; inside 200 by frontends",
    ),
    Shape(
        name="localai: 500 model",
        body=error("could not load model: rpc error: code = Unavailable desc = EOF", code=500, type=""),
        status=500,
        expected=fails("server"),
        source="gh mudler/LocalAI#1664",
    ),
    Shape(
        name="localai: model, inside 200",
        body=error("could not load model: rpc error: code = Unavailable desc = EOF", code=500, type=""),
        expected=fails("server"),
        source="gh mudler/LocalAI#1664 for the body; inside 200 by gateways",
    ),
)

SHAPES = TGI + LLAMA_CPP + OTHERS
