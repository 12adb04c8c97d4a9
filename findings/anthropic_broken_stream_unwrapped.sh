#!/usr/bin/env bash
# Packages: anthropic 2.14.0, beside it openai 3.57.0 (PyPI).
#
# Behaviour: the same loss of the same connection has two classes in the Anthropic client. Before the status line it is
# anthropic.APIConnectionError, an AnthropicError. Once the status line is there, each loss while the stream is read is
# the HTTP library's own httpx2.RemoteProtocolError, which is no AnthropicError at all, and is not tried again either,
# even where no event had arrived. So `except anthropic.APIError` around a loop over a stream misses the very failure
# that long streams meet most. The OpenAI client, which comes from the same generator, wraps both.
#
# Guess before: a client with a class APIConnectionError raises it for every lost connection, as its sister does.
#
# Output seen (where the connection closes, what is raised, and whether it is an error of the client's own package):
#   anthropic before the status line: anthropic.APIConnectionError, own: True, requests: 3
#   anthropic before the first event: httpx2.RemoteProtocolError, own: False, requests: 1
#   anthropic after the first event: httpx2.RemoteProtocolError, own: False, requests: 1
#   openai before the status line: openai.APIConnectionError, own: True, requests: 3
#   openai before the first event: openai.APIConnectionError, own: True, requests: 1
#   openai after the first event: openai.APIConnectionError, own: True, requests: 1
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
uv venv --quiet environment
uv pip install --quiet --python environment/bin/python anthropic==2.14.0 openai==3.57.0
cat >broken.py <<'SCRIPT'
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import anthropic
import openai

QUESTION = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Say hi."}], "stream": True}
MESSAGE = {"id": "a", "type": "message", "role": "assistant", "model": "m", "content": []}
CHOICE = {"index": 0, "finish_reason": None, "delta": {"content": "Hi"}}


def anthropic_event():
    start = {"type": "message_start", "message": MESSAGE | {"usage": {"input_tokens": 1, "output_tokens": 1}}}
    return f"event: message_start\ndata: {json.dumps(start)}\n\n".encode()


def openai_event():
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [CHOICE]}
    return f"data: {json.dumps(chunk)}\n\n".encode()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_POST(self):
        self.server.requests += 1
        self.close_connection = True
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.place == "before the status line":
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if self.server.place == "after the first event":
            event = self.server.event
            self.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))


def ask_anthropic(url):
    return anthropic.Anthropic(base_url=url, api_key="k").messages.create(**QUESTION)


def ask_openai(url):
    return openai.OpenAI(base_url=url + "/v1", api_key="k").chat.completions.create(**QUESTION)


def show(name, own, ask, event):
    for place in ("before the status line", "before the first event", "after the first event"):
        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.requests, server.place, server.event = 0, place, event
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            seen = f"{len(list(ask(f'http://127.0.0.1:{server.server_address[1]}')))} events"
        except Exception as error:
            kind = type(error)
            seen = f"{kind.__module__.split('.')[0]}.{kind.__name__}, own: {isinstance(error, own)}"
        print(f"{name} {place}: {seen}, requests: {server.requests}")
        server.shutdown()


show("anthropic", anthropic.AnthropicError, ask_anthropic, anthropic_event())
show("openai", openai.OpenAIError, ask_openai, openai_event())
SCRIPT
environment/bin/python broken.py | tee seen
diff seen - <<'EXPECTED'
anthropic before the status line: anthropic.APIConnectionError, own: True, requests: 3
anthropic before the first event: httpx2.RemoteProtocolError, own: False, requests: 1
anthropic after the first event: httpx2.RemoteProtocolError, own: False, requests: 1
openai before the status line: openai.APIConnectionError, own: True, requests: 3
openai before the first event: openai.APIConnectionError, own: True, requests: 1
openai after the first event: openai.APIConnectionError, own: True, requests: 1
EXPECTED
