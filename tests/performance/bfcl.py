"""All of BFCL's answers by its own checker and by us: `python -m tests.performance.bfcl [--drawn N]`.

For every case of every category that can be imported, every possible value of every argument comes up, as do drawn
combinations of them; each of these answers is then changed in each way there is (`tests/bench/bfcl_answers.py`), and
both sides judge it. Prints a line for each category and one for each kind of change; the status is 1 if a verdict
differs. Takes about two minutes.
"""

from __future__ import annotations

import argparse
from collections import Counter

from pytest_selfopt.bench.importing.bfcl import CATEGORIES
from tests.bench.bfcl_agreement import Agreement, agreement
from tests.bench.bfcl_package import BFCL, opened


def main() -> int:
    """Compare, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--drawn", type=int, default=10, help="combinations of possible values drawn for each case")
    args = parser.parse_args()
    judged, passed, differ = Counter[str](), Counter[str](), list[str]()
    print(f"{BFCL}, all kinds of change, {args.drawn} drawn answers a case")
    with opened() as folder:
        for category in CATEGORIES:
            counted = agreement(folder, category, drawn=args.drawn)
            _tell(category, counted)
            judged += counted.judged
            passed += counted.passed
            differ += counted.differ
    print()
    for kind, number in judged.most_common(60):
        print(f"{kind:30} {number:7} judged {passed[kind]:7} right")
    print(f"{sum(judged.values())} judged, {len(differ)} differ")
    for place in differ[:50]:
        print(f"  {place}")
    return int(bool(differ))


def _tell(category: str, counted: Agreement) -> None:
    print(f"{category}: {counted}", flush=True)
    for sentence in counted.left_out:
        print(f"  left out: {sentence}")


if __name__ == "__main__":
    raise SystemExit(main())
