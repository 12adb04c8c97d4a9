"""The outcome of a session as a comment for a pull request: the verdict, and what became of each case, in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pytest_selfopt.console.markdown_escape import code, paragraph, plain
from pytest_selfopt.console.quantities import counted
from pytest_selfopt.export.github import VERDICTS
from pytest_selfopt.export.outcome import Outcome, gates_in_force, is_uncompared, kind_of, lost_first, specs_in_force

MOST_LINES = 60
"""The most lines of a comment."""
_MARKER = "<!-- selfopt -->"
"""By which a workflow can find its comment of an earlier run."""
_LONGEST = 200
"""The most characters of what was said in a cell."""
_SIGNS = {"": "✅", "failure": "❌", "error": "⚠️"}
_FEWEST = 5
"""The rows of a phase for which there is room however many phases there are."""


def comment(outcome: Outcome) -> str:
    """Return the comment: a verdict, then for each phase its gates and the cases that differ or fail, worst first."""
    verdict = VERDICTS.get(outcome["status"], "not decided")
    lines = [_MARKER, f"## selfopt {outcome['kind']}: {verdict}", ""]
    if outcome["why"]:
        lines += [paragraph(outcome["why"]), ""]
    phases = outcome["phases"]
    heads = [_head(phase) for phase in phases]
    taken = len(lines) + sum(map(len, heads))
    for number, (phase, head) in enumerate(zip(phases, heads, strict=True)):
        rows = max(_FEWEST, (MOST_LINES - taken) // (len(phases) - number) - _AROUND)
        table = _table(phase, rows)
        taken += len(table)
        lines += [*head, *table]
    if len(lines) > MOST_LINES:
        lines = [*lines[: MOST_LINES - 1], "The rest is left out here."]
    return "\n".join(lines) + "\n"


def _head(phase: Mapping[str, Any]) -> list[str]:
    """Return the lines above a phase's table."""
    # Two spaces break a line in Markdown.
    lines = [f"### {plain(phase['phase'])}", "", f"In force: {code(phase['in_force'])}  "]
    if phase["compared_with"]:
        sign = "⚠️ " * is_uncompared(phase)
        lines.append(f"{sign}Compared with {plain(phase['compared_with'])}")
    lines.append("")
    gates = list(gates_in_force(phase))
    failed = [gate for gate in gates if not gate["passed"]]
    lines.extend(f"- {_SIGNS[kind_of(gate)]} {code(gate['name'])}: {plain(gate['sentence'])}" for gate in failed)
    if gates and not failed:
        lines.append(f"- {_SIGNS['']} {counted(len(gates), 'gate')} passed")
    for kind in ("new", "changed", "gone"):
        cases = (phase.get("compared_cases") or {}).get(kind)
        if cases:
            lines.append(f"- {kind}: {_names(cases)}")
    return [*lines, ""]


_AROUND = 5
"""The lines around the rows of a table."""
_MOST_NAMES = 10


def _names(cases: Sequence[str]) -> str:
    names = ", ".join(map(code, cases[:_MOST_NAMES]))
    if len(cases) > _MOST_NAMES:
        names += f" and {len(cases) - _MOST_NAMES} more"
    return names


def _table(phase: Mapping[str, Any], rows: int) -> list[str]:
    """Return a table of at most so many cases, and the number of the others."""
    cases: list[Mapping[str, Any]] = []
    for spec in specs_in_force(phase):
        cases += spec["cases"]
    worst = lost_first(cases)
    lines = []
    if worst:
        lines = ["| case | before | now | what was said |", "| --- | --- | --- | --- |"]
        lines += map(_row, worst[:rows])
        lines.append("")
    hidden = worst[rows:]
    if hidden:
        lines.append(f"{counted(len(hidden), 'more case')} with wrong answers, and {len(cases) - len(worst)} without.")
    elif len(cases) > len(worst):
        lines.append(f"{counted(len(cases) - len(worst), 'case')} always right, and not worse than before.")
    return [*lines, ""]


def _row(case: Mapping[str, Any]) -> str:
    before = "–"
    if case.get("before"):
        before = f"{case['before']['passes']} of {case['before']['answers']}"
    now = f"{case['passes']} of {case['trials'] - case['errors']}"
    if case["errors"]:
        now += f", {case['errors']} without answer"
    said = plain(case["reason"][:_LONGEST])
    return f"| {code(case['case'])} | {before} | {now} | {said} |"
