#!/usr/bin/env bash
# Package: xllamacpp 2026.10.11549 (PyPI), which carries llama.cpp and its HTTP server.
#
# Behaviour: a tool call that the limit of tokens ends in the middle of its arguments comes back from the OpenAI endpoint
# with the arguments as far as they go, which is not JSON. From the Anthropic endpoint it comes as a `tool_use` block
# with `"input": {}`, as a call without arguments would. Only `stop_reason` says that it was cut off.
#
# Guess before: half a call is no `tool_use` block, or is one that cannot be taken for a whole one.
#
# Output seen:
#   /v1/chat/completions: finish_reason length, arguments is JSON: False
#   /v1/messages: stop_reason max_tokens, input {}
#   /v1/messages with a higher limit: stop_reason tool_use, input {"query": "Jazz"}
set -euo pipefail
cd "$(dirname "$0")"
source llama_server.sh "$(cat ../tests/performance/real_servers/tools.jinja)"
"$python" - "$address" <<'SCRIPT' | tee "$folder/seen"
import json
from asking import ask, user

question = user("Play some jazz.")
parameters = {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]}
function = {"name": "play_music", "description": "Play music.", "parameters": parameters}
tool = {"name": "play_music", "description": "Play music.", "input_schema": parameters}


def is_json(text):
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


answer = ask(
    "/v1/chat/completions",
    messages=question, tools=[{"type": "function", "function": function}], max_tokens=20, temperature=0,
)
choice = answer["choices"][0]
arguments = choice["message"]["tool_calls"][0]["function"]["arguments"]
print(f"/v1/chat/completions: finish_reason {choice['finish_reason']}, arguments is JSON: {is_json(arguments)}")
for label, limit in (("", 20), (" with a higher limit", 60)):
    answer = ask("/v1/messages", messages=question, tools=[tool], max_tokens=limit, temperature=0)
    given = json.dumps(answer["content"][0]["input"])
    print(f"/v1/messages{label}: stop_reason {answer['stop_reason']}, input {given}")
SCRIPT
diff "$folder/seen" - <<'EXPECTED'
/v1/chat/completions: finish_reason length, arguments is JSON: False
/v1/messages: stop_reason max_tokens, input {}
/v1/messages with a higher limit: stop_reason tool_use, input {"query": "Jazz"}
EXPECTED
