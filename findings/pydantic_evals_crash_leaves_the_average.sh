#!/usr/bin/env bash
# Package: pydantic-evals 2.62.0 (PyPI).
#
# Behaviour: a case whose task raised is not in `report.cases` but in `report.failures`, and `report.averages()` is that
# of the others: with three of four cases crashed, the average of the assertions is 1.0. The same holds for an evaluator
# that raised: its case stays, without that result, so the average is over fewer results than there are cases. The
# average of the assertions is over all results and not over cases: a case for which more evaluators answered weighs
# more.
#
# Guess before: a case that crashed has passed none of its assertions, and lowers the average.
#
# Output seen:
#   4 answered: assertions 0.5, 0 failures
#   1 answered, 3 crashed: assertions 1.0, 3 failures
#   2 judged, one of them by half of the evaluators: assertions 0.667, 0 failures
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
uv venv --quiet environment
uv pip install --quiet --python environment/bin/python pydantic-evals==2.62.0
cat >crashes.py <<'SCRIPT'
from pydantic_evals import Case, Dataset
from pydantic_evals.evaluators import EqualsExpected, Evaluator


class ShortAnswer(Evaluator):
    def evaluate(self, context):
        if context.output == "Rome":
            raise ValueError("no rule for this answer")
        return len(context.output) < 10


def answer(question):
    if question == "crash":
        raise ConnectionError("The server has gone.")
    return question


def show(label, questions, evaluators):
    cases = [
        Case(name=str(number), inputs=question, expected_output="Paris") for number, question in enumerate(questions)
    ]
    report = Dataset(name="capitals", cases=cases, evaluators=evaluators).evaluate_sync(answer, progress=False)
    print(f"{label}: assertions {round(report.averages().assertions, 3)}, {len(report.failures)} failures")


equals = EqualsExpected()
show("4 answered", ["Paris", "Rome", "Paris", "Rome"], [equals])
show("1 answered, 3 crashed", ["Paris", "crash", "crash", "crash"], [equals])
show("2 judged, one of them by half of the evaluators", ["Paris", "Rome"], [equals, ShortAnswer()])
SCRIPT
environment/bin/python crashes.py 2>log | tee seen
diff seen - <<'EXPECTED'
4 answered: assertions 0.5, 0 failures
1 answered, 3 crashed: assertions 1.0, 3 failures
2 judged, one of them by half of the evaluators: assertions 0.667, 0 failures
EXPECTED
