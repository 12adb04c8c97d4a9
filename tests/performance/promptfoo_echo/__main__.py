"""Whether imported cases judge as promptfoo does: `python -m tests.performance.promptfoo_echo`, by hand.

Configurations are drawn by a seed. The real promptfoo judges each with its provider `echo`, which replies what it is
asked; the same file is imported, and the same replies are judged by the cases. It prints each difference, how often
what was left out, and the share of that by the types of assertions. Regular expressions are drawn, too, and searched by
Node.js and by our grader. The status is 1 if a verdict, a prompt or a search differs. Each configuration takes
promptfoo a few seconds; promptfoo itself, which npm installs into a temporary folder unless `--installed` names one,
takes some minutes and 2 GB.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from pytest_selfopt.bench.case import Case
from pytest_selfopt.bench.importing import import_from
from pytest_selfopt.bench.importing.imported import Imported
from pytest_selfopt.bench.loading.suites import load_suite
from pytest_selfopt.trial import Reply
from tests.performance.promptfoo_echo.drawing import CONFIGURATION, Drawn, DrawnTest, draw
from tests.performance.promptfoo_echo.patterns import compare_patterns
from tests.performance.promptfoo_echo.running import VERSION, Row, Unusable, find_node, install, judge
from tests.performance.promptfoo_echo.samples import COMMON

SEED = 20_261_130
NUMBER = 60
PATTERNS = 4000
TOGETHER = 10
"""Configurations that one process of promptfoo judges."""
RECORDED = Path(__file__).parents[2] / "bench" / "promptfoo_recorded"
VERDICTS = "verdicts.json"
ALONE = "these alone"
"""Stands for tests that have no other assertions than those that cases can hold."""
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|[0-9.]+")


@dataclass(slots=True)
class Figures:
    """What was compared."""

    same: int = 0
    passed: int = 0
    differences: list[str] = field(default_factory=list)

    errors: int = 0
    """Tests that end in an error in promptfoo, and that are left out."""
    left_out: int = 0
    """Other tests that are left out."""
    reasons: Counter[str] = field(default_factory=Counter)
    drawn: Counter[str] = field(default_factory=Counter)
    missing: Counter[str] = field(default_factory=Counter)
    """By type of assertion, tests with one that promptfoo judges; those of them that are left out."""

    def differ(self, sentence: str) -> None:
        """Note a difference, and print it."""
        self.differences.append(sentence)
        print(f"DIFFERENT: {sentence}", flush=True)


def main() -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=SEED, help=f"of what is drawn (default: {SEED})")
    parser.add_argument("--number", type=int, default=NUMBER, help=f"of configurations (default: {NUMBER})")
    parser.add_argument("--patterns", type=int, default=PATTERNS, help=f"of regular expressions (default: {PATTERNS})")
    parser.add_argument("--installed", type=Path, help="folder into which promptfoo is installed, unless it is there")
    parser.add_argument(
        "--record", action="store_true", help="only write the verdicts that the unit tests compare with"
    )
    options = parser.parse_args()
    figures = Figures()
    with ExitStack() as places:
        temporary = Path(places.enter_context(tempfile.TemporaryDirectory(prefix="promptfoo-echo-")))
        installed = (options.installed or temporary / "npm").resolve()
        try:
            node = find_node()
            install(node, installed)
        except Unusable as problem:
            parser.error(str(problem))
        if options.record:
            record(node, installed, temporary / "recorded")
            return
        patterns = compare_patterns(node, options.seed, options.patterns)
        for difference in patterns.differences:
            figures.differ(difference)
        for first in range(0, options.number, TOGETHER):
            numbers = range(first, min(first + TOGETHER, options.number))
            compare_all(numbers, options.seed, node, installed, temporary, figures)
            print(f"{numbers[-1] + 1} of {options.number}", file=sys.stderr, flush=True)
    show(figures, options.number)
    print(f"{options.patterns} regular expressions, beside Node.js: {patterns.same} find the same, ", end="")
    print(
        f"{len(patterns.differences)} do not, {patterns.left_out} are left out, {patterns.refused} are none for either"
    )
    sys.exit(bool(figures.differences))


def record(node: Path, installed: Path, folder: Path) -> None:
    """Write what each test of the recorded configuration asks, and promptfoo's verdict; null for an error."""
    shutil.copytree(RECORDED, folder)
    rows = next(judge(node, installed, [folder / CONFIGURATION]))
    verdicts: list[tuple[str, bool | None]] = []
    for place in sorted(rows):
        row = rows[place]
        verdict: bool | None = row.passed
        if row.error:
            verdict = None
        verdicts.append((row.asked, verdict))
    lines = ",\n".join(map(json.dumps, verdicts))
    (RECORDED / VERDICTS).write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def written(drawn: Drawn, folder: Path) -> Path:
    """Write the files of a configuration, and return its own."""
    folder.mkdir()
    for name, text in drawn.files.items():
        (folder / name).write_text(text, encoding="utf-8", newline="")
    return folder / CONFIGURATION


def compare_all(numbers: Sequence[int], seed: int, node: Path, installed: Path, folder: Path, figures: Figures) -> None:
    """Compare the configurations with these numbers, which one process of promptfoo judges."""
    drawn = [draw(f"{seed}-{number}") for number in numbers]
    configurations = [written(one, folder / str(number)) for number, one in zip(numbers, drawn, strict=True)]
    judged = judge(node, installed, configurations)
    for number, one, configuration, rows in zip(numbers, drawn, configurations, judged, strict=True):
        compare(number, one, rows, configuration, figures)


def compare(index: int, drawn: Drawn, rows: dict[tuple[int, int], Row], configuration: Path, figures: Figures) -> None:
    """Compare promptfoo's rows with the cases of the same file."""
    imported = import_from("promptfoo", configuration)
    cases = {case.id: case for case in cases_of(imported, configuration.parent)}
    first = 0
    known = 0
    for number, test in enumerate(drawn.tests, start=1):
        for combination in range(test.combinations):
            for prompt in range(drawn.prompts):
                row = rows.get((first + combination, prompt))
                case = cases.get(case_id(drawn, test, number, combination, prompt))
                known += case is not None
                place = f"configuration {index}, test {number}.{combination + 1}, prompt {prompt + 1}"
                if row is None:
                    figures.differ(f"{place}: promptfoo has no such test")
                else:
                    count(place, test, row, case, figures, imported.left_out)
        first += test.combinations
    if known != len(cases) or len(rows) != first * drawn.prompts:
        figures.differ(f"configuration {index}: {len(cases)} cases of {known} tests, {len(rows)} rows")


def cases_of(imported: Imported, folder: Path) -> list[Case]:
    """Load the imported cases as a suite."""
    if not imported.lines:
        return []
    suite = folder / "imported.jsonl"
    suite.write_text("".join(f"{json.dumps(line)}\n" for line in imported.lines), encoding="utf-8")
    return list(load_suite(suite).cases)


def case_id(drawn: Drawn, test: DrawnTest, number: int, combination: int, prompt: int) -> str:
    """Return the id that an imported case has."""
    name = f"test-{number}"
    if test.combinations > 1:
        name = f"{name}.{combination + 1}"
    if drawn.prompts > 1:
        return f"prompt-{prompt + 1}-{name}"
    return name


def count(place: str, test: DrawnTest, row: Row, case: Case | None, figures: Figures, left_out: list[str]) -> None:
    """Count one pair of verdicts."""
    kinds = test.kinds
    if kinds <= {*COMMON, "assert-set"}:
        kinds |= {ALONE}
    if not row.error:
        figures.drawn.update(kinds)
    if case is None:
        figures.errors += bool(row.error)
        figures.left_out += not row.error
        if not row.error:
            figures.missing.update(kinds)
            figures.reasons[reason_of(test, left_out)] += 1
        return
    if row.error:
        figures.differ(f"{place}: promptfoo ends in an error ({row.error}), the case is carried over")
        return
    asked = case.prompt
    judgement = case.judge(Reply(text=row.asked))
    if asked != row.asked:
        figures.differ(f"{place}: promptfoo asks {row.asked!a}, the case asks {asked!a}")
    elif judgement.passed != row.passed:
        verdicts = f"promptfoo says {row.passed} of {row.asked!a}, the case {judgement.passed}"
        figures.differ(f"{place}: {verdicts}: {case.expect.to_json()!a}")
    else:
        figures.same += 1
        figures.passed += row.passed


def reason_of(test: DrawnTest, left_out: list[str]) -> str:
    """Return why a test was left out."""
    for sentence in left_out:
        if sentence.startswith((f"{test.place}:", f"{test.place} with")):
            reason = sentence.removeprefix(test.place).partition(": ")[2]
            return _QUOTED.sub("…", reason)
    return "the prompt is left out with any test"


def show(figures: Figures, number: int) -> None:
    """Print all figures."""
    judged = figures.same + len(figures.differences)
    whole = judged + figures.left_out
    print(f"promptfoo {VERSION}, {number} configurations, {whole + figures.errors} tests with a prompt")
    print(f"  {figures.same} same verdict ({figures.passed} passed), {len(figures.differences)} different")
    print(f"  {figures.errors} end in an error in promptfoo and are left out")
    print(f"  {figures.left_out} others are left out: {figures.left_out / max(whole, 1):.1%}")
    print("Left out, by types of assertions in a test that promptfoo judges:")
    for kind, count_of in sorted(figures.drawn.items()):
        print(f"  {kind:16}{figures.missing[kind]:>5} of {count_of:>5}{figures.missing[kind] / count_of:>8.1%}")
    print("Reasons, by tests that promptfoo judges:")
    for reason, times in figures.reasons.most_common():
        print(f"  {times:>4}  {reason}")


if __name__ == "__main__":
    main()
