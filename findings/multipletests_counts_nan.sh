#!/usr/bin/env bash
# Packages: statsmodels 0.15.0, numpy 2.4.6 (PyPI).
#
# Behaviour: the p-value of a comparison in which nothing differed is often NaN (a paired t test of two equal systems).
# `multipletests` takes it without a word, and what becomes of the other comparisons depends on the method. Bonferroni
# and Holm count it, so that a comparison without a difference takes the significance of others. The other methods make
# every corrected p-value NaN; two of them still reject the three hypotheses, so that `reject` and `corrected <= alpha`
# contradict each other, and two reject none.
#
# Guess before: NaN is an error, or stays alone and the others are corrected as if it were not there.
#
# Output seen:
#   bonferroni, 3 p-values: 1 rejected, corrected 0.03 0.06 0.072
#   bonferroni, 4 p-values: 1 rejected, corrected 0.04 0.08 0.096 nan
#   holm, 3 p-values: 3 rejected, corrected 0.03 0.04 0.04
#   holm, 4 p-values: 1 rejected, corrected 0.04 0.06 0.06 nan
#   fdr_bh, 3 p-values: 3 rejected, corrected 0.024 0.024 0.024
#   fdr_bh, 4 p-values: 3 rejected, corrected nan nan nan nan
#   fdr_by, 3 p-values: 3 rejected, corrected 0.044 0.044 0.044
#   fdr_by, 4 p-values: 0 rejected, corrected nan nan nan nan
#   simes-hochberg, 3 p-values: 3 rejected, corrected 0.024 0.024 0.024
#   simes-hochberg, 4 p-values: 3 rejected, corrected nan nan nan nan
#   hommel, 3 p-values: 3 rejected, corrected 0.024 0.024 0.024
#   hommel, 4 p-values: 0 rejected, corrected nan nan nan nan
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
uv venv --quiet environment
uv pip install --quiet --python environment/bin/python statsmodels==0.15.0 numpy==2.4.6
cat >check.py <<'SCRIPT'
import numpy as np
from statsmodels.stats.multitest import multipletests

three = [0.01, 0.02, 0.024]
four = [0.01, 0.02, 0.024, np.nan]
for method in ("bonferroni", "holm", "fdr_bh", "fdr_by", "simes-hochberg", "hommel"):
    for values in (three, four):
        reject, corrected, *_ = multipletests(values, alpha=0.05, method=method)
        numbers = " ".join(f"{value:.3g}" for value in corrected)
        print(f"{method}, {len(values)} p-values: {int(reject.sum())} rejected, corrected {numbers}")
SCRIPT
environment/bin/python -W ignore check.py 2>log | tee seen
diff seen - <<'EXPECTED'
bonferroni, 3 p-values: 1 rejected, corrected 0.03 0.06 0.072
bonferroni, 4 p-values: 1 rejected, corrected 0.04 0.08 0.096 nan
holm, 3 p-values: 3 rejected, corrected 0.03 0.04 0.04
holm, 4 p-values: 1 rejected, corrected 0.04 0.06 0.06 nan
fdr_bh, 3 p-values: 3 rejected, corrected 0.024 0.024 0.024
fdr_bh, 4 p-values: 3 rejected, corrected nan nan nan nan
fdr_by, 3 p-values: 3 rejected, corrected 0.044 0.044 0.044
fdr_by, 4 p-values: 0 rejected, corrected nan nan nan nan
simes-hochberg, 3 p-values: 3 rejected, corrected 0.024 0.024 0.024
simes-hochberg, 4 p-values: 3 rejected, corrected nan nan nan nan
hommel, 3 p-values: 3 rejected, corrected 0.024 0.024 0.024
hommel, 4 p-values: 0 rejected, corrected nan nan nan nan
EXPECTED
