"""What a proof counts: how many inputs of each kind were tried, and what was wrong with which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

_LONGEST = 700
"""Characters of a fault that are printed."""
_SHOWN = 20
"""Inputs of a kind after which their number is printed."""


class Figure(StrEnum):
    """What may go wrong; each has to be 0."""

    TRACEBACKS = "tracebacks"
    KEYS = "keys found"
    CALLS = "calls lost"
    HANGS = "hangs"
    FORGERIES = "forgeries accepted"
    OTHER = "other faults"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is wrong with the end of one input."""

    figure: Figure
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A fault, and the kind and the name of the input that it came from."""

    kind: str
    name: str
    fault: Fault

    def __str__(self) -> str:
        detail = self.fault.detail
        if len(detail) > _LONGEST:
            detail = f"{detail[:_LONGEST]} … ({len(detail):,} characters)"
        return f"{self.fault.figure}: {self.kind}: {self.name}: {detail}"


class Figures:
    """The counts of a proof, by kind of input."""

    def __init__(self) -> None:
        self.inputs: Counter[str] = Counter()
        self.findings: list[Finding] = []

    def add(self, kind: str, name: str, faults: Iterable[Fault], *, inputs: int = 1) -> None:
        """Count `inputs` that were tried together, and print at once what was wrong with them."""
        before = self.inputs[kind]
        self.inputs[kind] += inputs
        if before // _SHOWN < self.inputs[kind] // _SHOWN:
            print(f"{kind}: {self.inputs[kind]:,} inputs", flush=True)
        for fault in faults:
            finding = Finding(kind=kind, name=name, fault=fault)
            self.findings.append(finding)
            print(finding, flush=True)

    def table(self) -> str:
        """Return a line for each kind and one for all: the inputs, and each figure."""
        titles = ["inputs", *Figure]
        lines = [f"{'':24}" + "".join(f"{title:>20}" for title in titles)]
        found = Counter((finding.kind, finding.fault.figure) for finding in self.findings)
        for kind, inputs in self.inputs.items():
            lines.append(_line(kind, [inputs, *(found[kind, figure] for figure in Figure)]))
        totals = Counter(finding.fault.figure for finding in self.findings)
        lines.append(_line("all", [self.inputs.total(), *(totals[figure] for figure in Figure)]))
        return "\n".join(lines)


def _line(name: str, numbers: Iterable[int]) -> str:
    return f"{name:24}" + "".join(f"{number:>20,}" for number in numbers)
