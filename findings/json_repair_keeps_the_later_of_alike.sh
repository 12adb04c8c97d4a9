#!/usr/bin/env bash
# Package: json_repair 0.64.6 (PyPI).
#
# Behaviour: what comes of a reply with two JSON objects depends on whether they have the same keys. If they do, the
# later one replaces the earlier, which is gone; if they do not, the result is a list of both instead of an object. So
# two parallel calls of one tool become one, two calls of different shapes two, and a caller that expects an object gets
# a list as soon as a second thought has one key more. Code fences change nothing. No JSON at all is an empty text.
#
# Guess before: the first object is the answer, or all of them always are, and a reply without any raises or gives None.
#
# Output seen:
#   {"a": 1} {"a": 2} -> {"a": 2}
#   {"a": 1} {"b": 2} -> [{"a": 1}, {"b": 2}]
#   {"a": 1} {"a": 1, "b": 2} -> [{"a": 1}, {"a": 1, "b": 2}]
#   Here: {"a": 1}. Or better: {"a": 2} -> {"a": 2}
#   I cannot do that. -> ""
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
uv venv --quiet environment
uv pip install --quiet --python environment/bin/python json_repair==0.64.6
cat >read.py <<'SCRIPT'
import json

from json_repair import loads

for reply in (
    '{"a": 1} {"a": 2}',
    '{"a": 1} {"b": 2}',
    '{"a": 1} {"a": 1, "b": 2}',
    'Here: {"a": 1}. Or better: {"a": 2}',
    "I cannot do that.",
):
    print(reply, "->", json.dumps(loads(reply)))
SCRIPT
environment/bin/python read.py 2>log | tee seen
diff seen - <<'EXPECTED'
{"a": 1} {"a": 2} -> {"a": 2}
{"a": 1} {"b": 2} -> [{"a": 1}, {"b": 2}]
{"a": 1} {"a": 1, "b": 2} -> [{"a": 1}, {"a": 1, "b": 2}]
Here: {"a": 1}. Or better: {"a": 2} -> {"a": 2}
I cannot do that. -> ""
EXPECTED
