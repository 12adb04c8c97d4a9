#!/usr/bin/env bash
# Package: promptfoo 0.121.20 (npm), with Node.js 20 or newer.
#
# Behaviour: a date without quotes in a configuration reaches the model as "[object Object]". Promptfoo reads YAML with
# a schema that makes a Date of it, and its templates then meet an object. An assertion `equals: 2024-01-01` compares with
# an object, too, which no answer is equal to. Other plain values come through as JavaScript writes them: `no` is "no",
# `0777` is "777", `1.0` is "1". A list of texts among the variables stands for a test each, a list of numbers is one
# text, "1,2".
#
# Guess before: a date is a text as it is written, as in YAML 1.2, or at worst a date as JavaScript writes it; lists
# of numbers stand for a test each, too.
#
# Output seen:
#   "no" true
#   "777" true
#   "1" true
#   "[object Object]" false
#   "a" true
#   "b" true
#   "1,2" true
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts --omit=optional --omit=peer promptfoo@0.121.20
libsql=$(node -p 'JSON.parse(require("fs").readFileSync("node_modules/libsql/package.json")).version')
npm install --silent --no-audit --no-fund --ignore-scripts --omit=optional --omit=peer --no-save \
  "@libsql/linux-x64-gnu@$libsql"
cat >promptfooconfig.yaml <<'CONFIG'
prompts: ["{{x}}"]
providers: [echo]
tests:
  - {vars: {x: no}, assert: [{type: equals, value: no}]}
  - {vars: {x: 0777}, assert: [{type: equals, value: "777"}]}
  - {vars: {x: 1.0}, assert: [{type: equals, value: "1"}]}
  - {vars: {x: 2024-01-01}, assert: [{type: equals, value: 2024-01-01}]}
  - {vars: {x: [a, b]}}
  - {vars: {x: [1, 2]}}
CONFIG
export PROMPTFOO_DISABLE_TELEMETRY=1 PROMPTFOO_DISABLE_UPDATE=1 PROMPTFOO_CONFIG_DIR=$folder/state
node_modules/.bin/promptfoo eval --no-cache --no-write --no-progress-bar -o results.json >log 2>&1 || true
cat >show.js <<'SCRIPT'
const { results } = JSON.parse(require("fs").readFileSync("results.json"));
const rows = results.results.sort((a, b) => a.testIdx - b.testIdx);
for (const row of rows) console.log(JSON.stringify(row.prompt.raw), row.success);
SCRIPT
node show.js | tee seen
diff seen - <<'EXPECTED'
"no" true
"777" true
"1" true
"[object Object]" false
"a" true
"b" true
"1,2" true
EXPECTED
