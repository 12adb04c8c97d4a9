#!/usr/bin/env bash
# Package: lm-eval[api] 0.4.13 (PyPI).
#
# Behaviour: the `until` of a task may have any number of sequences, and for models that run in the process (`hf`) the
# text is cut at each of them. For `local-chat-completions` the first four are sent as `stop`, because OpenAI takes no
# more, and the rest is dropped without a word; the text that comes back is not cut at any of them. So a task with five
# sequences scores the text behind the fifth, and the order in which a task lists them decides what a model gets.
#
# Guess before: `until` is a promise of the task, kept for every model by cutting the text, as it costs nothing.
#
# Output seen:
#   4 sequences, the first ends the answer: sent 4, answer 'Paris', exact_match 1.0
#   5 sequences, the first ends the answer: sent 4, answer 'Paris', exact_match 1.0
#   5 sequences, the fifth ends the answer: sent 4, answer 'Paris Question: and then?', exact_match 0.0
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
uv venv --quiet environment
uv pip install --quiet --python environment/bin/python "lm-eval[api]==0.4.13"
cat >stops.py <<'SCRIPT'
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import lm_eval
from lm_eval.tasks import TaskManager

TASK = {
    "task": "capitals",
    "dataset_path": "json",
    "dataset_kwargs": {"data_files": {"test": "questions.json"}},
    "test_split": "test",
    "output_type": "generate_until",
    "doc_to_text": "{{question}}",
    "doc_to_target": "Paris",
    "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
}
FOUR = [" A:", " B:", " C:", " D:"]


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        sent.append(asked["stop"])
        text = "Paris Question: and then?"
        for sequence in asked["stop"]:
            text = text.split(sequence)[0]
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps({"choices": [choice]}).encode())


def show(label, until):
    sent.clear()
    Path("capitals.yaml").write_text(json.dumps(TASK | {"generation_kwargs": {"until": until}}))
    evaluated = lm_eval.simple_evaluate(
        model="local-chat-completions",
        model_args={"model": "m", "base_url": url, "max_retries": 1},
        tasks=["capitals"],
        task_manager=TaskManager(include_path=".", include_defaults=False),
        apply_chat_template=True,
        bootstrap_iters=0,
    )
    answer = evaluated["samples"]["capitals"][0]["resps"][0][0]
    score = evaluated["results"]["capitals"]["exact_match,none"]
    print(f"{len(until)} sequences, {label}: sent {len(sent[0])}, answer {answer!r}, exact_match {score}")


sent = []
server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_address[1]}/v1/chat/completions"
Path("questions.json").write_text(json.dumps([{"question": "What is the capital of France?"}]))
show("the first ends the answer", [" Question:", *FOUR[:3]])
show("the first ends the answer", [" Question:", *FOUR])
show("the fifth ends the answer", [*FOUR, " Question:"])
SCRIPT
HF_HUB_OFFLINE=1 HF_HOME=$folder/cache environment/bin/python stops.py 2>log | tee seen
diff seen - <<'EXPECTED'
4 sequences, the first ends the answer: sent 4, answer 'Paris', exact_match 1.0
5 sequences, the first ends the answer: sent 4, answer 'Paris', exact_match 1.0
5 sequences, the fifth ends the answer: sent 4, answer 'Paris Question: and then?', exact_match 0.0
EXPECTED
