#!/usr/bin/env bash
# Package: bfcl-eval 2026.3.23 (PyPI), the checker and the data of the Berkeley Function-Calling Leaderboard.
#
# Behaviour: its checker converts an int to the float that is declared for an argument, but not inside a list: [1, 3] is
# wrong for [1.0, 3.0]. If that list may be left out, no item's type is looked at, and [1, 3] is right, as is []. Inside
# an object no type is looked at either: 1 passes for true, 24.0 for the integer 24, and "" for a number that may be left
# out.
#
# Guess before: an int is as good as a float everywhere, and true is no number anywhere.
#
# Output seen:
#   3 for 3.0: right
#   [1, 3] for [1.0, 3.0]: wrong
#   [1, 3] for [1.0, 3.0], may be left out: right
#   [] for [1.0, 3.0], may be left out: right
#   {'a': 24.0} for {'a': 24}: right
#   {'a': 1} for {'a': True}: right
#   {'a': ''} for {'a': 5}, may be left out: right
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# Alone: what it depends on is hundreds of megabytes that the checker does not need, but for a table of models.
uv pip install --quiet --no-deps --target "$folder/package" bfcl-eval==2026.3.23
PYTHONPATH="$folder/package" python3 - <<'SCRIPT' | tee "$folder/seen"
import sys
from collections import defaultdict
from types import ModuleType, SimpleNamespace

models = ModuleType("bfcl_eval.constants.model_config")
models.MODEL_CONFIG_MAPPING = defaultdict(lambda: SimpleNamespace(underscore_to_dot=False))
sys.modules[models.__name__] = models

from bfcl_eval.constants.enums import Language
from bfcl_eval.eval_checker.ast_eval.ast_checker import ast_checker


def verdict(declared, values, got):
    parameters = {"type": "dict", "properties": {"x": declared}, "required": ["x"]}
    function = {"name": "f", "description": "", "parameters": parameters}
    calls, answers = [{"f": {"x": got}}], [{"f": {"x": values}}]
    checked = ast_checker([function], calls, answers, Language.PYTHON, "simple_python", "any")
    return "right" if checked["valid"] else "wrong"


floats = {"type": "array", "items": {"type": "float"}}
members = {"type": "dict", "properties": {"a": {"type": "integer"}}}
print("3 for 3.0:", verdict({"type": "float"}, [3.0], 3))
print("[1, 3] for [1.0, 3.0]:", verdict(floats, [[1.0, 3.0]], [1, 3]))
print("[1, 3] for [1.0, 3.0], may be left out:", verdict(floats, [[1.0, 3.0], ""], [1, 3]))
print("[] for [1.0, 3.0], may be left out:", verdict(floats, [[1.0, 3.0], ""], []))
print("{'a': 24.0} for {'a': 24}:", verdict(members, [{"a": [24]}], {"a": 24.0}))
print("{'a': 1} for {'a': True}:", verdict(members, [{"a": [True]}], {"a": 1}))
print("{'a': ''} for {'a': 5}, may be left out:", verdict(members, [{"a": [5, ""]}], {"a": ""}))
SCRIPT
diff "$folder/seen" - <<'EXPECTED'
3 for 3.0: right
[1, 3] for [1.0, 3.0]: wrong
[1, 3] for [1.0, 3.0], may be left out: right
[] for [1.0, 3.0], may be left out: right
{'a': 24.0} for {'a': 24}: right
{'a': 1} for {'a': True}: right
{'a': ''} for {'a': 5}, may be left out: right
EXPECTED
