#!/usr/bin/env bash
# Package: xllamacpp 2026.10.11549 (PyPI), which carries llama.cpp and its HTTP server.
#
# Behaviour: `"cache_prompt": false` keeps a request to /v1/chat/completions apart from the ones before it, while
# /v1/messages ignores it, as it ignores `output_config.format`: the answer is free text. The status is 200 each time.
#
# Guess before: both endpoints lead to the same handling of a request, so its own parameters hold on both.
#
# Output seen:
#   /v1/chat/completions, repeated without cache_prompt: from the cache 36 tokens
#   /v1/chat/completions, repeated with cache_prompt false: from the cache 0 tokens
#   /v1/messages, repeated with cache_prompt false: from the cache 36 tokens
#   /v1/messages, with a schema: "Paris, the City of Light, the capital of"
set -euo pipefail
cd "$(dirname "$0")"
source llama_server.sh
"$python" - "$address" <<'SCRIPT' | tee "$folder/seen"
import json
from asking import ask, user

question = {"messages": user("What is the weather in Paris?"), "max_tokens": 10, "temperature": 0}
ask("/v1/chat/completions", **question)
for label, given in (("without cache_prompt", {}), ("with cache_prompt false", {"cache_prompt": False})):
    usage = ask("/v1/chat/completions", **question, **given)["usage"]
    cached = usage["prompt_tokens_details"]["cached_tokens"]
    print(f"/v1/chat/completions, repeated {label}: from the cache {cached} tokens")
usage = ask("/v1/messages", **question, cache_prompt=False)["usage"]
cached = usage["cache_read_input_tokens"]
print(f"/v1/messages, repeated with cache_prompt false: from the cache {cached} tokens")
schema = {"type": "object", "properties": {"sky": {"enum": ["blue"]}}, "required": ["sky"]}
answer = ask("/v1/messages", **question, output_config={"format": {"type": "json_schema", "schema": schema}})
print(f"/v1/messages, with a schema: {json.dumps(answer['content'][0]['text'])}")
SCRIPT
diff "$folder/seen" - <<'EXPECTED'
/v1/chat/completions, repeated without cache_prompt: from the cache 36 tokens
/v1/chat/completions, repeated with cache_prompt false: from the cache 0 tokens
/v1/messages, repeated with cache_prompt false: from the cache 36 tokens
/v1/messages, with a schema: "Paris, the City of Light, the capital of"
EXPECTED
