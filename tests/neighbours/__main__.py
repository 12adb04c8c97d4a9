"""Try other pytest plugins beside ours: `python -m tests.neighbours [NAME …] [-j 2]`, by hand.

Each is installed by name, in a version that is written down, into a folder of its own under `.cache/neighbours`. Beside
it run a cycle, a gate and a plain session, each in one process and with `-n2`, on a scripted model of which every right
and wrong answer is known. Printed is, for each row, what is wrong; the status is 1 if anything is. NAME is a part of
what a row is called.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests import warm
from tests.neighbours.environment import base_python, folder_of
from tests.neighbours.judge import problems
from tests.neighbours.row import Mode, Row, Way
from tests.neighbours.rows import ROWS
from tests.neighbours.session import LIMIT_S, run_session

SESSIONS = [(mode, way) for mode in Mode for way in Way]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What was wrong with the sessions of a row, and how long they took."""

    row: Row
    problems: dict[tuple[Mode, Way], list[str]]
    seconds: float


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="try only rows that are called so")
    parser.add_argument("-j", type=int, default=2, metavar="N", help="try N rows at a time (default: 2)")
    parser.add_argument(
        "--limit", type=float, default=LIMIT_S, metavar="S", help=f"seconds after which a session hangs ({LIMIT_S:.0f})"
    )
    parser.add_argument("--mode", choices=list(Mode), help="run only sessions of this kind")
    parser.add_argument("--way", choices=list(Way), help="run only sessions in so many processes")
    parser.add_argument("--warm", action="store_true", help="start sessions warm, which takes a third of the time")
    parser.add_argument("--list", action="store_true", help="print the rows, and try none")
    parser.add_argument("--output", action="store_true", help="print what sessions with a problem have printed")
    options = parser.parse_args()
    rows = [row for row in ROWS if not options.names or any(name in row.title for name in options.names)]
    if options.list:
        print(*(f"{row.title}  ({', '.join(row.packages) or 'pytest itself'})" for row in rows), sep="\n")
        return
    python = base_python()
    if options.warm and Path(sys.executable) != python:
        # Sessions are forked from an interpreter like this one.
        os.execv(python, [str(python), "-m", "tests.neighbours", *sys.argv[1:]])
    sessions = [(mode, way) for mode, way in SESSIONS if options.mode in (None, mode) and options.way in (None, way)]
    wrong = 0
    for tried in try_rows(rows, sessions, options):
        wrong += print_tried(tried, sessions)
    print(f"\n{len(rows)} rows, {wrong} of them with something wrong")
    sys.exit(wrong > 0)


def try_rows(rows: Sequence[Row], sessions: Sequence[tuple[Mode, Way]], options: argparse.Namespace) -> Iterator[Tried]:
    """Try rows, some at a time; yield what came of each in their order."""
    print(f"| neighbour | packages | {' | '.join(f'{mode} {way}' for mode, way in sessions)} | seconds |")
    print(f"| --- | --- |{' --- |' * len(sessions)} --- |", flush=True)
    with ThreadPoolExecutor(options.j) as pool:
        yield from pool.map(lambda row: try_row(row, sessions, options), rows)


def try_row(row: Row, sessions: Sequence[tuple[Mode, Way]], options: argparse.Namespace) -> Tried:
    """Run the sessions of a row."""
    began = time.monotonic()
    python = base_python()
    program = str(python)
    if options.warm and not row.cold:
        program = warm.python()
    folders = [folder_of(row.packages, python)] if row.packages else []
    found: dict[tuple[Mode, Way], list[str]] = {}
    for mode, way in sessions:
        expected = row.expected(mode, way)
        if expected is None:
            continue
        seen = run_session(row, mode, way, program, folders, options.limit)
        found[mode, way] = problems(mode, expected, seen)
        if options.output and found[mode, way]:
            sys.stderr.write(f"\n### {row.title}, {mode} {way}: {found[mode, way]}{os.linesep}{seen.output}\n")
    return Tried(row=row, problems=found, seconds=time.monotonic() - began)


def print_tried(tried: Tried, sessions: Sequence[tuple[Mode, Way]]) -> bool:
    """Print the line of a row; return whether anything is wrong."""
    cells = []
    for session in sessions:
        found = tried.problems.get(session)
        cells.append("not tried" if found is None else "; ".join(found) or "ok")
    packages = ", ".join(tried.row.packages) or "pytest itself"
    print(f"| {tried.row.title} | {packages} | {' | '.join(cells)} | {tried.seconds:.0f} |", flush=True)
    return any(tried.problems.values())


if __name__ == "__main__":
    main()
