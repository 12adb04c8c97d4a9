#!/usr/bin/env bash
# Packages: inspect-ai 0.3.285, pydantic-ai-slim[openai] 2.62.0, openai 3.57.0 (PyPI).
#
# Behaviour: OpenRouter tells a failure with HTTP 200 in two ways: as an object `error` instead of an answer, or, where
# tokens had been made already, as `finish_reason` "error" and an object `error` inside the choice, beside the piece of
# text. Inspect and pydantic-ai each have a class of their own for OpenRouter, and both know the first way: Inspect asks
# again and then fails the sample, pydantic-ai raises. The second way is an answer for both. Inspect makes `stop_reason`
# "unknown" of it, drops the error, scores the piece of text, here as correct, and the run is a success. pydantic-ai
# returns the piece as the output of the agent, and only `finish_reason` "error" in the response tells.
#
# Guess before: classes made for OpenRouter, which know the reason "error", treat the same error alike in both places.
#
# Output seen:
#   pydantic-ai, error instead of an answer: ModelServerError 502
#   pydantic-ai, error in the choice: output 'Paris is', finish_reason error
#   inspect, error instead of an answer: error, requests: 2
#   inspect, error in the choice: success, requests: 1, stop_reason unknown, score C
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
uv venv --quiet environment
packages="inspect-ai==0.3.285 pydantic-ai-slim[openai]==2.62.0 openai==3.57.0"
uv pip install --quiet --python environment/bin/python $packages
cat >failed.py <<'SCRIPT'
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import openai
from inspect_ai import Task, eval
from inspect_ai.dataset import Sample
from inspect_ai.model import get_model
from inspect_ai.scorer import includes
from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.models.openrouter import OpenRouterModel
from pydantic_ai.providers.openrouter import OpenRouterProvider

ERROR = {"code": 502, "message": "The provider has gone."}
MESSAGE = {"role": "assistant", "content": "Paris is", "refusal": None}
CHOICE = {"index": 0, "finish_reason": "error", "native_finish_reason": "error", "error": ERROR, "message": MESSAGE}
REPLY = {"id": "c", "object": "chat.completion", "created": 1, "model": "x/m", "provider": "X", "choices": [CHOICE]}
USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
REPLIES = {"error instead of an answer": {"error": ERROR}, "error in the choice": REPLY | {"usage": USAGE}}


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        requests.append(asked)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(REPLIES[asked["messages"][-1]["content"]]).encode())


def ask_pydantic_ai(kind):
    provider = OpenRouterProvider(openai_client=openai.AsyncOpenAI(base_url=url, api_key="k"))
    try:
        result = Agent(OpenRouterModel("x/m", provider=provider)).run_sync(kind)
    except ModelHTTPError as error:
        print(f"pydantic-ai, {kind}: {type(error).__name__} {error.status_code}")
    else:
        print(f"pydantic-ai, {kind}: output {result.output!r}, finish_reason {result.response.finish_reason}")


def ask_inspect(kind):
    requests.clear()
    task = Task(dataset=[Sample(input=kind, target="Paris")], scorer=includes())
    model = get_model("openrouter/x/m", base_url=url, api_key="k")
    log = eval(task, model=model, display="none", log_level="critical", log_dir="logs", max_retries=1)[0]
    seen = f"inspect, {kind}: {log.status}, requests: {len(requests)}"
    sample = log.samples[0]
    if sample.error is None:
        seen += f", stop_reason {sample.output.stop_reason}, score {sample.scores['includes'].value}"
    print(seen)


requests = []
server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_address[1]}/v1"
for kind in REPLIES:
    ask_pydantic_ai(kind)
for kind in REPLIES:
    ask_inspect(kind)
SCRIPT
environment/bin/python failed.py | tee seen
diff seen - <<'EXPECTED'
pydantic-ai, error instead of an answer: ModelServerError 502
pydantic-ai, error in the choice: output 'Paris is', finish_reason error
inspect, error instead of an answer: error, requests: 2
inspect, error in the choice: success, requests: 1, stop_reason unknown, score C
EXPECTED
