#!/usr/bin/env bash
# Package: jsonschema 4.26.0, alone and with its extra `format-nongpl` (rfc3987-syntax 1.1.0 among others; PyPI).
#
# Behaviour: the extra that lets jsonschema check formats such as `uri` makes `import jsonschema` itself several times
# as slow, whether or not a format is ever checked: rfc3987-syntax builds the parser of its grammar with lark when it is
# imported, and jsonschema imports it, arrow and others whenever they are installed. In a tool that starts often that
# is most of the start, and installing another package that wants the extra is enough.
#
# Guess before: jsonschema imports the checkers along with itself, which costs some 0.15 s more. (Not written down until
# after the first measurement.) That they are imported was right; how long it takes was wrong.
#
# Output seen:
#   modules of lark, arrow and rfc3987_syntax after `import jsonschema`, alone: 0
#   the same with the extra: 36
#   CPU time of the import more than three times as long: True
#   CPU seconds, not compared: 0.13 to 0.18 and 1.38 to 1.40, in two runs
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
for name in alone extra; do uv venv --quiet "$name"; done
uv pip install --quiet --python alone/bin/python jsonschema==4.26.0
uv pip install --quiet --python extra/bin/python 'jsonschema[format-nongpl]==4.26.0' rfc3987-syntax==1.1.0 lark==1.3.1 arrow==1.4.0
cat >imports.py <<'SCRIPT'
import sys
import time

began = time.process_time()
import jsonschema

took = time.process_time() - began
loaded = [name for name in sys.modules if name.split(".")[0] in ("lark", "arrow", "rfc3987_syntax")]
print(took, len(loaded))
SCRIPT
least() {
  "$1/bin/python" imports.py >/dev/null
  for _ in 1 2 3; do "$1/bin/python" imports.py; done | sort -g | head -n 1
}
read -r alone_s alone_modules < <(least alone)
read -r extra_s extra_modules < <(least extra)
{
  echo "modules of lark, arrow and rfc3987_syntax after \`import jsonschema\`, alone: $alone_modules"
  echo "the same with the extra: $extra_modules"
  awk -v a="$alone_s" -v b="$extra_s" 'BEGIN { print "CPU time of the import more than three times as long: " (b > 3 * a ? "True" : "False") }'
} | tee seen
echo "CPU seconds, not compared: $alone_s and $extra_s"
diff seen - <<'EXPECTED'
modules of lark, arrow and rfc3987_syntax after `import jsonschema`, alone: 0
the same with the extra: 36
CPU time of the import more than three times as long: True
EXPECTED
