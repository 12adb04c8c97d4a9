#!/usr/bin/env bash
# Package: autoevals 0.4.1 (PyPI).
#
# Behaviour: two scorers of JSON judge otherwise than JSON does. `JSONDiff` gives the full score to an answer that lacks
# a key whose expected value is null, and to `null` where the key is not expected. A number written as a text is a third
# right at best: texts are compared by edits with the number's name. `ValidJSON` takes objects and lists only: the
# documents `3`, `"x"` and `true` are not valid for it.
#
# Guess before: a missing key is a difference, and every JSON document is valid.
#
# Output seen:
#   JSONDiff {} for {"a": null}: 1.0
#   JSONDiff {} for {"a": 1}: 0.0
#   JSONDiff {"a": "1"} for {"a": 1}: 0.333
#   ValidJSON {"a": 1}: 1
#   ValidJSON 3: 0
#   ValidJSON true: 0
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
uv venv --quiet environment
uv pip install --quiet --python environment/bin/python autoevals==0.4.1
cat >scores.py <<'SCRIPT'
import json

from autoevals import JSONDiff, ValidJSON

for answer, expected in (({}, {"a": None}), ({}, {"a": 1}), ({"a": "1"}, {"a": 1})):
    score = JSONDiff()(answer, expected).score
    print(f"JSONDiff {json.dumps(answer)} for {json.dumps(expected)}: {round(float(score), 3)}")
for document in ('{"a": 1}', "3", "true"):
    print(f"ValidJSON {document}: {ValidJSON()(document).score}")
SCRIPT
environment/bin/python scores.py 2>log | tee seen
diff seen - <<'EXPECTED'
JSONDiff {} for {"a": null}: 1.0
JSONDiff {} for {"a": 1}: 0.0
JSONDiff {"a": "1"} for {"a": 1}: 0.333
ValidJSON {"a": 1}: 1
ValidJSON 3: 0
ValidJSON true: 0
EXPECTED
