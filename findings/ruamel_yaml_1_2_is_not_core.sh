#!/usr/bin/env bash
# Package: ruamel.yaml 0.19.1 (PyPI).
#
# Behaviour: the reader that is known for YAML 1.2 (`YAML(typ="safe", pure=True)`, also with `version = (1, 2)`) does not
# read plain values by 1.2's core schema. `yes` and `12:30` are texts, but a date becomes a `datetime.date`, `1_000` is
# 1000 and `0b11` is 3, as in YAML 1.1; a plain `=` is an error; sets and bytes come out of `!!set` and `!!binary`.
# So JSON's types are not what comes out of it, and files that other readers of 1.2 (such as `yaml` of npm) take for
# texts differ.
#
# Guess before: with version 1.2 plain values follow the core schema; what it does not name is a text.
#
# Output seen:
#   yes -> 'yes'
#   12:30 -> '12:30'
#   0777 -> 777
#   2024-01-01 -> datetime.date(2024, 1, 1)
#   1_000 -> 1000
#   0b11 -> 3
#   = -> ConstructorError
#   !!set {a} -> {'a'}
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
uv venv --quiet environment
uv pip install --quiet --python environment/bin/python ruamel.yaml==0.19.1
cat >values.py <<'SCRIPT'
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

for text in ("yes", "12:30", "0777", "2024-01-01", "1_000", "0b11", "=", "!!set {a}"):
    reader = YAML(typ="safe", pure=True)
    reader.version = (1, 2)
    try:
        shown = repr(reader.load(text))
    except YAMLError as error:
        shown = type(error).__name__
    print(f"{text} -> {shown}")
SCRIPT
environment/bin/python values.py | tee seen
diff seen - <<'EXPECTED'
yes -> 'yes'
12:30 -> '12:30'
0777 -> 777
2024-01-01 -> datetime.date(2024, 1, 1)
1_000 -> 1000
0b11 -> 3
= -> ConstructorError
!!set {a} -> {'a'}
EXPECTED
