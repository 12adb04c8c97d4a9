#!/usr/bin/env bash
# Package: inspect-ai 0.3.285 (PyPI).
#
# Behaviour: the scorers `exact()` and `f1()` drop the English articles of answer and target before they compare. An
# answer "A" to a question with the options A, B and C has nothing left: with the target "A" it is incorrect, while "B"
# for "B" is correct. So a model that is right throughout loses every question whose answer is the letter A. The same
# rule makes "Vitamin A" match the target "Vitamin".
#
# Guess before: an answer that is equal to the target, letter by letter, is an exact match.
#
# Output seen:
#   'A' for 'A': exact I, f1 0.0
#   'B' for 'B': exact C, f1 1.0
#   'Vitamin A' for 'Vitamin': exact C, f1 1.0
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
uv venv --quiet environment
uv pip install --quiet --python environment/bin/python inspect-ai==0.3.285
cat >letters.py <<'SCRIPT'
from inspect_ai import Task, eval
from inspect_ai.dataset import Sample
from inspect_ai.model import ModelOutput
from inspect_ai.scorer import exact, f1
from inspect_ai.solver import solver


@solver
def scripted(answer):
    async def solve(state, generate):
        state.output = ModelOutput.from_content("scripted", answer)
        return state

    return solve


def show(answer, target):
    task = Task(
        dataset=[Sample(input="Which option is right?", target=target)],
        solver=scripted(answer),
        scorer=[exact(), f1()],
    )
    (log,) = eval(task, model="mockllm/model", display="none", log_dir="logs")
    scores = log.samples[0].scores
    print(f"{answer!r} for {target!r}: exact {scores['exact'].value}, f1 {scores['f1'].value}")


show("A", "A")
show("B", "B")
show("Vitamin A", "Vitamin")
SCRIPT
environment/bin/python letters.py 2>log | tee seen
diff seen - <<'EXPECTED'
'A' for 'A': exact I, f1 0.0
'B' for 'B': exact C, f1 1.0
'Vitamin A' for 'Vitamin': exact C, f1 1.0
EXPECTED
