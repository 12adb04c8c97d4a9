#!/usr/bin/env bash
# Package: litellm 1.108.7 (PyPI).
#
# Behaviour: what LiteLLM makes of a server that reports no `usage` depends on how the answer is asked for. Unstreamed
# it is a usage of 0 tokens and a cost of 0.0, not None and not an error, so a budget sees a free call. The same for a
# stream put together by `stream_chunk_builder`. Streamed with `stream_options: {"include_usage": true}` LiteLLM counts
# the tokens itself, with a tokenizer of its own, and ends the stream with a usage like a reported one, cost included.
#
# Guess before: LiteLLM has a tokenizer and fills the gap in every case, or in none.
#
# Output seen:
#   unstreamed: 0 tokens, cost 0.0
#   streamed, put together: 0 tokens, cost 0.0
#   streamed with include_usage: tokens counted: True, cost above 0: True
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
uv venv --quiet environment
uv pip install --quiet --python environment/bin/python litellm==1.108.7
cat >usage.py <<'SCRIPT'
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import litellm

REPLY = {"id": "c", "created": 1, "model": "gpt-4o-mini"}
TEXT = {"role": "assistant", "content": "Paris is the capital of France."}


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        if asked.get("stream"):
            self.send_header("Content-Type", "text/event-stream")
            choices = [{"index": 0, "finish_reason": None, "delta": TEXT}]
            choices.append({"index": 0, "finish_reason": "stop", "delta": {}})
            chunks = [REPLY | {"object": "chat.completion.chunk", "choices": [choice]} for choice in choices]
            body = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
        else:
            self.send_header("Content-Type", "application/json")
            choice = {"index": 0, "finish_reason": "stop", "message": TEXT}
            body = json.dumps(REPLY | {"object": "chat.completion", "choices": [choice]})
        self.end_headers()
        self.wfile.write(body.encode())


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
question = {"model": "openai/gpt-4o-mini", "api_key": "k"}
question["api_base"] = f"http://127.0.0.1:{server.server_address[1]}/v1"
question["messages"] = [{"role": "user", "content": "What is the capital of France?"}]

answer = litellm.completion(**question)
print(f"unstreamed: {answer.usage.total_tokens} tokens, cost {litellm.completion_cost(answer)}")

chunks = list(litellm.completion(**question, stream=True))
answer = litellm.stream_chunk_builder(chunks, messages=question["messages"])
print(f"streamed, put together: {answer.usage.total_tokens} tokens, cost {litellm.completion_cost(answer)}")

chunks = list(litellm.completion(**question, stream=True, stream_options={"include_usage": True}))
usage = chunks[-1].usage
counted = usage.prompt_tokens > 0 and usage.completion_tokens > 0
print(f"streamed with include_usage: tokens counted: {counted}, cost above 0: {usage.cost > 0}")
SCRIPT
LITELLM_LOCAL_MODEL_COST_MAP=True environment/bin/python usage.py | tee seen
diff seen - <<'EXPECTED'
unstreamed: 0 tokens, cost 0.0
streamed, put together: 0 tokens, cost 0.0
streamed with include_usage: tokens counted: True, cost above 0: True
EXPECTED
