#!/usr/bin/env bash
# Package: lm-eval[api] 0.4.13 (PyPI).
#
# Behaviour: with the model `local-chat-completions` a failure inside HTTP 200, an object `error` and no `choices`, as
# gateways send it when the model behind them is gone, is an empty answer. It is scored as one, so an outage lowers the
# score of the model, and the results say nothing of it: no error count, no fewer samples, one line of warning in the
# log. So is an answer whose `content` is null, be it a refusal or a thought that took all tokens. The same failure as
# HTTP 502 ends the whole run with an exception once its tries are used up.
#
# Guess before: what is no answer raises, or the sample is left out and counted.
#
# Output seen:
#   2 answers: exact_match 1.0 of 2 samples
#   2 answers, 2 errors with HTTP 200: exact_match 0.5 of 4 samples
#   2 answers, 2 refusals: exact_match 0.5 of 4 samples
#   2 answers, 2 errors with HTTP 502: HTTPError
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
uv venv --quiet environment
uv pip install --quiet --python environment/bin/python "lm-eval[api]==0.4.13"
cat >capitals.yaml <<'TASK'
task: capitals
dataset_path: json
dataset_kwargs: {data_files: {test: questions.json}}
test_split: test
output_type: generate_until
doc_to_text: "{{question}}"
doc_to_target: "Paris"
generation_kwargs: {until: ["Question:"]}
metric_list: [{metric: exact_match, aggregation: mean, higher_is_better: true}]
TASK
cat >outage.py <<'SCRIPT'
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import lm_eval
import requests
from lm_eval.tasks import TaskManager

ERROR = {"error": {"code": 502, "message": "The provider has gone."}}
REFUSAL = {"role": "assistant", "content": None, "refusal": "I cannot help with that."}


def answer(message):
    return {"choices": [{"index": 0, "finish_reason": "stop", "message": message}]}


REPLIES = {
    "answers": (200, answer({"role": "assistant", "content": "Paris"})),
    "errors with HTTP 200": (200, ERROR),
    "refusals": (200, answer(REFUSAL)),
    "errors with HTTP 502": (502, ERROR),
}


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        kind = asked["messages"][-1]["content"].split(": ")[1]
        status, reply = REPLIES[kind]
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(reply).encode())


def show(*kinds):
    questions = [{"question": f"{number}: {kind}"} for kind in kinds for number in range(2)]
    Path("questions.json").write_text(json.dumps(questions))
    label = ", ".join(f"2 {kind}" for kind in kinds)
    try:
        evaluated = lm_eval.simple_evaluate(
            model="local-chat-completions",
            model_args={"model": "m", "base_url": url, "max_retries": 1},
            tasks=["capitals"],
            task_manager=TaskManager(include_path=".", include_defaults=False),
            apply_chat_template=True,
            bootstrap_iters=0,
        )
    except requests.HTTPError as error:
        print(f"{label}: {type(error).__name__}")
    else:
        result = evaluated["results"]["capitals"]
        print(f"{label}: exact_match {result['exact_match,none']} of {result['sample_len']} samples")


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_address[1]}/v1/chat/completions"
show("answers")
show("answers", "errors with HTTP 200")
show("answers", "refusals")
show("answers", "errors with HTTP 502")
SCRIPT
HF_HUB_OFFLINE=1 HF_HOME=$folder/cache environment/bin/python outage.py 2>log | tee seen
diff seen - <<'EXPECTED'
2 answers: exact_match 1.0 of 2 samples
2 answers, 2 errors with HTTP 200: exact_match 0.5 of 4 samples
2 answers, 2 refusals: exact_match 0.5 of 4 samples
2 answers, 2 errors with HTTP 502: HTTPError
EXPECTED
