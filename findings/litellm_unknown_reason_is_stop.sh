#!/usr/bin/env bash
# Package: litellm 1.108.7 (PyPI).
#
# Behaviour: LiteLLM brings finish reasons to OpenAI's five, and whatever it does not know becomes "stop": the reasons
# by which servers in OpenAI's format tell that there is no answer or half of one. OpenRouter's "error", vLLM's "abort",
# DeepSeek's "insufficient_system_resource" and a missing reason are all answers that ended by themselves, with a
# warning in LiteLLM's own log at most. The reason as it was is kept under a name of LiteLLM's own,
# `provider_specific_fields.native_finish_reason`, which no client of OpenAI's format reads; a missing one not even
# there. `content_filter` and `length` come through.
#
# Guess before: what is not known is passed on as it is, or is an error; "stop" is what is known to be whole.
#
# Output seen:
#   length: length, native None
#   content_filter: content_filter, native None
#   error: stop, native error
#   abort: stop, native abort
#   insufficient_system_resource: stop, native insufficient_system_resource
#   None: stop, native None
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
uv venv --quiet environment
uv pip install --quiet --python environment/bin/python litellm==1.108.7
cat >reasons.py <<'SCRIPT'
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import litellm

USAGE = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
REPLY = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "usage": USAGE}


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_POST(self):
        reason = json.loads(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["messages"][0]["content"])
        choice = {"index": 0, "finish_reason": reason, "message": {"role": "assistant", "content": "Par"}}
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(REPLY | {"choices": [choice]}).encode())


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_address[1]}/v1"
for reason in ("length", "content_filter", "error", "abort", "insufficient_system_resource", None):
    messages = [{"role": "user", "content": json.dumps(reason)}]
    answer = litellm.completion(model="openai/m", messages=messages, api_base=url, api_key="k")
    choice = answer.choices[0]
    native = (choice.provider_specific_fields or {}).get("native_finish_reason")
    print(f"{reason}: {choice.finish_reason}, native {native}")
SCRIPT
LITELLM_LOCAL_MODEL_COST_MAP=True environment/bin/python reasons.py | tee seen
diff seen - <<'EXPECTED'
length: length, native None
content_filter: content_filter, native None
error: stop, native error
abort: stop, native abort
insufficient_system_resource: stop, native insufficient_system_resource
None: stop, native None
EXPECTED
