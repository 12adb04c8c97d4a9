"""vLLM and SGLang, whose parsers of tool calls are options, so that calls may arrive as text."""

from __future__ import annotations

from pytest_selfopt.trial import Json, ToolCall
from tests.models.reply_shapes.shape import (
    Expected,
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

_DETAILS: Json = {"prompt_tokens": 12, "total_tokens": 17, "completion_tokens": 5, "prompt_tokens_details": None}
_NO_PARSER = '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'
_OLD_400: Json = {
    "object": "error",
    "message": "[{'type': 'extra_forbidden', 'loc': ('body', 'x'), 'msg': 'Extra inputs are not permitted'}]",
    "type": "BadRequestError",
    "param": None,
    "code": 400,
}
_OLD_500: Json = {"object": "error", "message": "", "type": "InternalServerError", "param": None, "code": 500}
_DSML = '<｜DSML｜function_calls>\n<｜DSML｜invoke name="get_weather">\n</｜DSML｜invoke>\n</｜DSML｜function_calls>'


def _leaks(name: str, text: str, source: str) -> Shape:
    return Shape(name=f"vllm: {name}", body=completion(said(text)), tools=True, expected=misses(), source=source)


def _calls(name: str, entry: Json, source: str, expected: Expected, **more: Json) -> Shape:
    body = completion(said(None, tool_calls=[entry], **more), finish="tool_calls")
    return Shape(name=f"vllm: {name}", body=body, tools=True, expected=expected, source=source)


_LEAKED = (
    _leaks(
        "call as <tool_call>",
        '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n</tool_call>',
        "gh vllm#11903",
    ),
    _leaks(
        "call as <tool_call> that never ends",
        '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Pa',
        "gh hermes-agent#39099",
    ),
    _leaks(
        "call as [TOOL_CALLS]",
        '[TOOL_CALLS]get_weather{"city": "Paris"}',
        "gh vllm#30651",
    ),
    _leaks(
        "call as <|python_tag|>",
        '<|python_tag|>{"name": "get_weather", "parameters": {"city": "Paris"}}',
        "gh vllm#11903; docs.vllm.ai, Tool calling: Llama models",
    ),
    _leaks(
        "call as <function=…>",
        "<function=get_weather>\n<parameter=city>\nParis\n</parameter>\n</function>",
        "gh hermes-agent#39099; docs.vllm.ai, Tool calling: Qwen3-Coder",
    ),
    _leaks(
        "call as bare JSON",
        '{"name": "get_weather", "arguments": {"city": "Paris"}}',
        "gh NVIDIA/NemoClaw#2731",
    ),
)

_CALLED = (
    _calls("arguments without their last brace", called('{"city": "Paris"'), "gh vllm#22885", misses()),
    _calls(
        "arguments as an object",
        called({"city": "Paris"}),
        "gh llama.cpp#20198, #20202; TGI's using_guidance.md",
        calls_weather(),
    ),
    _calls(
        "arguments empty",
        called(""),
        "gh microsoft/autogen#5667, cheshire-cat-ai/core#1140, vllm#19419",
        answers("", ToolCall(name="get_weather", arguments={})),
    ),
    _calls(
        "arguments null",
        called(None),
        "gh langchain-ai/langchain#34190, agno#10254",
        answers("", ToolCall(name="get_weather", arguments={})),
    ),
    _calls(
        "id a number", called(call_id=0), "huggingface/text-generation-inference, using_guidance.md", calls_weather()
    ),
    _calls(
        "reasoning beside the call", called(), "docs.vllm.ai, Reasoning outputs", calls_weather(), reasoning="Look."
    ),
)

_ANSWERED = (
    Shape(
        name="vllm: all optional members",
        body={
            **completion(
                said(
                    refusal=None,
                    annotations=None,
                    audio=None,
                    function_call=None,
                    tool_calls=[],
                    reasoning_content=None,
                ),
                usage=_DETAILS,
                logprobs=None,
                stop_reason=151645,
                token_ids=None,
            ),
            "service_tier": None,
            "prompt_logprobs": None,
            "kv_transfer_params": None,
        },
        expected=answers(),
        source="vllm-project/vllm, entrypoints/openai/protocol.py",
    ),
    Shape(
        name="vllm: <think> in the content",
        body=completion(said("<think>\nCount.\n</think>\n\n42")),
        expected=answers("42"),
        source="docs.vllm.ai, Reasoning outputs: without a parser",
    ),
    Shape(
        name="vllm: only the end of the thinking is marked",
        body=completion(said("Count.\n</think>\n\n42")),
        expected=answers("42"),
        source="DeepSeek-R1 chat template, which opens <think> itself; docs.vllm.ai, Reasoning outputs",
    ),
    Shape(
        name="vllm: no usage",
        body={"choices": [{"index": 0, "message": said(), "finish_reason": "stop"}]},
        expected=answers(tokens=(None, None)),
        source="gh typesafe-ai/system-one-adapter-python#39, openai/openai-python#1145",
    ),
    Shape(
        name="vllm: usage null",
        body=completion(said(), usage=None),
        expected=answers(tokens=(None, None)),
        source="vllm-project/vllm, entrypoints/openai/protocol.py: usage may be null",
    ),
    Shape(
        name="sglang: finish_reason empty",
        body=completion(said(), finish="", matched_stop=None),
        expected=answers(),
        source="gh sglang#3912",
    ),
    Shape(
        name="sglang: matched_stop",
        body=completion(said(tool_calls=None, reasoning_content=None), matched_stop=151645, logprobs=None),
        expected=answers(),
        source="sgl-project/sglang, entrypoints/openai/protocol.py",
    ),
)

_NOT_ANSWERED = (
    Shape(
        name="vllm: abort after some text",
        body=completion(said("The answer"), finish="abort"),
        expected=fails("server"),
        source="gh vllm#57082",
    ),
    Shape(
        name="vllm: abort, empty",
        body=completion(said(""), finish="abort"),
        expected=fails("server"),
        source="gh vllm#57082",
    ),
    Shape(
        name="vllm: reasoning only, length",
        body=completion(said(None, reasoning="Count."), finish="length"),
        expected=fails("cut_off"),
        source="gh vllm#52640",
    ),
    Shape(
        name="vllm: <think> that never ends, length",
        body=completion(said("<think>\nCount"), finish="length"),
        expected=fails("cut_off"),
        source="docs.vllm.ai, Reasoning outputs: without a parser",
    ),
    Shape(
        name="vllm: <think> and nothing after it",
        body=completion(said("<think>\nCount.\n</think>\n")),
        expected=fails("empty"),
        source="docs.vllm.ai, Reasoning outputs: without a parser",
    ),
    Shape(
        name="vllm: reasoning and line breaks",
        body=completion(said("\n\n", reasoning_content="Count.")),
        expected=fails("empty"),
        source="gh NVIDIA/TensorRT-LLM#12912",
    ),
    Shape(
        name="vllm: the answer in the reasoning, by a wrong parser",
        body=completion(said(None, reasoning_content="I am a model.", tool_calls=[]), stop_reason=None),
        expected=fails("empty"),
        source="gh QwenLM/Qwen3#1297, vllm#19839",
    ),
    Shape(
        name="vllm: gpt-oss, content null and stop",
        body=completion(said(None, reasoning=None, tool_calls=[])),
        expected=fails("empty"),
        source="gh vllm#45736",
    ),
    Shape(
        name="vllm: 400 of old",
        body=_OLD_400,
        status=400,
        expected=fails("request"),
        source="gh vllm#10078",
    ),
    Shape(
        name="vllm: 400 of old inside 200",
        body=_OLD_400,
        expected=fails("request"),
        source="gh vllm#10078 for the body; inside 200 by gateways",
    ),
    Shape(
        name="vllm: 500 of old inside 200",
        body=_OLD_500,
        expected=fails("server"),
        source="vllm-project/vllm, create_error_response; inside 200 by gateways",
    ),
    Shape(
        name="vllm: 400 no parser",
        body=error(_NO_PARSER, type="BadRequestError", param=None, code=400),
        status=400,
        tools=True,
        expected=fails("request"),
        source="gh vllm#17792",
    ),
    Shape(
        name="vllm: 401",
        body={"error": "Unauthorized"},
        status=401,
        expected=fails("auth"),
        source="vllm-project/vllm, entrypoints/openai/api_server.py: --api-key",
    ),
    Shape(
        name="vllm: 404 of a model",
        body=error("The model `other` does not exist.", type="NotFoundError", param=None, code=404),
        status=404,
        expected=fails("request"),
        source="vllm-project/vllm, entrypoints/openai/serving_models.py",
    ),
    Shape(
        name="sglang: abort",
        body=completion(said(""), finish="abort", matched_stop=None),
        expected=fails("server"),
        source="gh sglang#2956, #6693",
    ),
    Shape(
        name="sglang: call leaked as DSML",
        body=completion(said(_DSML)),
        tools=True,
        expected=misses(),
        source="gh sglang#35736",
    ),
    Shape(
        name="sglang: 400",
        body={
            "object": "error",
            "message": "Requested token count exceeds the model's maximum context length of 8192 tokens.",
            "type": "BadRequestError",
            "param": None,
            "code": 400,
        },
        status=400,
        expected=fails("request"),
        source="sgl-project/sglang, entrypoints/openai/serving_base.py",
    ),
)

SHAPES = _LEAKED + _CALLED + _ANSWERED + _NOT_ANSWERED
