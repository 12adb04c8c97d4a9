#!/usr/bin/env bash
# Package: xllamacpp 2026.10.11549 (PyPI), which carries llama.cpp and its HTTP server.
#
# Behaviour: with a chat template that knows tools, `tool_choice: "required"` does not make the model begin a call. Its
# grammar allows any text before the call, and forbids no more than to end without one. So a model that wants to answer
# in prose writes its answer as it would anyway, may not stop, and goes on until the limit of tokens: `finish_reason`
# "length", no call, and the whole limit paid for a question that takes a fraction of it with "auto". Anthropic's
# `tool_choice: {"type": "any"}` is the same. A choice that names a function is not even that: on the OpenAI endpoint it
# is read as "auto".
#
# Guess before: "required" is a grammar of the call alone, so the first token is that of a call whatever the model
# wants, and a named function is the narrower form of it.
#
# Output seen:
#   /v1/chat/completions, auto: stop, called: False, up to the limit: False
#   /v1/chat/completions, required: length, called: False, up to the limit: True
#   /v1/chat/completions, named function: stop, called: False, up to the limit: False
#   /v1/messages, auto: end_turn, called: False, up to the limit: False
#   /v1/messages, any: max_tokens, called: False, up to the limit: True
set -euo pipefail
cd "$(dirname "$0")"
source llama_server.sh "$(cat ../tests/performance/real_servers/tools.jinja)"
"$python" - "$address" <<'SCRIPT' | tee "$folder/seen"
from asking import ask, user

LIMIT = 60
QUESTION = {"messages": user("Say hi."), "max_tokens": LIMIT, "temperature": 0}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL = {"name": "get_weather", "description": "The weather of a city."}
OPENAI_TOOLS = [{"type": "function", "function": TOOL | {"parameters": SCHEMA}}]
ANTHROPIC_TOOLS = [TOOL | {"input_schema": SCHEMA}]


def show_openai(label, choice):
    answer = ask("/v1/chat/completions", **QUESTION, tools=OPENAI_TOOLS, tool_choice=choice)
    reply = answer["choices"][0]
    called = "tool_calls" in reply["message"]
    whole = answer["usage"]["completion_tokens"] == LIMIT
    print(f"/v1/chat/completions, {label}: {reply['finish_reason']}, called: {called}, up to the limit: {whole}")


def show_anthropic(label, choice):
    answer = ask("/v1/messages", **QUESTION, tools=ANTHROPIC_TOOLS, tool_choice=choice)
    called = any(block["type"] == "tool_use" for block in answer["content"])
    whole = answer["usage"]["output_tokens"] == LIMIT
    print(f"/v1/messages, {label}: {answer['stop_reason']}, called: {called}, up to the limit: {whole}")


show_openai("auto", "auto")
show_openai("required", "required")
show_openai("named function", {"type": "function", "function": {"name": "get_weather"}})
show_anthropic("auto", {"type": "auto"})
show_anthropic("any", {"type": "any"})
SCRIPT
diff "$folder/seen" - <<'EXPECTED'
/v1/chat/completions, auto: stop, called: False, up to the limit: False
/v1/chat/completions, required: length, called: False, up to the limit: True
/v1/chat/completions, named function: stop, called: False, up to the limit: False
/v1/messages, auto: end_turn, called: False, up to the limit: False
/v1/messages, any: max_tokens, called: False, up to the limit: True
EXPECTED
