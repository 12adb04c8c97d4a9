"""What llama.cpp's server would refuse, or not enforce, of the cases of suites under a schema."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pytest_selfopt.bench.case import Case
from pytest_selfopt.bench.lint import LintFinding, some_of
from pytest_selfopt.bench.loading.suites import Suite
from pytest_selfopt.bench.tools import Tool
from pytest_selfopt.specs.llama_grammar import GrammarGap, grammar_gaps
from pytest_selfopt.specs.variants import CONSTRAINED


@dataclass(frozen=True, slots=True)
class RefusedCases:
    """The cases of a suite that llama.cpp's server refuses under a schema."""

    number: int
    cases: int
    gap: GrammarGap
    """The first reason."""

    def __str__(self) -> str:
        return f"llama.cpp's server refuses {self.number} of its {self.cases} cases under a schema ({self.gap})"


def refused_cases(suite: Suite) -> RefusedCases | None:
    """Return what llama.cpp's server would refuse of a suite; None if nothing."""
    known: dict[int, GrammarGap | None] = {}
    refused: list[GrammarGap] = []
    for case in suite.cases:
        gaps: list[GrammarGap] = []
        for tool in case.tools:
            # Cases share the tools of their suite.
            if id(tool) not in known:
                known[id(tool)] = next((gap for gap in grammar_gaps(tool) if gap.refused), None)
            gap = known[id(tool)]
            if gap is not None:
                gaps.append(gap)
        refused.extend(gaps[:1])
    if not refused:
        return None
    return RefusedCases(len(refused), len(suite.cases), refused[0])


def unenforced(suites: Sequence[Suite]) -> list[LintFinding]:
    """Find what llama.cpp's server does not enforce of the tools of suites, and what it refuses, tool by tool."""
    findings: list[LintFinding] = []
    for suite in suites:
        cases: dict[int, list[Case]] = {}
        tools: dict[int, Tool] = {}
        for case in suite.cases:
            for tool in case.tools:
                tools[id(tool)] = tool
                cases.setdefault(id(tool), []).append(case)
        for key, tool in tools.items():
            findings.extend(_findings(tool, cases[key]))
    return findings


def _findings(tool: Tool, cases: Sequence[Case]) -> Iterator[LintFinding]:
    gaps = grammar_gaps(tool)
    names = some_of([case.id for case in cases])
    refused = [str(gap) for gap in gaps if gap.refused]
    if refused:
        what = f"llama.cpp's server, embedded models among them, refuses every call under a schema: {some_of(refused)}"
        sentence = f"{what}; a cycle does not try {' and '.join(CONSTRAINED)} there (cases {names})"
        yield LintFinding(place=cases[0].source, sentence=sentence)
    ignored = [str(gap) for gap in gaps if not gap.refused]
    if ignored:
        what = f"llama.cpp's server, embedded models among them, does not enforce {some_of(ignored)}"
        yield LintFinding(place=cases[0].source, sentence=f"{what}; only the grader judges it (cases {names})")
