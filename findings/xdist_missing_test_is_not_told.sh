#!/usr/bin/env bash
# Packages: pytest 9.2.0, pytest-xdist 3.8.0 (PyPI).
#
# Behaviour: a test that was renamed, but is still named on the command line, is a usage error of pytest: status 4, and
# one line that says which test was not found. With `-n 2` the workers see that error, end with it, and tell nobody: no
# line names the test, and the session ends with "no tests ran" and status 5, which many build jobs allow, because it
# also means that a selection was empty. A file that does not exist is as quiet.
#
# Guess before: the workers' error becomes that of the session, with the same line and status 4.
#
# Output seen:
#   test_it.py::test_renamed: status 4, told: True
#   test_it.py::test_renamed -n 2: status 5, told: False
#   test_moved.py: status 4, told: True
#   test_moved.py -n 2: status 5, told: False
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
uv venv --quiet environment
uv pip install --quiet --python environment/bin/python pytest==9.2.0 pytest-xdist==3.8.0
printf 'def test_new_name():\n    pass\n' >test_it.py
for name in test_it.py::test_renamed test_moved.py; do
    for workers in "" " -n 2"; do
        status=0
        # shellcheck disable=SC2086
        environment/bin/python -m pytest -q "$name" $workers >printed 2>&1 || status=$?
        told=False
        if grep -q "not found" printed; then told=True; fi
        echo "$name$workers: status $status, told: $told"
    done
done | tee seen
diff seen - <<'EXPECTED'
test_it.py::test_renamed: status 4, told: True
test_it.py::test_renamed -n 2: status 5, told: False
test_moved.py: status 4, told: True
test_moved.py -n 2: status 5, told: False
EXPECTED
