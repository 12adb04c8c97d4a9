#!/usr/bin/env bash
# Package: @observablehq/plot 0.6.17 (npm), with linkedom 0.18.12 as the document.
#
# Behaviour: a chart with a row for each thing often numbers its rows and gives the numbers as the domain of `y`, with a
# `tickFormat` that looks the name up. Plot tells the type of such a scale by the length of its domain: one, three or
# more numbers make a point scale, which asks `tickFormat` for those numbers and no others. Exactly two make a linear
# scale, which asks it for 0, 0.1, 0.2 … 1. So a chart that is right with one row and with ten is wrong, or an exception
# of the look-up, with two. `type: "point"` makes it right for any number.
#
# Guess before: the type follows from what is in the domain and from the mark (dots), not from its length.
#
# Output seen:
#   1 point: 0
#   2 linear: 0 0.1 0.2 0.3 0.4 0.5 0.6 0.7 0.8 0.9 1
#   3 point: 0 1 2
#   4 point: 0 1 2 3
#   2 with a type, point: 0 1
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund @observablehq/plot@0.6.17 linkedom@0.18.12 >/dev/null
cat >rows.mjs <<'SCRIPT'
import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";

const { document } = parseHTML("<html><body></body></html>");

function describe(label, count, given) {
  const rows = [...Array(count).keys()];
  const asked = new Set();
  const chart = Plot.plot({
    document,
    y: { domain: rows, tickFormat: (value) => (asked.add(value), `row ${value}`), ...given },
    marks: [Plot.dot(rows, { x: () => 0.5, y: (_, index) => index })],
  });
  console.log(`${label} ${chart.scale("y").type}: ${[...asked].join(" ")}`);
}

for (const count of [1, 2, 3, 4]) describe(String(count), count, {});
describe("2 with a type,", 2, { type: "point" });
SCRIPT
node rows.mjs | tee seen
diff seen - <<'EXPECTED'
1 point: 0
2 linear: 0 0.1 0.2 0.3 0.4 0.5 0.6 0.7 0.8 0.9 1
3 point: 0 1 2
4 point: 0 1 2 3
2 with a type, point: 0 1
EXPECTED
