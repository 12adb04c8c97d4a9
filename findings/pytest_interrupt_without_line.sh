#!/usr/bin/env bash
# Package: pytest 9.2.0 (PyPI) on Python 3.11.
#
# Behaviour: since Python 3.11 an instruction may have no line, and the jump back to the head of a `for` loop has none
# where the loop ends with an `if`, since two ways lead to the jump. There, between two rounds, is where Python looks
# for signals, so Ctrl-C in such a loop, if its rounds call nothing, raises KeyboardInterrupt with `tb_lineno` None.
# pytest's report of the interrupt subtracts 1 from it: a TypeError comes out of pytest, the last line says nothing of
# an interrupt, and the exit status is 1, which means that tests failed, instead of 2. `--tb=native` and `--tb=no` do
# not help. The same loop with an assignment at its end is interrupted as it should be.
#
# Guess before: where a signal arrives decides which line is shown, and nothing else; the status of Ctrl-C is 2.
#
# Output seen:
#   the loop ends with an assignment: status 2, KeyboardInterrupt is told: True, TypeError: False
#   the loop ends with an if: status 1, KeyboardInterrupt is told: False, TypeError: True
#   the loop ends with an if, --tb=native: status 1, KeyboardInterrupt is told: False, TypeError: True
#   the loop ends with an if, --tb=no: status 1, KeyboardInterrupt is told: False, TypeError: True
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
uv venv --quiet --python 3.11 environment
uv pip install --quiet --python environment/bin/python pytest==9.2.0
cat >test_loops.py <<'SCRIPT'
import itertools
import os
import signal
import threading

import pytest


@pytest.fixture(autouse=True)
def interrupt_soon():
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()


def test_assignment():
    for number in itertools.count():
        square = number * number


def test_if():
    negative = 0
    for number in itertools.count():
        if number < 0:
            negative += 1
SCRIPT
show() {
  status=0
  environment/bin/python -m pytest -p no:cacheprovider -k "$2" ${3:-} test_loops.py >output 2>&1 || status=$?
  told=False
  grep -q '^!!!.* KeyboardInterrupt !!!' output && told=True
  error=False
  grep -q '^TypeError: unsupported operand' output && error=True
  echo "the loop ends with $1: status $status, KeyboardInterrupt is told: $told, TypeError: $error"
}
{
  show "an assignment" test_assignment
  show "an if" test_if
  show "an if, --tb=native" test_if --tb=native
  show "an if, --tb=no" test_if --tb=no
} | tee seen
diff seen - <<'EXPECTED'
the loop ends with an assignment: status 2, KeyboardInterrupt is told: True, TypeError: False
the loop ends with an if: status 1, KeyboardInterrupt is told: False, TypeError: True
the loop ends with an if, --tb=native: status 1, KeyboardInterrupt is told: False, TypeError: True
the loop ends with an if, --tb=no: status 1, KeyboardInterrupt is told: False, TypeError: True
EXPECTED
