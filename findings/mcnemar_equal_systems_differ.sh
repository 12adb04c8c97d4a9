#!/usr/bin/env bash
# Packages: statsmodels 0.15.0, scipy 1.17.1 (PyPI).
#
# Behaviour: two systems with the same answer to every question do not differ, and the usual paired tests say so in
# several ways. `mcnemar(exact=False)` of statsmodels, whose continuity correction is on by default, subtracts 1 from a
# difference of 0 and divides by 0 disagreements: p is 0.0, the most significant difference there can be. Without the
# correction p is NaN, as with the t test; the exact McNemar test and a permutation test give 1.0. A comparison of p
# with 0.05 calls equal systems different in the first case, and in no other.
#
# Guess before: p is 1.0 where nothing differs, or NaN; no test calls it significant.
#
# Output seen:
#   mcnemar exact: p 1.0, below 0.05: False
#   mcnemar exact=False: p 0.0, below 0.05: True
#   mcnemar exact=False, correction=False: p nan, below 0.05: False
#   ttest_rel: p nan, below 0.05: False
#   permutation_test: p 1.0, below 0.05: False
#   wilcoxon: p 1.0, below 0.05: False
#   binomtest of 0 of 0: ValueError
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
uv venv --quiet environment
uv pip install --quiet --python environment/bin/python statsmodels==0.15.0 scipy==1.17.1
cat >check.py <<'SCRIPT'
import numpy as np
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar

first = np.array([1, 0, 1, 1, 0, 1, 1, 0, 1, 1])
second = first.copy()
table = [[7, 0], [0, 3]]


def mean_difference(one, other):
    return np.mean(one - other)


tests = {
    "mcnemar exact": lambda: mcnemar(table, exact=True).pvalue,
    "mcnemar exact=False": lambda: mcnemar(table, exact=False).pvalue,
    "mcnemar exact=False, correction=False": lambda: mcnemar(table, exact=False, correction=False).pvalue,
    "ttest_rel": lambda: stats.ttest_rel(first, second).pvalue,
    "permutation_test": lambda: (
        stats.permutation_test((first, second), mean_difference, permutation_type="samples").pvalue
    ),
    "wilcoxon": lambda: stats.wilcoxon(first, second).pvalue,
    "binomtest of 0 of 0": lambda: stats.binomtest(0, 0).pvalue,
}
for name, test in tests.items():
    try:
        value = float(test())
        print(f"{name}: p {value}, below 0.05: {value < 0.05}")
    except ValueError:
        print(f"{name}: ValueError")
SCRIPT
environment/bin/python -W ignore check.py 2>log | tee seen
diff seen - <<'EXPECTED'
mcnemar exact: p 1.0, below 0.05: False
mcnemar exact=False: p 0.0, below 0.05: True
mcnemar exact=False, correction=False: p nan, below 0.05: False
ttest_rel: p nan, below 0.05: False
permutation_test: p 1.0, below 0.05: False
wilcoxon: p 1.0, below 0.05: False
binomtest of 0 of 0: ValueError
EXPECTED
