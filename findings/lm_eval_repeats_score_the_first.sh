#!/usr/bin/env bash
# Package: lm-eval[api] 0.4.13 (PyPI).
#
# Behaviour: a task with `repeats: 3` asks the model three times for each question, keeps all three answers in the
# samples, and scores the first alone: without a `filter_list` of the task the filter is `take_first`. Two of three right
# answers are exact_match 0.0 if the first is the wrong one, and 1.0 if it is a right one. The results do not say that
# two thirds of the answers that were paid for count for nothing.
#
# Guess before: the score of a question is the mean over its repeats.
#
# Output seen:
#   Rome, Paris, Paris: 6 calls, exact_match 0.0
#   Paris, Paris, Rome: 6 calls, exact_match 1.0
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
repeats: 3
generation_kwargs: {until: ["Question:"], do_sample: true, temperature: 1.0}
metric_list: [{metric: exact_match, aggregation: mean, higher_is_better: true}]
TASK
cat >questions.json <<'DATA'
[{"question": "What is the capital of France?"}, {"question": "Which city is the capital of France?"}]
DATA
cat >repeats.py <<'SCRIPT'
import json
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import lm_eval
from lm_eval.tasks import TaskManager

asked = Counter()
answers = []


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        question = body["messages"][-1]["content"]
        message = {"role": "assistant", "content": answers[asked[question]]}
        asked[question] += 1
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        self.wfile.write(json.dumps({"choices": [choice]}).encode())


def show(*scripted):
    asked.clear()
    answers[:] = scripted
    evaluated = lm_eval.simple_evaluate(
        model="local-chat-completions",
        model_args={"model": "m", "base_url": url, "num_concurrent": 1},
        tasks=["capitals"],
        task_manager=TaskManager(include_path=".", include_defaults=False),
        apply_chat_template=True,
        bootstrap_iters=0,
    )
    score = evaluated["results"]["capitals"]["exact_match,none"]
    print(f"{', '.join(scripted)}: {asked.total()} calls, exact_match {score}")


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_address[1]}/v1/chat/completions"
show("Rome", "Paris", "Paris")
show("Paris", "Paris", "Rome")
SCRIPT
HF_HUB_OFFLINE=1 HF_HOME=$folder/cache environment/bin/python repeats.py 2>log | tee seen
diff seen - <<'EXPECTED'
Rome, Paris, Paris: 6 calls, exact_match 0.0
Paris, Paris, Rome: 6 calls, exact_match 1.0
EXPECTED
