#!/usr/bin/env bash
# Package: agentevals 0.0.9 (PyPI).
#
# Behaviour: which calls satisfy `tool_args_match_mode="subset"` depends on `trajectory_match_mode`. With the
# trajectories "strict" and "superset" the arguments of the answer may be fewer than those of the reference; with
# "subset" it is the other way round, so that an answer that leaves an argument out fails and one that invents an
# argument passes; with "unordered" neither passes, and "subset" and "superset" both mean "exact".
#
# Guess before: how arguments are compared does not depend on how calls are matched; fewer arguments than the reference
# are a subset everywhere.
#
# Output seen (trajectory mode: an answer that lacks an argument, one that has an argument more):
#   arguments subset
#     strict: True False
#     unordered: False False
#     subset: False True
#     superset: True False
#   arguments superset
#     strict: False True
#     unordered: False False
#     subset: True False
#     superset: False True
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
uv venv --quiet environment
uv pip install --quiet --python environment/bin/python agentevals==0.0.9
cat >match.py <<'SCRIPT'
import json

from agentevals.trajectory.match import create_trajectory_match_evaluator


def trajectory(arguments):
    function = {"name": "book", "arguments": json.dumps(arguments)}
    return [
        {"role": "user", "content": "Book a table."},
        {"role": "assistant", "content": "", "tool_calls": [{"id": "1", "type": "function", "function": function}]},
        {"role": "assistant", "content": "Done."},
    ]


FEW, MANY = trajectory({"city": "Paris"}), trajectory({"city": "Paris", "seats": 2})
for arguments in ("subset", "superset"):
    print("arguments", arguments)
    for mode in ("strict", "unordered", "subset", "superset"):
        match = create_trajectory_match_evaluator(trajectory_match_mode=mode, tool_args_match_mode=arguments)
        lacks = match(outputs=FEW, reference_outputs=MANY)["score"]
        more = match(outputs=MANY, reference_outputs=FEW)["score"]
        print(f"  {mode}: {lacks} {more}")
SCRIPT
environment/bin/python match.py 2>log | tee seen
diff seen - <<'EXPECTED'
arguments subset
  strict: True False
  unordered: False False
  subset: False True
  superset: True False
arguments superset
  strict: False True
  unordered: False False
  subset: True False
  superset: False True
EXPECTED
