#!/usr/bin/env bash
# Packages: litellm[proxy] 1.108.7 (PyPI), in front of a server that records what it is asked.
#
# Behaviour: the LiteLLM proxy has an endpoint in Anthropic's format, /v1/messages, for any deployment. Which endpoint
# it asks behind is decided by the prefix of the deployment's model, and what arrives there differs. For `hosted_vllm/…`
# it is /v1/chat/completions, and all fields arrive. For `openai/…`, the prefix for any server that speaks OpenAI's
# format, it is /v1/responses, which such servers may lack or do by half (llama.cpp's takes no notice of a schema
# there). There `stop_sequences` are gone, because that format has none; `max_tokens` below 16 becomes 16, which is the
# least that OpenAI allows there; and the schema of `output_config.format`, which Anthropic always keeps to, is sent as
# `strict: false`. All with HTTP 200. The same deployment asked in OpenAI's format on /v1/chat/completions gets every
# field.
#
# Guess before: an `openai/` deployment with an `api_base` of its own is asked on /v1/chat/completions, in whatever
# format the question came; what cannot be carried is a 400, as LiteLLM has it (`UnsupportedParamsError`) for
# other fields.
#
# Output seen:
#   /v1/messages, hosted_vllm/m: asks /v1/chat/completions, limit 5, stop ['END'], strict True
#   /v1/messages, openai/m: asks /v1/responses, limit 16, stop None, strict False
#   /v1/chat/completions, openai/m: asks /v1/chat/completions, limit 5, stop ['END'], strict True
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
uv venv --quiet environment
uv pip install --quiet --python environment/bin/python "litellm[proxy]==1.108.7"
cat >ask.py <<'SCRIPT'
import json
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

KEY = f"sk-{secrets.token_hex(16)}"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


def start_proxy(deployments):
    models = [{"model_name": name, "litellm_params": params} for name, params in deployments.items()]
    Path("config.yaml").write_text(json.dumps({"model_list": models}))
    url = f"http://127.0.0.1:{port}"
    command = [str(Path(sys.executable).parent / "litellm"), "--config", "config.yaml"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    environment = os.environ | {"LITELLM_MASTER_KEY": KEY, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    with open("log", "w") as log:
        proxy = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    while proxy.poll() is None:
        try:
            urllib.request.urlopen(url + "/health/liveliness").close()
            return proxy
        except OSError:
            time.sleep(0.2)
    raise SystemExit(Path("log").read_text())


CHOICE = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hi"}}
CHAT = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [CHOICE]}
TEXT = {"type": "output_text", "text": "Hi", "annotations": []}
MESSAGE = {"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": [TEXT]}
RESPONSE = {"id": "r", "object": "response", "created_at": 1, "model": "m", "status": "completed", "output": [MESSAGE]}
RESPONSE |= {"parallel_tool_calls": True, "tools": [], "tool_choice": "auto"}


class Upstream(BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_POST(self):
        asked.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        if self.path == "/v1/responses":
            usage = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
            self.wfile.write(json.dumps(RESPONSE | {"usage": usage}).encode())
        else:
            usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
            self.wfile.write(json.dumps(CHAT | {"usage": usage}).encode())


def show(path, model, **extra):
    messages = [{"role": "user", "content": "Say hi."}]
    body = json.dumps({"model": model, "messages": messages, "max_tokens": 5} | extra).encode()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {KEY}"}
    urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, headers)).close()
    where, body = asked.pop()
    if where == "/v1/responses":
        limit, strict = body["max_output_tokens"], body["text"]["format"]["strict"]
    else:
        limit, strict = body["max_tokens"], body["response_format"]["json_schema"]["strict"]
    print(f"{path}, {model}: asks {where}, limit {limit}, stop {body.get('stop')}, strict {strict}")


asked = []
port = free_port()
upstream = ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
threading.Thread(target=upstream.serve_forever, daemon=True).start()
base = f"http://127.0.0.1:{upstream.server_address[1]}/v1"
names = ["hosted_vllm/m", "openai/m"]
proxy = start_proxy({name: {"model": name, "api_base": base, "api_key": "none"} for name in names})
try:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    schema["additionalProperties"] = False
    extra = {"stop_sequences": ["END"], "output_config": {"format": {"type": "json_schema", "schema": schema}}}
    show("/v1/messages", "hosted_vllm/m", **extra)
    show("/v1/messages", "openai/m", **extra)
    named = {"name": "answer", "strict": True, "schema": schema}
    extra = {"stop": ["END"], "response_format": {"type": "json_schema", "json_schema": named}}
    show("/v1/chat/completions", "openai/m", **extra)
finally:
    proxy.terminate()
    proxy.wait()
SCRIPT
environment/bin/python ask.py | tee seen
diff seen - <<'EXPECTED'
/v1/messages, hosted_vllm/m: asks /v1/chat/completions, limit 5, stop ['END'], strict True
/v1/messages, openai/m: asks /v1/responses, limit 16, stop None, strict False
/v1/chat/completions, openai/m: asks /v1/chat/completions, limit 5, stop ['END'], strict True
EXPECTED
