#!/usr/bin/env bash
# Package: anthropic 2.14.0 (PyPI).
#
# Behaviour: each event of a Messages stream names its type twice, in the line `event:` and in the JSON of `data:`. The
# client looks at the first alone, and an event without that line is skipped without a word. So a gateway that forwards
# only the lines `data:`, which the standard allows and which is all that OpenAI's format has, gives an empty stream and
# no error: zero events, HTTP 200. An error without the line is lost too: in an otherwise complete stream the answer cut
# off by `overloaded_error` is returned as a finished message, with `stop_reason` None.
#
# Guess before: the type in the JSON is what counts, as it is for every field else; at worst an unknown event raises.
#
# Output seen:
#   named events: message_start content_block_start content_block_delta content_block_stop message_delta message_stop
#   the same without `event:` lines: nothing
#   error named: APIStatusError overloaded_error
#   error unnamed: message 'Hi', stop_reason None
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
uv venv --quiet environment
uv pip install --quiet --python environment/bin/python anthropic==2.14.0
cat >unnamed.py <<'SCRIPT'
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import anthropic

QUESTION = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Say hi."}]}
USAGE = {"input_tokens": 1, "output_tokens": 1}
MESSAGE = {"id": "a", "type": "message", "role": "assistant", "model": "m", "content": [], "usage": USAGE}
BEGIN = [
    {"type": "message_start", "message": MESSAGE},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}},
]
END = [
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": USAGE},
    {"type": "message_stop"},
]
ERROR = {"type": "error", "error": {"type": "overloaded_error", "message": "Not now."}}


def named(event):
    return f"event: {event['type']}\n{unnamed(event)}"


def unnamed(event):
    return f"data: {json.dumps(event)}\n\n"


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.wfile.write("".join(self.server.stream).encode())


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
client = anthropic.Anthropic(base_url=f"http://127.0.0.1:{server.server_address[1]}", api_key="k", max_retries=0)


def events():
    kinds = [event.type for event in client.messages.create(**QUESTION, stream=True)]
    return " ".join(kinds) or "nothing"


def message():
    try:
        with client.messages.stream(**QUESTION) as stream:
            message = stream.get_final_message()
    except anthropic.APIStatusError as error:
        return f"APIStatusError {error.type}"
    return f"message {message.content[0].text!r}, stop_reason {message.stop_reason}"


server.stream = map(named, BEGIN + END)
print("named events:", events())
server.stream = map(unnamed, BEGIN + END)
print("the same without `event:` lines:", events())
server.stream = [*map(named, BEGIN), named(ERROR)]
print("error named:", message())
server.stream = [*map(named, BEGIN), unnamed(ERROR)]
print("error unnamed:", message())
SCRIPT
environment/bin/python unnamed.py | tee seen
diff seen - <<'EXPECTED'
named events: message_start content_block_start content_block_delta content_block_stop message_delta message_stop
the same without `event:` lines: nothing
error named: APIStatusError overloaded_error
error unnamed: message 'Hi', stop_reason None
EXPECTED
