#!/usr/bin/env bash
# Packages: jiter 0.14.0, which the streaming helper of OpenAI's client reads with; pydantic 2.14.4,
# partial-json-parser 0.2.1.1.post7, json_repair 0.64.6 (PyPI).
#
# Behaviour: an answer that was cut off at the token limit ends anywhere. What reads half of a JSON for it takes half a
# number for a number: of `{"price": 129` without its last digit comes a price of 12, in all four, and nothing tells
# it from one that ended there. jiter and Pydantic take care elsewhere: half a text and half a truth value are left out
# with their key, and even `12.` is, so that one more character of the same number takes the value away again.
#
# Guess before: what may go on is left out, a number as well as a text.
#
# Output seen:
#   {"price": 12 jiter {"price": 12} pydantic {"price": 12} partial-json-parser {"price": 12} json_repair {"price": 12}
#   {"price": 12. jiter {} pydantic {} partial-json-parser {"price": 12} json_repair {"price": 12.0}
#   {"name": "Par jiter {} pydantic {} partial-json-parser {"name": "Par"} json_repair {"name": "Par"}
#   {"ok": tru jiter {} pydantic {} partial-json-parser {"ok": true} json_repair {"ok": "tru"}
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
uv venv --quiet environment
uv pip install --quiet --python environment/bin/python \
  jiter==0.14.0 pydantic==2.14.4 partial-json-parser==0.2.1.1.post7 json_repair==0.64.6
cat >check.py <<'SCRIPT'
import json

import jiter
import json_repair
import partial_json_parser
from pydantic_core import from_json

READERS = {
    "jiter": lambda text: jiter.from_json(text.encode(), partial_mode=True),
    "pydantic": lambda text: from_json(text, allow_partial=True),
    "partial-json-parser": partial_json_parser.loads,
    "json_repair": json_repair.loads,
}
for half in ('{"price": 12', '{"price": 12.', '{"name": "Par', '{"ok": tru'):
    print(half, *(f"{name} {json.dumps(read(half))}" for name, read in READERS.items()), sep=" ")
SCRIPT
environment/bin/python -W ignore check.py 2>log | tee seen
diff seen - <<'EXPECTED'
{"price": 12 jiter {"price": 12} pydantic {"price": 12} partial-json-parser {"price": 12} json_repair {"price": 12}
{"price": 12. jiter {} pydantic {} partial-json-parser {"price": 12} json_repair {"price": 12.0}
{"name": "Par jiter {} pydantic {} partial-json-parser {"name": "Par"} json_repair {"name": "Par"}
{"ok": tru jiter {} pydantic {} partial-json-parser {"ok": true} json_repair {"ok": "tru"}
EXPECTED
