#!/usr/bin/env bash
# Package: anthropic 2.14.0 (PyPI).
#
# Behaviour: the API reports trouble that begins after the status line as an event `error` inside the stream. The client
# picks the class of the exception by the HTTP status, which was 200 by then. So `overloaded_error` is no
# OverloadedError, `rate_limit_error` no RateLimitError and `api_error` no InternalServerError, but each a
# plain APIStatusError with `status_code` 200, which a handler for 429, for 5xx or for >= 400 takes for none of its own.
# Only the attribute `type` tells; it is the same in both forms.
#
# Guess before: the class follows the type that the error names, since there is a class for each type.
#
# Output seen:
#   overloaded_error as HTTP 529: OverloadedError, status_code 529, type overloaded_error
#   overloaded_error in a stream: APIStatusError, status_code 200, type overloaded_error
#   rate_limit_error as HTTP 429: RateLimitError, status_code 429, type rate_limit_error
#   rate_limit_error in a stream: APIStatusError, status_code 200, type rate_limit_error
#   api_error as HTTP 500: InternalServerError, status_code 500, type api_error
#   api_error in a stream: APIStatusError, status_code 200, type api_error
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
uv venv --quiet environment
uv pip install --quiet --python environment/bin/python anthropic==2.14.0
cat >overloaded.py <<'SCRIPT'
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import anthropic

STATUS = {"overloaded_error": 529, "rate_limit_error": 429, "api_error": 500}


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        kind = asked["messages"][0]["content"]
        error = json.dumps({"type": "error", "error": {"type": kind, "message": "Not now."}})
        if asked.get("stream"):
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            body = f"event: error\ndata: {error}\n\n"
        else:
            self.send_response(STATUS[kind])
            self.send_header("Content-Type", "application/json")
            body = error
        self.end_headers()
        self.wfile.write(body.encode())


def failure(ask):
    try:
        return f"{len(ask())} events"
    except anthropic.AnthropicError as error:
        return f"{type(error).__name__}, status_code {error.status_code}, type {error.type}"


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
client = anthropic.Anthropic(base_url=f"http://127.0.0.1:{server.server_address[1]}", api_key="k", max_retries=0)
for kind, status in STATUS.items():
    question = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": kind}]}
    print(f"{kind} as HTTP {status}: {failure(lambda: client.messages.create(**question))}")
    print(f"{kind} in a stream: {failure(lambda: list(client.messages.create(**question, stream=True)))}")
SCRIPT
environment/bin/python overloaded.py | tee seen
diff seen - <<'EXPECTED'
overloaded_error as HTTP 529: OverloadedError, status_code 529, type overloaded_error
overloaded_error in a stream: APIStatusError, status_code 200, type overloaded_error
rate_limit_error as HTTP 429: RateLimitError, status_code 429, type rate_limit_error
rate_limit_error in a stream: APIStatusError, status_code 200, type rate_limit_error
api_error as HTTP 500: InternalServerError, status_code 500, type api_error
api_error in a stream: APIStatusError, status_code 200, type api_error
EXPECTED
