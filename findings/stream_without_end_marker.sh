#!/usr/bin/env bash
# Packages: openai 3.57.0, anthropic 2.14.0, ollama 0.6.3 (PyPI).
#
# Behaviour: every format marks the end of a stream: OpenAI by a finish reason and `[DONE]`, Anthropic by a stop reason
# and `message_stop`, Ollama by `done: true`. None of the three official clients asks for it. Where the body ends
# cleanly without (the worker behind a gateway died and the gateway closed the chunked body as it should), iterating
# just ends, and the helpers `get_final_completion()` and `get_final_message()` return half an answer as the final one.
# Only the missing reason tells: None, in OpenAI's case in a field that is typed as always there. A body that is cut
# off in the middle of a chunk raises in all three.
#
# Guess before: helpers that promise the final message raise when the end never came; the SDKs know their own markers.
#
# Output seen:
#   openai, create(stream=True): 'Once upon', finish_reason None
#   openai, get_final_completion(): 'Once upon', finish_reason None
#   anthropic, create(stream=True): last event content_block_delta
#   anthropic, get_final_message(): 'Once upon', stop_reason None
#   ollama, chat(stream=True): 'Once upon', done_reason None
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
uv venv --quiet environment
uv pip install --quiet --python environment/bin/python openai==3.57.0 anthropic==2.14.0 ollama==0.6.3
cat >endless.py <<'SCRIPT'
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import anthropic
import ollama
import openai

QUESTION = {"model": "m", "messages": [{"role": "user", "content": "Tell me a story."}]}
TEXT = "Once upon"
USAGE = {"input_tokens": 1, "output_tokens": 1}
MESSAGE = {"id": "a", "type": "message", "role": "assistant", "model": "m", "content": [], "usage": USAGE}
OPENAI_CHOICE = {"index": 0, "finish_reason": None, "delta": {"role": "assistant", "content": TEXT}}
OPENAI = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [OPENAI_CHOICE]}
ANTHROPIC = [
    {"type": "message_start", "message": MESSAGE},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": TEXT}},
]
OLLAMA = {"model": "m", "created_at": "2026-01-01T00:00:00Z", "message": {"role": "assistant", "content": TEXT}}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        kind = "text/event-stream"
        if self.path == "/v1/chat/completions":
            pieces = [f"data: {json.dumps(OPENAI)}\n\n"]
        elif self.path == "/v1/messages":
            pieces = [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in ANTHROPIC]
        else:
            kind = "application/x-ndjson"
            pieces = [json.dumps(OLLAMA | {"done": False}) + "\n"]
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in pieces:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece.encode()))
        self.wfile.write(b"0\r\n\r\n")


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_address[1]}"

completions = openai.OpenAI(base_url=url + "/v1", api_key="k", max_retries=0).chat.completions
choice = list(completions.create(**QUESTION, stream=True))[-1].choices[0]
print(f"openai, create(stream=True): {choice.delta.content!r}, finish_reason {choice.finish_reason}")
with completions.stream(**QUESTION) as stream:
    choice = stream.get_final_completion().choices[0]
print(f"openai, get_final_completion(): {choice.message.content!r}, finish_reason {choice.finish_reason}")

messages = anthropic.Anthropic(base_url=url, api_key="k", max_retries=0).messages
events = list(messages.create(**QUESTION, max_tokens=9, stream=True))
print(f"anthropic, create(stream=True): last event {events[-1].type}")
with messages.stream(**QUESTION, max_tokens=9) as stream:
    message = stream.get_final_message()
print(f"anthropic, get_final_message(): {message.content[0].text!r}, stop_reason {message.stop_reason}")

parts = list(ollama.Client(host=url).chat(**QUESTION, stream=True))
print(f"ollama, chat(stream=True): {parts[-1].message.content!r}, done_reason {parts[-1].done_reason}")
SCRIPT
environment/bin/python endless.py | tee seen
diff seen - <<'EXPECTED'
openai, create(stream=True): 'Once upon', finish_reason None
openai, get_final_completion(): 'Once upon', finish_reason None
anthropic, create(stream=True): last event content_block_delta
anthropic, get_final_message(): 'Once upon', stop_reason None
ollama, chat(stream=True): 'Once upon', done_reason None
EXPECTED
