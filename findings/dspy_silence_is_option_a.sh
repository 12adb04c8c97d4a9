#!/usr/bin/env bash
# Package: dspy 3.4.1 (PyPI).
#
# Behaviour: DSPy's normalization of answers drops English articles, and so the option "A". Its exact match counts an
# empty answer, or "the", as right for the target "A", with F1 0 for the very same pair; a model that says nothing gets
# every such question. `dspy.majority` leaves out votes that are empty once they are normalized: of the votes A, A, A, B,
# B it elects B.
#
# Guess before: silence is wrong, and three of five votes are a majority.
#
# Output seen:
#   EM '' for 'A': True, F1 0
#   EM 'A' for 'A': True, F1 0
#   EM 'B' for 'B': True, F1 1.0
#   EM '' for 'B': False, F1 0
#   majority of A, A, A, B, B: B
#   majority of C, C, C, B, B: C
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
uv venv --quiet environment
uv pip install --quiet --python environment/bin/python dspy==3.4.1
cat >options.py <<'SCRIPT'
import dspy
from dspy.evaluate.metrics import EM, F1


def elect(votes):
    completions = [{"answer": vote} for vote in votes]
    return dspy.majority(dspy.Prediction.from_completions(completions)).answer


with open("seen", "w") as seen:
    for answer, target in (("", "A"), ("A", "A"), ("B", "B"), ("", "B")):
        print(f"EM {answer!r} for {target!r}: {EM(answer, [target])}, F1 {F1(answer, [target])}", file=seen)
    for votes in ("AAABB", "CCCBB"):
        print(f"majority of {', '.join(votes)}: {elect(votes)}", file=seen)
SCRIPT
environment/bin/python options.py >log 2>&1
cat seen
diff seen - <<'EXPECTED'
EM '' for 'A': True, F1 0
EM 'A' for 'A': True, F1 0
EM 'B' for 'B': True, F1 1.0
EM '' for 'B': False, F1 0
majority of A, A, A, B, B: B
majority of C, C, C, B, B: C
EXPECTED
