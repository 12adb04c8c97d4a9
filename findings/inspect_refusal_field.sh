#!/usr/bin/env bash
# Packages: inspect-ai 0.3.285, openai 3.57.0 (PyPI).
#
# Behaviour: OpenAI's models refuse by a field of its own, `message.refusal`, with `finish_reason` "stop". Inspect puts
# its text where an answer's text would be, marks the content as a refusal, and leaves `stop_reason` "stop". All that
# Inspect has for refusals asks for `stop_reason` "content_filter", so `fail_on_refusal=True` lets this one pass, and
# the scorer judges the words of the refusal: `includes()` finds the target "help" in "I cannot help with that." and
# the sample is correct. A refusal by `finish_reason` "content_filter" fails the sample, as the option says.
#
# Guess before: an option of that name knows the one field of that name.
#
# Output seen:
#   refusal: success, stop_reason stop, score C
#   refusal, fail_on_refusal: success, stop_reason stop, score C
#   content_filter: success, stop_reason content_filter, score I
#   content_filter, fail_on_refusal: error, ModelRefusalError: True
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
uv venv --quiet environment
uv pip install --quiet --python environment/bin/python inspect-ai==0.3.285 openai==3.57.0
cat >refusals.py <<'SCRIPT'
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from inspect_ai import Task, eval
from inspect_ai.dataset import Sample
from inspect_ai.model import get_model
from inspect_ai.scorer import includes

REFUSAL = {"role": "assistant", "content": None, "refusal": "I cannot help with that."}
CHOICES = {
    "refusal": {"index": 0, "finish_reason": "stop", "message": REFUSAL},
    "content_filter": {"index": 0, "finish_reason": "content_filter", "message": {"role": "assistant", "content": ""}},
}
USAGE = {"prompt_tokens": 5, "completion_tokens": 6, "total_tokens": 11}
REPLY = {"id": "c", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini", "usage": USAGE}


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        choice = CHOICES[asked["messages"][-1]["content"]]
        self.wfile.write(json.dumps(REPLY | {"choices": [choice]}).encode())


def show(label, **options):
    kind = label.split(",")[0]
    task = Task(dataset=[Sample(input=kind, target="help")], scorer=includes())
    log = eval(task, model=model, display="none", log_level="critical", log_dir="logs", **options)[0]
    sample = log.samples[0]
    if sample.error:
        print(f"{label}: {log.status}, ModelRefusalError: {'ModelRefusalError' in sample.error.message}")
    else:
        score = sample.scores["includes"].value
        print(f"{label}: {log.status}, stop_reason {sample.output.stop_reason}, score {score}")


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_address[1]}/v1"
model = get_model("openai/gpt-4o-mini", base_url=url, api_key="k", responses_api=False)
show("refusal")
show("refusal, fail_on_refusal", fail_on_refusal=True)
show("content_filter")
show("content_filter, fail_on_refusal", fail_on_refusal=True)
SCRIPT
environment/bin/python refusals.py | tee seen
diff seen - <<'EXPECTED'
refusal: success, stop_reason stop, score C
refusal, fail_on_refusal: success, stop_reason stop, score C
content_filter: success, stop_reason content_filter, score I
content_filter, fail_on_refusal: error, ModelRefusalError: True
EXPECTED
