#!/usr/bin/env bash
# Package: inspect-ai 0.3.285 (PyPI).
#
# Behaviour: the reducer `mode` makes one score of a sample's epochs, the commonest. With as many right as wrong epochs
# the score is that of the epoch that was first: the same four answers are accuracy 1.0 in one order and 0.0 in the
# other. Nothing marks the tie; an even number of epochs is accepted without a word.
#
# Guess before: a tie is no majority, so the sample is incorrect, whatever the order.
#
# Output seen:
#   yes, no, yes, no: accuracy 1.0
#   no, yes, no, yes: accuracy 0.0
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
uv venv --quiet environment
uv pip install --quiet --python environment/bin/python inspect-ai==0.3.285
cat >ties.py <<'SCRIPT'
from inspect_ai import Epochs, Task, eval
from inspect_ai.dataset import Sample
from inspect_ai.model import ModelOutput
from inspect_ai.scorer import match
from inspect_ai.solver import solver


@solver
def scripted(answers):
    async def solve(state, generate):
        state.output = ModelOutput.from_content("scripted", answers[state.epoch - 1])
        return state

    return solve


def show(*answers):
    task = Task(
        dataset=[Sample(input="Is Paris a city?", target="yes")],
        solver=scripted(answers),
        scorer=match(),
        epochs=Epochs(len(answers), "mode"),
    )
    (log,) = eval(task, model="mockllm/model", display="none", log_dir="logs", max_samples=1)
    print(f"{', '.join(answers)}: accuracy {log.results.scores[0].metrics['accuracy'].value}")


show("yes", "no", "yes", "no")
show("no", "yes", "no", "yes")
SCRIPT
environment/bin/python ties.py 2>log | tee seen
diff seen - <<'EXPECTED'
yes, no, yes, no: accuracy 1.0
no, yes, no, yes: accuracy 0.0
EXPECTED
