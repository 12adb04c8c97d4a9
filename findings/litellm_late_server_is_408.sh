#!/usr/bin/env bash
# Packages: litellm[proxy] 1.108.7, openai 3.57.0 (PyPI), in front of a server that answers too late.
#
# Behaviour: the LiteLLM proxy tells its client of a server behind it that does not answer in the deployment's
# `timeout` as HTTP 408 with the type `invalid_request_error`: the words for a request that was wrong, or that
# the client itself sent too slowly. A server that is not there is a plain 500 `internal_server_error`, as if the
# proxy had failed. Neither is a 502 or 504, by which a gateway's failure is known. Both come after the proxy has
# tried three times by itself, with no `num_retries` set. And since clients try again after 408 and 500, the tries
# multiply: one call of the official client, as it comes, makes nine requests to the server that was too slow already.
#
# Guess before: 504 and 502 or 503; no tries of the proxy's own unless `num_retries` asks for them; so three requests.
#
# Output seen:
#   server too slow, one try: APIStatusError 408 invalid_request_error, requests to the server: 3
#   no server there, one try: InternalServerError 500 internal_server_error, requests to the server: 0
#   server too slow, the client as it comes: APIStatusError 408 invalid_request_error, requests to the server: 9
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
uv venv --quiet environment
uv pip install --quiet --python environment/bin/python "litellm[proxy]==1.108.7" openai==3.57.0
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

import openai

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


class Upstream(BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_POST(self):
        asked.append(self.path)
        self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(2)


def show(label, model, tries):
    client = openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key=KEY, max_retries=tries)
    asked.clear()
    try:
        client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Say hi."}])
        print(f"{label}: answered")
    except openai.APIStatusError as error:
        print(f"{label}: {type(error).__name__} {error.status_code} {error.type}, requests to the server: {len(asked)}")


asked = []
port = free_port()
upstream = ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
threading.Thread(target=upstream.serve_forever, daemon=True).start()
slow = {"model": "openai/m", "api_base": f"http://127.0.0.1:{upstream.server_address[1]}/v1", "api_key": "none"}
absent = {"model": "openai/m", "api_base": f"http://127.0.0.1:{free_port()}/v1", "api_key": "none"}
proxy = start_proxy({"slow": slow | {"timeout": 0.5}, "absent": absent})
try:
    show("server too slow, one try", "slow", 0)
    show("no server there, one try", "absent", 0)
    show("server too slow, the client as it comes", "slow", openai.DEFAULT_MAX_RETRIES)
finally:
    proxy.terminate()
    proxy.wait()
SCRIPT
environment/bin/python ask.py | tee seen
diff seen - <<'EXPECTED'
server too slow, one try: APIStatusError 408 invalid_request_error, requests to the server: 3
no server there, one try: InternalServerError 500 internal_server_error, requests to the server: 0
server too slow, the client as it comes: APIStatusError 408 invalid_request_error, requests to the server: 9
EXPECTED
