#!/usr/bin/env bash
# Packages: ragas 0.4.3, langchain-community 0.3.31 (PyPI; ragas 0.4.3 cannot be imported beside 0.4.2).
#
# Behaviour: `ToolCallAccuracy` compares the arguments that the reference has, as texts. An argument that the reference
# does not have costs nothing, so `delete(path, force=true)` is a perfect `delete(path)`, and the text "1" is the number
# 1. A call too many, in contrast, takes the score of all calls: one right call and another one are 0.0.
#
# Guess before: an argument that nobody asked for is wrong, and a call too many lowers the score by its share.
#
# Output seen:
#   as expected: 1.0
#   one more argument: 1.0
#   a number as text: 1.0
#   one argument less: 0.0
#   one more call: 0.0
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
uv venv --quiet environment
uv pip install --quiet --python environment/bin/python ragas==0.4.3 langchain-community==0.3.31
cat >accuracy.py <<'SCRIPT'
import asyncio

from ragas.dataset_schema import MultiTurnSample
from ragas.messages import AIMessage, HumanMessage, ToolCall
from ragas.metrics import ToolCallAccuracy


def show(label, *calls):
    sample = MultiTurnSample(
        user_input=[HumanMessage(content="Delete the first file."), AIMessage(content="", tool_calls=list(calls))],
        reference_tool_calls=[ToolCall(name="delete", args={"file": 1})],
    )
    score = asyncio.run(ToolCallAccuracy().multi_turn_ascore(sample))
    print(f"{label}: {score}")


right = ToolCall(name="delete", args={"file": 1})
show("as expected", right)
show("one more argument", ToolCall(name="delete", args={"file": 1, "force": True}))
show("a number as text", ToolCall(name="delete", args={"file": "1"}))
show("one argument less", ToolCall(name="delete", args={}))
show("one more call", right, ToolCall(name="list", args={}))
SCRIPT
RAGAS_DO_NOT_TRACK=true environment/bin/python -W ignore accuracy.py 2>log | tee seen
diff seen - <<'EXPECTED'
as expected: 1.0
one more argument: 1.0
a number as text: 1.0
one argument less: 0.0
one more call: 0.0
EXPECTED
