#!/usr/bin/env bash
# Packages: judgy 0.1.0, numpy 1.26.4 (PyPI).
#
# Behaviour: `estimate_success_rate` corrects the share of outputs that a judge passed by how the judge did on labelled
# ones, and gives an interval. The bootstrap draws from the labels alone: the outputs count as if they were all there
# will ever be. So ten outputs and a thousand have the same interval, and with a judge that was right on every label it
# has no width at all: 6 of 10 passed is a success rate of 0.6, from 0.6 to 0.6. Wilson's interval for 6 of 10 is 0.31
# to 0.83.
#
# Guess before: the interval is wider with fewer outputs, and never without width.
#
# Output seen:
#   right on all labels, 10 outputs: 0.600, from 0.600 to 0.600
#   right on all labels, 100 outputs: 0.600, from 0.600 to 0.600
#   right on all labels, 1000 outputs: 0.600, from 0.600 to 0.600
#   right on 36 of 40, 10 outputs: 0.625, from 0.508 to 0.775
#   right on 36 of 40, 100 outputs: 0.625, from 0.508 to 0.775
#   right on 36 of 40, 1000 outputs: 0.625, from 0.508 to 0.775
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
uv venv --quiet environment
uv pip install --quiet --python environment/bin/python judgy==0.1.0 numpy==1.26.4
cat >check.py <<'SCRIPT'
import judgy
import numpy as np

RIGHT = [1] * 20 + [0] * 20
NINE_OF_TEN = [1] * 18 + [0] * 2 + [0] * 18 + [1] * 2
for label, judged in (("right on all labels", RIGHT), ("right on 36 of 40", NINE_OF_TEN)):
    for outputs in (10, 100, 1000):
        np.random.seed(0)
        passed = outputs * 6 // 10
        rate, low, high = judgy.estimate_success_rate(
            test_labels=RIGHT, test_preds=judged, unlabeled_preds=[1] * passed + [0] * (outputs - passed)
        )
        print(f"{label}, {outputs} outputs: {rate:.3f}, from {low:.3f} to {high:.3f}")
SCRIPT
environment/bin/python -W ignore check.py 2>log | tee seen
diff seen - <<'EXPECTED'
right on all labels, 10 outputs: 0.600, from 0.600 to 0.600
right on all labels, 100 outputs: 0.600, from 0.600 to 0.600
right on all labels, 1000 outputs: 0.600, from 0.600 to 0.600
right on 36 of 40, 10 outputs: 0.625, from 0.508 to 0.775
right on 36 of 40, 100 outputs: 0.625, from 0.508 to 0.775
right on 36 of 40, 1000 outputs: 0.625, from 0.508 to 0.775
EXPECTED
