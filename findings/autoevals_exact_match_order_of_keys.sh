#!/usr/bin/env bash
# Package: autoevals 0.4.1 (PyPI).
#
# Behaviour: `ExactMatch` compares JSON texts, made without sorting keys. The arguments of a tool call in another order
# than expected score 0, though JSON objects have no order and models list arguments as they like. Types are looser than
# the name: the text "1" is the number 1, and a JSON text is the object that it spells; the text "true" is not the truth
# value.
#
# Guess before: equal objects match in any order; the text "1" is not the number 1.
#
# Output seen:
#   same order: 1
#   other order: 0
#   text "1", number 1: 1
#   JSON text, object: 1
#   text "true", true: 0
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
uv venv --quiet environment
uv pip install --quiet --python environment/bin/python autoevals==0.4.1
cat >matches.py <<'SCRIPT'
from autoevals import ExactMatch

matcher = ExactMatch()
call = {"city": "Paris", "unit": "celsius"}
print("same order:", matcher({"city": "Paris", "unit": "celsius"}, call).score)
print("other order:", matcher({"unit": "celsius", "city": "Paris"}, call).score)
print('text "1", number 1:', matcher("1", 1).score)
print("JSON text, object:", matcher('{"city": "Paris", "unit": "celsius"}', call).score)
print('text "true", true:', matcher("true", True).score)
SCRIPT
environment/bin/python matches.py 2>log | tee seen
diff seen - <<'EXPECTED'
same order: 1
other order: 0
text "1", number 1: 1
JSON text, object: 1
text "true", true: 0
EXPECTED
