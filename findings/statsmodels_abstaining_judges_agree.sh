#!/usr/bin/env bash
# Packages: statsmodels 0.15.0, numpy 2.4.6 (PyPI).
#
# Behaviour: `aggregate_raters` makes the table of labels that `fleiss_kappa` reads. A judgement that is missing (NaN)
# becomes a label like any other, so that two judges who both have nothing to say about an answer agree on it. Here the
# judges agree on 2 of 4 answers as chance would have it, kappa 0.0; with four more answers that neither judged it is
# 0.6.
#
# Guess before: NaN raises, or leaves the judgement out.
#
# Output seen:
#   0 judged by nobody: labels [0.0, 1.0], kappa 0.000
#   4 judged by nobody: labels [0.0, 1.0, nan], kappa 0.600
#   40 judged by nobody: labels [0.0, 1.0, nan], kappa 0.732
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
uv venv --quiet environment
uv pip install --quiet --python environment/bin/python statsmodels==0.15.0 numpy==2.4.6
cat >check.py <<'SCRIPT'
import numpy as np
from statsmodels.stats.inter_rater import aggregate_raters, fleiss_kappa

judged = [[1, 1], [0, 0], [1, 0], [0, 1]]
for missing in (0, 4, 40):
    table, labels = aggregate_raters(np.array(judged + [[np.nan, np.nan]] * missing))
    print(f"{missing} judged by nobody: labels {labels.astype(float).tolist()}, kappa {fleiss_kappa(table):.3f}")
SCRIPT
environment/bin/python -W ignore check.py 2>log | tee seen
diff seen - <<'EXPECTED'
0 judged by nobody: labels [0.0, 1.0], kappa 0.000
4 judged by nobody: labels [0.0, 1.0, nan], kappa 0.600
40 judged by nobody: labels [0.0, 1.0, nan], kappa 0.732
EXPECTED
