#!/usr/bin/env bash
# Package: xllamacpp 2026.10.11549 (PyPI), which carries llama.cpp and its HTTP server.
#
# Behaviour: `response_format` of type json_schema on /v1/chat/completions does not hold the model to JSON from its
# first token. The grammar made for it has a second branch, a Markdown fence around the JSON, and the fence is taken off
# before the answer is sent. So a model that likes fences writes one (the same question takes twice the tokens that it
# takes on /completion, whose `json_schema` has no such branch), it is paid for in `completion_tokens`, and no client
# sees it, but for one case: where the limit of tokens comes before the JSON has begun, the content is the naked
# beginning of the fence, which no schema allows. Streamed, the same answer is empty.
#
# Guess before: constrained decoding means that no token outside the schema can be drawn, so that even an answer cut off
# at the limit is the beginning of a JSON text.
#
# Output seen:
#   /completion: begins with {, fence: False
#   /v1/chat/completions: begins with {, fence: False
#   takes at least 6 tokens more: True
#   /v1/chat/completions, cut at 4 tokens: begins with `, fence: True
#   /v1/chat/completions, cut at 4 tokens, streamed: ''
set -euo pipefail
cd "$(dirname "$0")"
source llama_server.sh
"$python" - "$address" <<'SCRIPT' | tee "$folder/seen"
import json
import urllib.request

from asking import address, ask, user

SCHEMA = {"type": "object", "properties": {"city": {"enum": ["Paris", "Rome"]}}, "required": ["city"]}
FORMAT = {"type": "json_schema", "json_schema": {"name": "city", "strict": True, "schema": SCHEMA}}
QUESTION = user("What is the capital of France? Answer in one short sentence.")


def chat(limit):
    asked = {"messages": QUESTION, "response_format": FORMAT, "max_tokens": limit, "temperature": 0}
    answer = ask("/v1/chat/completions", **asked)
    return answer["choices"][0]["message"]["content"], answer["usage"]["completion_tokens"]


def streamed(limit):
    asked = {"messages": QUESTION, "response_format": FORMAT, "max_tokens": limit, "temperature": 0, "stream": True}
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(address + "/v1/chat/completions", json.dumps(asked).encode(), headers)
    with urllib.request.urlopen(request) as answer:
        lines = answer.read().decode().splitlines()
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: {")]
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    return "".join(delta.get("content") or "" for delta in deltas)


def show(label, text):
    print(f"{label}: begins with {text[0]}, fence: {'`' in text}")


prompt = ask("/apply-template", messages=QUESTION)["prompt"]
plain = ask("/completion", prompt=prompt, n_predict=60, json_schema=SCHEMA, temperature=0)
show("/completion", plain["content"])
text, tokens = chat(60)
show("/v1/chat/completions", text)
print("takes at least 6 tokens more:", tokens - plain["tokens_predicted"] >= 6)
show("/v1/chat/completions, cut at 4 tokens", chat(4)[0])
print(f"/v1/chat/completions, cut at 4 tokens, streamed: {streamed(4)!r}")
SCRIPT
diff "$folder/seen" - <<'EXPECTED'
/completion: begins with {, fence: False
/v1/chat/completions: begins with {, fence: False
takes at least 6 tokens more: True
/v1/chat/completions, cut at 4 tokens: begins with `, fence: True
/v1/chat/completions, cut at 4 tokens, streamed: ''
EXPECTED
