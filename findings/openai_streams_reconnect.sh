#!/usr/bin/env bash
# Packages: openai 3.57.0 with httpx2 2.16.2; beside it anthropic 2.14.0 and ollama 0.6.3 (PyPI).
#
# Behaviour: the synchronous `OpenAI` client opens a new connection for every streamed answer over HTTP/1.1, however
# long its pool keeps connections alive. It stops at `data: [DONE]` and closes the response before it has read the end
# of the chunked body, and the pool throws away a connection with an unread body, also where that end came in the same
# packet as `[DONE]`. `AsyncOpenAI` of the same release reads the rest and keeps its one connection, and so do the
# synchronous clients of Anthropic and Ollama. So a load test with the synchronous client measures a handshake (over
# TLS two or three round trips) in each time to first token, and one with the asynchronous client does not.
#
# Guess before: all reuse their connection, because the body is read to its last event; surely both of one release do.
#
# Output seen (connections for five streamed answers, one after the other):
#   OpenAI, unstreamed: 1
#   OpenAI: 5
#   OpenAI, end of the body in one packet with [DONE]: 5
#   AsyncOpenAI: 1
#   Anthropic: 1
#   ollama: 1
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
uv venv --quiet environment
uv pip install --quiet --python environment/bin/python openai==3.57.0 httpx2==2.16.2 anthropic==2.14.0 ollama==0.6.3
cat >connections.py <<'SCRIPT'
import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import anthropic
import ollama
import openai

MESSAGES = [{"role": "user", "content": "Say hi."}]
CHOICE = {"index": 0, "finish_reason": "stop"}
OPENAI = {"id": "c", "object": "chat.completion", "created": 1, "model": "m"}
MESSAGE = {"id": "a", "type": "message", "role": "assistant", "model": "m", "content": []}


def openai_events():
    chunk = OPENAI | {"object": "chat.completion.chunk", "choices": [CHOICE | {"delta": {"content": "Hi"}}]}
    return [f"data: {json.dumps(chunk)}\n\n", "data: [DONE]\n\n"]


def anthropic_events():
    usage = {"input_tokens": 1, "output_tokens": 1}
    start = {"type": "message_start", "message": MESSAGE | {"usage": usage}}
    delta = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage}
    events = [start, delta, {"type": "message_stop"}]
    return [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events]


def ollama_lines():
    line = {"model": "m", "created_at": "2026-01-01T00:00:00Z", "message": {"role": "assistant", "content": "Hi"}}
    return [json.dumps(line | {"done": done}) + "\n" for done in (False, True)]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self):
        super().setup()
        self.server.connections += 1

    def log_message(self, *args):
        pass

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/v1/messages":
            self.stream("text/event-stream", anthropic_events())
        elif self.path == "/api/chat":
            self.stream("application/x-ndjson", ollama_lines())
        elif asked.get("stream"):
            self.stream("text/event-stream", openai_events())
        else:
            self.whole(OPENAI | {"choices": [CHOICE | {"message": {"role": "assistant", "content": "Hi"}}]})

    def whole(self, answer):
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def stream(self, content_type, pieces):
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        chunks = [b"%x\r\n%s\r\n" % (len(piece), piece.encode()) for piece in pieces] + [b"0\r\n\r\n"]
        if self.server.in_one_packet:
            chunks = [b"".join(chunks)]
        for chunk in chunks:
            self.wfile.write(chunk)


def count(label, ask, in_one_packet=False):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.connections = 0
    server.in_one_packet = in_one_packet
    threading.Thread(target=server.serve_forever, daemon=True).start()
    ask(f"http://127.0.0.1:{server.server_address[1]}")
    print(f"{label}: {server.connections}")
    server.shutdown()


def openai_whole(url):
    client = openai.OpenAI(base_url=url + "/v1", api_key="k")
    for _ in range(5):
        client.chat.completions.create(model="m", messages=MESSAGES)


def openai_streamed(url):
    client = openai.OpenAI(base_url=url + "/v1", api_key="k")
    for _ in range(5):
        list(client.chat.completions.create(model="m", messages=MESSAGES, stream=True))


async def openai_asynchronous(url):
    client = openai.AsyncOpenAI(base_url=url + "/v1", api_key="k")
    for _ in range(5):
        async for _ in await client.chat.completions.create(model="m", messages=MESSAGES, stream=True):
            pass


def anthropic_streamed(url):
    client = anthropic.Anthropic(base_url=url, api_key="k")
    for _ in range(5):
        list(client.messages.create(model="m", messages=MESSAGES, max_tokens=9, stream=True))


def ollama_streamed(url):
    client = ollama.Client(host=url)
    for _ in range(5):
        list(client.chat(model="m", messages=MESSAGES, stream=True))


count("OpenAI, unstreamed", openai_whole)
count("OpenAI", openai_streamed)
count("OpenAI, end of the body in one packet with [DONE]", openai_streamed, in_one_packet=True)
count("AsyncOpenAI", lambda url: asyncio.run(openai_asynchronous(url)))
count("Anthropic", anthropic_streamed)
count("ollama", ollama_streamed)
SCRIPT
environment/bin/python connections.py | tee seen
diff seen - <<'EXPECTED'
OpenAI, unstreamed: 1
OpenAI: 5
OpenAI, end of the body in one packet with [DONE]: 5
AsyncOpenAI: 1
Anthropic: 1
ollama: 1
EXPECTED
