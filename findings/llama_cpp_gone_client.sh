#!/usr/bin/env bash
# Package: xllamacpp 2026.10.11549 (PyPI), which carries llama.cpp and its HTTP server.
#
# Behaviour: the server looks once a second whether the client of a request that does not stream is still there, and
# stops generating if it has gone. The wait of one second begins anew whenever a result of any other request arrives
# (`server_response::recv_with_timeout`). So while others get answers more often than once a second, a request whose
# client has gone goes on to its end and keeps its slot.
#
# Guess before: a closed connection frees the slot within a second, whatever else the server does.
#
# Output seen:
#   alone, 3 s after the client has gone: busy slots 0
#   beside short requests, 3 s after the client has gone: busy slots 1
set -euo pipefail
cd "$(dirname "$0")"
source llama_server.sh "" 2
"$python" - "$address" <<'SCRIPT' | tee "$folder/seen"
import json, socket, threading, time, urllib.parse
from asking import address, ask, user


def begin_and_go():
    """Ask for a long answer, and close the connection soon."""
    place = urllib.parse.urlsplit(address)
    body = json.dumps({"messages": user("Tell a long story."), "max_tokens": 1900, "ignore_eos": True}).encode()
    with socket.create_connection((place.hostname, place.port)) as client:
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
        client.sendall(head.encode() + body)
        time.sleep(0.5)


def ask_others(ended):
    while not ended.is_set():
        ask("/v1/chat/completions", messages=user("Hi"), max_tokens=1)


begin_and_go()
time.sleep(3)
busy = sum(slot["is_processing"] for slot in ask("/slots"))
print(f"alone, 3 s after the client has gone: busy slots {busy}", flush=True)

ended = threading.Event()
others = threading.Thread(target=ask_others, args=(ended,))
others.start()
begin_and_go()
time.sleep(3)
ended.set()
others.join()
busy = sum(slot["is_processing"] for slot in ask("/slots"))
print(f"beside short requests, 3 s after the client has gone: busy slots {busy}")
SCRIPT
diff "$folder/seen" - <<'EXPECTED'
alone, 3 s after the client has gone: busy slots 0
beside short requests, 3 s after the client has gone: busy slots 1
EXPECTED
