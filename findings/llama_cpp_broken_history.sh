#!/usr/bin/env bash
# Package: xllamacpp 2026.10.11549 (PyPI), which carries llama.cpp and its HTTP server.
#
# Behaviour: in OpenAI's format the arguments of a tool call are a text, because models do not always write JSON, and a
# client that continues a conversation sends back what it got. llama.cpp's server reads that text as JSON before it
# makes the prompt, if the chat template wants an object. So one call with broken arguments, or one that the server
# itself cut off at the limit, makes every later turn of that conversation fail, even one that offers no tools. It fails
# as HTTP 500 with type `server_error`, for which clients try again and balancers take the server out, though the
# request will never work; a field of a wrong type is a 400.
#
# Guess before: arguments are carried as the text they are, as OpenAI does; if they are read, then a 400.
#
# Output seen:
#   whole arguments: 200
#   arguments cut off: 500 server_error
#   whole arguments, temperature of a wrong type: 400 invalid_request_error
set -euo pipefail
cd "$(dirname "$0")"
source llama_server.sh "$(cat ../tests/performance/real_servers/tools.jinja)"
"$python" - "$address" <<'SCRIPT' | tee "$folder/seen"
import json
import urllib.error

from asking import ask, user


def show(label, arguments, **extra):
    function = {"name": "get_weather", "arguments": arguments}
    messages = [
        *user("What is the weather in Rome?"),
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function", "function": function}]},
        {"role": "tool", "tool_call_id": "1", "content": "Unreadable arguments."},
        *user("Then just say hi."),
    ]
    try:
        ask("/v1/chat/completions", messages=messages, max_tokens=2, **extra)
        print(f"{label}: 200")
    except urllib.error.HTTPError as error:
        print(f"{label}: {error.code} {json.load(error)['error']['type']}")


show("whole arguments", '{"city": "Rome"}')
show("arguments cut off", '{"city": "Ro')
show("whole arguments, temperature of a wrong type", '{"city": "Rome"}', temperature="warm")
SCRIPT
diff "$folder/seen" - <<'EXPECTED'
whole arguments: 200
arguments cut off: 500 server_error
whole arguments, temperature of a wrong type: 400 invalid_request_error
EXPECTED
