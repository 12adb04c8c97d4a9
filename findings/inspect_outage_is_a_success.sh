#!/usr/bin/env bash
# Package: inspect-ai 0.3.285 (PyPI).
#
# Behaviour: with `fail_on_error=False`, which lets an evaluation outlive single failures, an epoch that ended in an
# error is left out of its sample's mean, so the accuracy is that of the answered epochs. If every sample ends in an
# error, the log's status is still "success", and there are no results at all: `log.results` is None, so what reads
# `log.results.scores` after a success fails with an AttributeError.
#
# Guess before: an evaluation without a single answer has the status "error".
#
# Output seen:
#   yes, error, yes, no: success, 3 of 4 completed, accuracy 0.667
#   error, error: success, no results
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
uv venv --quiet environment
uv pip install --quiet --python environment/bin/python inspect-ai==0.3.285
cat >outage.py <<'SCRIPT'
from inspect_ai import Task, eval
from inspect_ai.dataset import Sample
from inspect_ai.model import ModelOutput
from inspect_ai.scorer import match
from inspect_ai.solver import solver


@solver
def scripted(answers):
    async def solve(state, generate):
        answer = answers[state.epoch - 1]
        if answer == "error":
            raise ConnectionError("The server has gone.")
        state.output = ModelOutput.from_content("scripted", answer)
        return state

    return solve


def show(*answers):
    task = Task(
        dataset=[Sample(input="Is Paris a city?", target="yes")],
        solver=scripted(answers),
        scorer=match(),
        epochs=len(answers),
    )
    (log,) = eval(
        task, model="mockllm/model", display="none", log_dir="logs", max_samples=1, fail_on_error=False
    )
    found = "no results"
    if log.results is not None:
        accuracy = log.results.scores[0].metrics["accuracy"].value
        done, planned = log.results.completed_samples, log.results.total_samples
        found = f"{done} of {planned} completed, accuracy {accuracy:.3f}"
    print(f"{', '.join(answers)}: {log.status}, {found}")


show("yes", "error", "yes", "no")
show("error", "error")
SCRIPT
environment/bin/python outage.py 2>log | tee seen
diff seen - <<'EXPECTED'
yes, error, yes, no: success, 3 of 4 completed, accuracy 0.667
error, error: success, no results
EXPECTED
