#!/usr/bin/env bash
# Package: xllamacpp 2026.10.11549 (PyPI), which carries llama.cpp and its HTTP server.
#
# Behaviour: on llama.cpp's endpoint in Anthropic's format an answer that ended at one of `stop_sequences` says so in
# one field and denies it in the other: `stop_sequence` names the sequence, and `stop_reason` is "end_turn", where
# Anthropic's format has "stop_sequence" and leaves "end_turn" to a model that was done. So whoever switches on
# `stop_reason`, as the format means it, takes a text that ends in the middle of a sentence for a finished one.
#
# Guess before: the server that fills in which sequence it was sets the reason by the same knowledge.
#
# Output seen:
#   ended by itself: stop_reason end_turn, stop_sequence None, ends with a full stop: True
#   ended by a sequence: stop_reason end_turn, stop_sequence France, ends with a full stop: False
set -euo pipefail
cd "$(dirname "$0")"
source llama_server.sh
"$python" - "$address" <<'SCRIPT' | tee "$folder/seen"
from asking import ask, user

QUESTION = user("What is the capital of France? Answer in one short sentence.")


def show(label, **extra):
    answer = ask("/v1/messages", messages=QUESTION, max_tokens=60, temperature=0, **extra)
    reasons = f"stop_reason {answer['stop_reason']}, stop_sequence {answer['stop_sequence']}"
    ended = answer["content"][0]["text"].strip().endswith(".")
    print(f"{label}: {reasons}, ends with a full stop: {ended}")


show("ended by itself")
show("ended by a sequence", stop_sequences=["France"])
SCRIPT
diff "$folder/seen" - <<'EXPECTED'
ended by itself: stop_reason end_turn, stop_sequence None, ends with a full stop: True
ended by a sequence: stop_reason end_turn, stop_sequence France, ends with a full stop: False
EXPECTED
