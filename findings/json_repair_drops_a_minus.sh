#!/usr/bin/env bash
# Package: json_repair 0.64.6 (PyPI).
#
# Behaviour: the library with which agents read broken JSON of models makes minus five plus five, without a word. A
# negative number with a unit directly behind it becomes a text without its sign (`-5C`, `-5kg`); with a space or a
# per cent sign between it stays a number and loses the unit; a typographic minus is dropped, and the number is
# positive. Thousands (`-1,000`) keep the sign as a text, and a time such as `12:30` is the number 12.
#
# Guess before: what is no JSON number stays as the text that stood there, or is an error.
#
# Output seen:
#   {"t": -5} -> {"t": -5}
#   {"t": -5C} -> {"t": "5C"}
#   {"t": -5kg} -> {"t": "5kg"}
#   {"t": -5 C} -> {"t": -5}
#   {"t": −5} -> {"t": 5}
#   {"t": -1,000} -> {"t": "-1,000"}
#   {"t": 12:30} -> {"t": 12}
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
uv venv --quiet environment
uv pip install --quiet --python environment/bin/python json_repair==0.64.6
cat >read.py <<'SCRIPT'
import json

from json_repair import loads

for value in ("-5", "-5C", "-5kg", "-5 C", "\N{MINUS SIGN}5", "-1,000", "12:30"):
    reply = '{"t": ' + value + "}"
    print(reply, "->", json.dumps(loads(reply)))
SCRIPT
environment/bin/python read.py 2>log | tee seen
diff seen - <<'EXPECTED'
{"t": -5} -> {"t": -5}
{"t": -5C} -> {"t": "5C"}
{"t": -5kg} -> {"t": "5kg"}
{"t": -5 C} -> {"t": -5}
{"t": −5} -> {"t": 5}
{"t": -1,000} -> {"t": "-1,000"}
{"t": 12:30} -> {"t": 12}
EXPECTED
