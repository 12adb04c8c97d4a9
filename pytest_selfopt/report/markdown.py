"""Markdown of one cycle and over all cycles, from the entries of history, log and routing configuration."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pytest_selfopt.routing.rule import Rule, rule_to_json

Entry = Mapping[str, Any]
"""What one cycle left of one phase in the history, or one line of the decisions log."""

_CURVE = 40
_SETTINGS = ("fallback_model", "enable_warmup", "variant", "timeout", "retries", "isolation", "sampling")


def report_on_all(history: Sequence[Entry], decisions: Sequence[Entry], rules: Sequence[Rule]) -> str:
    """The report over all cycles: what is in force, how it came about, and what was tried, won and lost."""
    lines = ["# What was measured, decided and proven", "", "## In force", ""]
    lines += _in_force(history)
    lines += ["", "## Rules", "", *_rules(rules)]
    lines += ["", "## Cycles", "", *_cycles(history)]
    for phase in dict.fromkeys(str(entry.get("phase")) for entry in history):
        lines += ["", f"## Accuracy in {plain(phase)}, by cycle", "", *_curve(history, phase)]
    lines += ["", "## Decisions", "", *_decisions(decisions)]
    return "\n".join(lines) + "\n"


def report_on_cycle(entries: Sequence[Entry], decisions: Sequence[Entry]) -> str:
    """The report on one cycle; `entries` are its phases, `decisions` its lines of the log."""
    lines = [f"# Cycle {entries[0]['cycle']}", "", f"{entries[0].get('started', '')} to {entries[0].get('ended', '')}"]
    for entry in entries:
        lines += ["", *_phase(entry)]
    lines += ["", "## Decisions", "", *_decisions(decisions)]
    return "\n".join(lines) + "\n"


def _in_force(history: Sequence[Entry]) -> list[str]:
    last = {str(entry.get("phase")): entry for entry in history}
    rows = [
        [phase, f"`{entry.get('baseline_after')}`", _accuracy(entry, "baseline_after"), f"cycle {entry.get('cycle')}"]
        for phase, entry in last.items()
    ]
    return table(["phase", "spec", "accuracy", "as of"], rows)


def _rules(rules: Sequence[Rule]) -> list[str]:
    if not rules:
        return ["There is no rule."]
    rows = []
    for rule in rules:
        values = rule_to_json(rule)
        says = [f"{name} {values[name]}" for name in _SETTINGS if name in values]
        says = [*([] if rule.allow else ["not allowed"]), *says]
        rows.append([rule.model, rule.phase, rule.status or "kept", "; ".join(says), rule.reason or ""])
    return table(["model", "phase", "status", "says", "because"], rows)


def _cycles(history: Sequence[Entry]) -> list[str]:
    rows = []
    for entry in history:
        verdicts = entry.get("verdicts", ())
        tried = ", ".join(f"{one.get('verdict')} `{one.get('spec')}`" for one in verdicts) or "nothing"
        diagnoses = ", ".join(str(one.get("kind")) for one in entry.get("diagnoses", ()))
        rows.append(
            [
                str(entry.get("cycle")),
                str(entry.get("phase")),
                tried,
                f"{_accuracy(entry, 'baseline_before')} → {_accuracy(entry, 'baseline_after')}",
                diagnoses,
                str(_calls(entry)),
                _cost(entry),
            ]
        )
    return table(["cycle", "phase", "tried", "accuracy", "diagnosis", "calls", "cost"], rows)


def _curve(history: Sequence[Entry], phase: str) -> list[str]:
    lines = ["```text"]
    for entry in history:
        measured = entry.get("metrics", {}).get(entry.get("baseline_after"))
        if entry.get("phase") == phase and measured is not None:
            accuracy = float(measured["accuracy"])
            won = "  promoted" if entry.get("winner") else ""
            lines.append(f"{entry['cycle']:>4}  {accuracy:.3f}  {'#' * round(accuracy * _CURVE)}{won}")
    return [*lines, "```"]


def _decisions(decisions: Sequence[Entry]) -> list[str]:
    if not decisions:
        return ["None was logged."]
    return [f"- {_when(one)}, {plain(str(one.get('kind')))}: {plain(str(one.get('reason')))}" for one in decisions]


def _when(decision: Entry) -> str:
    return f"cycle {decision['cycle']}" if decision.get("cycle") else "outside of cycles"


def _phase(entry: Entry) -> list[str]:
    lines = [f"## {plain(str(entry.get('phase')))}", "", plain(str(entry.get("reason", ""))), ""]
    lines += [f"Baseline `{entry.get('baseline_before')}`, in force afterwards `{entry.get('baseline_after')}`.", ""]
    lines += _measured(entry.get("metrics", {}))
    for verdict in entry.get("verdicts", ()):
        lines += ["", f"### {verdict.get('verdict')} `{verdict.get('spec')}`", "", plain(str(verdict.get("sentence")))]
        lines += ["", *_gates(verdict.get("gates", ()))] if verdict.get("gates") else []
    lines += ["", "### Gates of what is in force", "", *_gates(entry.get("gates", ()))]
    lines += ["", "### Diagnoses", "", *_diagnoses(entry.get("diagnoses", ()))]
    following = entry.get("next", {})
    candidates = ", ".join(
        f"`{one.get('spec')}` ({plain(str(one.get('why')))})" for one in following.get("candidates", ())
    )
    return [*lines, "", f"Next: {candidates or 'nothing untried or undecided is left'}."]


def _measured(metrics: Mapping[str, Any]) -> list[str]:
    rows = []
    for spec, one in metrics.items():
        errors = ", ".join(f"{number} {kind}" for kind, number in one.get("errors_by_kind", {}).items())
        tokens = sum(one.get(name) or 0 for name in ("tokens_in", "tokens_out"))
        cost = one.get("cost_usd")
        rows.append(
            [
                f"`{spec}`",
                _number(one.get("accuracy"), "{:.3f}"),
                _number(one.get("restraint"), "{:.2f}"),
                errors or "none",
                _number(one.get("latency_median_s"), "{:.2f} s"),
                _number(one.get("latency_p95_s"), "{:.2f} s"),
                f"{tokens:,}",
                "unknown" if cost is None else f"${cost:.4f}",
                f"{one.get('trials', 0):,}",
            ]
        )
    names = ["spec", "accuracy", "restraint", "errors", "median", "p95", "tokens", "cost", "trials"]
    return table(names, rows)


def _gates(gates: Sequence[Mapping[str, Any]]) -> list[str]:
    rows = [
        [
            str(gate.get("name")),
            "passed" if gate.get("passed") else "**failed**",
            _number(gate.get("value"), "{:.4g}"),
            _number(gate.get("limit"), "{:.4g}"),
            str(gate.get("sentence")),
        ]
        for gate in gates
    ]
    return table(["gate", "", "number", "limit", ""], rows)


def _diagnoses(diagnoses: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = []
    for one in diagnoses:
        chance = one.get("chance")
        grounds = f"{one.get('trials', 0):,} trials" + ("" if chance is None else f", by chance {chance:.2g}")
        lines.append(f"- **{plain(str(one.get('kind')))}**: {plain(str(one.get('sentence')))} ({grounds})")
    return lines or ["None."]


def table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table; texts in it cannot break it."""
    if not rows:
        return ["Nothing was measured."]
    cells: Iterator[Sequence[str]] = iter([names, ["---"] * len(names), *rows])
    return ["| " + " | ".join(plain(cell) for cell in row) + " |" for row in cells]


def plain(text: str) -> str:
    """Text that cannot break the page: replies of models and messages of servers are quoted in reasons."""
    folded = " ".join(text.split())
    return re.sub(r"[<>&|]", lambda found: {"<": "&lt;", ">": "&gt;", "&": "&amp;"}.get(found[0], "\\|"), folded)


def _accuracy(entry: Entry, which: str) -> str:
    measured = entry.get("metrics", {}).get(entry.get(which), {})
    return _number(measured.get("accuracy"), "{:.3f}")


def _number(value: Any, form: str) -> str:
    return form.format(value) if isinstance(value, int | float) else "-"


def _calls(entry: Entry) -> int:
    return sum(one.get("attempts", 0) for one in entry.get("metrics", {}).values())


def _cost(entry: Entry) -> str:
    costs = [one.get("cost_usd") for one in entry.get("metrics", {}).values()]
    return "unknown" if None in costs or not costs else f"${sum(costs):.4f}"
