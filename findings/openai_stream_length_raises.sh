#!/usr/bin/env bash
# Package: openai 3.57.0 (PyPI).
#
# Behaviour: an answer of plain text that ends at the token limit is an answer with `finish_reason: "length"` where it
# is asked for with `create`, streamed or not. Asked for with the streaming helper `chat.completions.stream(...)`, the
# same bytes give every event up to `content.done`, and then `get_final_completion()` raises LengthFinishReasonError
# "Could not parse response content", though nothing was to be parsed: no response_format, no tools. So does `parse`.
# The error is an OpenAIError but no APIError, so that `except openai.APIError` lets it through; the answer is in its
# attribute `completion`.
#
# Guess before: the length error belongs to structured outputs; without response_format the helper returns the text.
#
# Output seen:
#   create: 'Once upon' length
#   create(stream=True): 'Once upon' length
#   events of stream(): chunk content.delta chunk content.done
#   get_final_completion(): LengthFinishReasonError, an APIError: False, with 'Once upon' in its completion
#   parse without response_format: LengthFinishReasonError
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
uv venv --quiet environment
uv pip install --quiet --python environment/bin/python openai==3.57.0
cat >length.py <<'SCRIPT'
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import openai

REPLY = {"id": "c", "created": 1, "model": "m"}
QUESTION = {"model": "m", "max_tokens": 2, "messages": [{"role": "user", "content": "Tell me a story."}]}


def whole():
    choice = {"index": 0, "finish_reason": "length", "message": {"role": "assistant", "content": "Once upon"}}
    return json.dumps(REPLY | {"object": "chat.completion", "choices": [choice]})


def streamed():
    text = {"index": 0, "finish_reason": None, "delta": {"role": "assistant", "content": "Once upon"}}
    end = {"index": 0, "finish_reason": "length", "delta": {}}
    chunks = [REPLY | {"object": "chat.completion.chunk", "choices": [choice]} for choice in (text, end)]
    return "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        if asked.get("stream"):
            self.send_header("Content-Type", "text/event-stream")
            body = streamed()
        else:
            self.send_header("Content-Type", "application/json")
            body = whole()
        self.end_headers()
        self.wfile.write(body.encode())


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
completions = openai.OpenAI(base_url=f"http://127.0.0.1:{server.server_address[1]}/v1", api_key="k").chat.completions

choice = completions.create(**QUESTION).choices[0]
print(f"create: {choice.message.content!r} {choice.finish_reason}")

choices = [chunk.choices[0] for chunk in completions.create(**QUESTION, stream=True)]
text = "".join(choice.delta.content or "" for choice in choices)
print(f"create(stream=True): {text!r} {choices[-1].finish_reason}")

with completions.stream(**QUESTION) as stream:
    print("events of stream():", *[event.type for event in stream])
    try:
        print("get_final_completion():", stream.get_final_completion().choices[0].message.content)
    except openai.OpenAIError as error:
        name, is_api_error = type(error).__name__, isinstance(error, openai.APIError)
        text = error.completion.choices[0].message.content
        print(f"get_final_completion(): {name}, an APIError: {is_api_error}, with {text!r} in its completion")
try:
    print("parse without response_format:", completions.parse(**QUESTION).choices[0].message.content)
except openai.OpenAIError as error:
    print("parse without response_format:", type(error).__name__)
SCRIPT
environment/bin/python length.py | tee seen
diff seen - <<'EXPECTED'
create: 'Once upon' length
create(stream=True): 'Once upon' length
events of stream(): chunk content.delta chunk content.done
get_final_completion(): LengthFinishReasonError, an APIError: False, with 'Once upon' in its completion
parse without response_format: LengthFinishReasonError
EXPECTED
