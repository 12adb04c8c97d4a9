#!/usr/bin/env bash
# Package: openevals 0.2.2 (PyPI).
#
# Behaviour: two graders of one package disagree on what is equal. `exact_match` compares JSON texts, so that 1 is not
# 1.0, at any depth, while the order of keys does not count; `create_json_match_evaluator` compares values, so that 1 is
# 1.0, and 1 is true, too. And two empty objects, which agree, score 1 if the results are put together by "all", but 0
# by "average".
#
# Guess before: an exact match of JSON compares values: the order of keys does not count, and 1 is 1.0.
#
# Output seen:
#   exact {"n": 1} {"n": 1.0}: False
#   exact {"n": 1} {"n": true}: False
#   json {"n": 1} {"n": 1.0}: 1.0
#   json {"n": 1} {"n": true}: 1.0
#   json {} {} all: 1
#   json {} {} average: 0
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
uv venv --quiet environment
uv pip install --quiet --python environment/bin/python openevals==0.2.2
cat >equal.py <<'SCRIPT'
import json

from openevals.exact import exact_match
from openevals.json import create_json_match_evaluator

PAIRS = (({"n": 1}, {"n": 1.0}), ({"n": 1}, {"n": True}))
for answer, expected in PAIRS:
    print(f"exact {json.dumps(answer)} {json.dumps(expected)}: {exact_match(outputs=answer, reference_outputs=expected)['score']}")
for answer, expected in PAIRS:
    (result,) = create_json_match_evaluator(aggregator="average")(outputs=answer, reference_outputs=expected)
    print(f"json {json.dumps(answer)} {json.dumps(expected)}: {result['score']}")
for together in ("all", "average"):
    (result,) = create_json_match_evaluator(aggregator=together)(outputs={}, reference_outputs={})
    print(f"json {{}} {{}} {together}: {result['score']}")
SCRIPT
environment/bin/python equal.py 2>log | tee seen
diff seen - <<'EXPECTED'
exact {"n": 1} {"n": 1.0}: False
exact {"n": 1} {"n": true}: False
json {"n": 1} {"n": 1.0}: 1.0
json {"n": 1} {"n": true}: 1.0
json {} {} all: 1
json {} {} average: 0
EXPECTED
