#!/usr/bin/env bash
# Package: xllamacpp 2026.10.11549 (PyPI), which carries llama.cpp and its HTTP server.
#
# Behaviour: if the model's chat template does not know tools, the server drops the `tools` of a request without a word:
# the prompt has not one token more, `"tool_choice": "required"` changes nothing, and the status is 200. Only GET /props
# tells (`chat_template_caps.supports_tools`).
#
# Guess before: the server describes the tools in a generic way, as earlier versions did with --jinja, or refuses.
#
# Output seen:
#   /props: supports_tools False
#   without tools: 37 prompt tokens, calls: False
#   with a tool: 37 prompt tokens, calls: False
#   with a tool that is required: 37 prompt tokens, calls: False
set -euo pipefail
cd "$(dirname "$0")"
source llama_server.sh
"$python" - "$address" <<'SCRIPT' | tee "$folder/seen"
from asking import ask, user

parameters = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
function = {"name": "get_weather", "description": "The weather of a city", "parameters": parameters}
tools = {"tools": [{"type": "function", "function": function}]}
print(f"/props: supports_tools {ask('/props')['chat_template_caps']['supports_tools']}")
for label, given in (
    ("without tools", {}),
    ("with a tool", tools),
    ("with a tool that is required", {**tools, "tool_choice": "required"}),
):
    question = user("What is the weather in Paris?")
    answer = ask("/v1/chat/completions", messages=question, max_tokens=40, temperature=0, **given)
    calls = "tool_calls" in answer["choices"][0]["message"]
    print(f"{label}: {answer['usage']['prompt_tokens']} prompt tokens, calls: {calls}")
SCRIPT
diff "$folder/seen" - <<'EXPECTED'
/props: supports_tools False
without tools: 37 prompt tokens, calls: False
with a tool: 37 prompt tokens, calls: False
with a tool that is required: 37 prompt tokens, calls: False
EXPECTED
