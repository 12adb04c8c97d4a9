#!/usr/bin/env bash
# Package: inspect-ai 0.3.285 (PyPI).
#
# Behaviour: `match(numeric=True)` finds the number in a sentence, with a currency, a thousands separator, a minus sign
# of either kind, an exponent or Markdown's stars about it, but not in the two forms in which models that were trained on
# mathematics end an answer: `\boxed{42}` and `\(42\)` are incorrect for 42, `$42$` is correct. So are "42%" and "42km"
# incorrect, while "42 km" is correct: the number has to be a word of its own.
#
# Guess before: the scorer for numbers finds them in the TeX of mathematical benchmarks, and before a unit.
#
# Output seen:
#   I am sure: it is $1,042.00.: C
#   $42$: C
#   \boxed{42}: I
#   \(42\): I
#   42%: I
#   42 km: C
#   42km: I
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
uv venv --quiet environment
uv pip install --quiet --python environment/bin/python inspect-ai==0.3.285
cat >answers.py <<'SCRIPT'
from inspect_ai import Task, eval
from inspect_ai.dataset import Sample
from inspect_ai.model import ModelOutput
from inspect_ai.scorer import match
from inspect_ai.solver import solver


@solver
def scripted(answer):
    async def solve(state, generate):
        state.output = ModelOutput.from_content("scripted", answer)
        return state

    return solve


def show(answer, target="42"):
    task = Task(
        dataset=[Sample(input="How many?", target=target)], solver=scripted(answer), scorer=match(numeric=True)
    )
    (log,) = eval(task, model="mockllm/model", display="none", log_dir="logs")
    print(f"{answer}: {log.samples[0].scores['match'].value}")


show("I am sure: it is $1,042.00.", "1042")
for answer in ("$42$", r"\boxed{42}", r"\(42\)", "42%", "42 km", "42km"):
    show(answer)
SCRIPT
environment/bin/python answers.py 2>log | tee seen
diff seen - <<'EXPECTED'
I am sure: it is $1,042.00.: C
$42$: C
\boxed{42}: I
\(42\): I
42%: I
42 km: C
42km: I
EXPECTED
