"""`selfopt why` and `selfopt history`: what is in force, the decisions behind it, and their trials."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any

from pytest_selfopt.console.quantities import counted
from pytest_selfopt.console.verdict_text import PASSED, describe_not_chosen, shown_verdict
from pytest_selfopt.errors import NothingRecordedError
from pytest_selfopt.ledger.ledger import Ledger
from pytest_selfopt.loop.evidence.odds import ALPHA, bar
from pytest_selfopt.loop.undo.logged import BY_HAND
from pytest_selfopt.loop.wording import copied_of
from pytest_selfopt.planning.in_force import in_force_now
from pytest_selfopt.project_files import ProjectFiles
from pytest_selfopt.report.phases import beside_winner
from pytest_selfopt.report.rules import promotions_taken_back
from pytest_selfopt.routing.atomic_files import timestamp
from pytest_selfopt.routing.config import read_config
from pytest_selfopt.routing.decisions import read_decisions
from pytest_selfopt.routing.explain_route import explain_route
from pytest_selfopt.routing.history import DECISIONS, HISTORY, read_history
from pytest_selfopt.routing.rule import Rule, rule_to_json
from pytest_selfopt.settings import Settings

CURVE = 40
"""The width of the improvement curve, for an accuracy of 1."""

BESIDE_CURVE = len("  1234  0.425    first baseline")
_Entry = Mapping[str, Any]
_SHOWN_ELSEWHERE = (
    *("model", "phase", "reason", "evidence", "status"),
    *("source", "cycle", "timestamp", "premises", "before"),
)


def why(files: ProjectFiles, model: str, phase: str) -> Iterator[str]:
    """Explain the rule for a model in a phase: what it says, the decisions behind it, and their trials.

    Raises:
        StateError: if a file cannot be used.
    """
    routing = read_config(files.routing_path)
    yield from explain_route(routing.apply_routing(model, phase))
    rule = routing.get_rule(model, phase)
    if rule is not None:
        yield from _rule_lines(rule)
    decisions = list(_decisions_on(files, model, phase))
    if decisions:
        yield counted(len(decisions), "decision")
    else:
        yield f"no decision on it is logged in {files.state_dir.name}"
    cycles = read_history(files.state_dir / HISTORY)
    for decision in decisions:
        yield from _decision_lines(decision, cycles)
    numbers = {decision["cycle"] for decision in decisions if decision.get("cycle")}
    yield from _trial_lines(files, phase, sorted(numbers))


def _decisions_on(files: ProjectFiles, model: str, phase: str) -> Iterator[_Entry]:
    for decision in read_decisions(files.state_dir / DECISIONS):
        if (decision.get("original_model"), decision.get("phase")) == (model, phase):
            yield decision


def _rule_lines(rule: Rule) -> Iterator[str]:
    status = rule.status or "not on trial"
    origin = rule.source or "an unknown source"
    if rule.cycle:
        origin += f", cycle {rule.cycle}"
    yield f"  the rule is {status}, from {origin}"
    for name, value in rule_to_json(rule).items():
        if name not in _SHOWN_ELSEWHERE and value is not None:
            yield f"    {name}: {value}"
    for name, value in (rule.premises or {}).items():
        yield f"    rests on {name} {value}"


def _decision_lines(decision: _Entry, cycles: Sequence[_Entry]) -> Iterator[str]:
    when = "outside of cycles"
    if decision["cycle"]:
        when = f"cycle {decision['cycle']}"
    timestamp, kind = decision["timestamp"], decision["kind"]
    yield f"  {when}, {timestamp}, {kind}: {decision['reason']}"
    if kind in BY_HAND:
        return
    for cycle in cycles:
        if (cycle.get("cycle"), cycle.get("phase")) == (decision["cycle"], decision["phase"]):
            yield from _grounds_lines(cycle)


def _grounds_lines(cycle: _Entry) -> Iterator[str]:
    for verdict in cycle.get("verdicts", ()):
        yield f"    {_shown_verdict(verdict, cycle)} {verdict['spec']}"
        for gate in verdict.get("gates", ()):
            mark = "FAILED"
            if gate["passed"]:
                mark = "passed"
            yield f"      {mark} {gate['name']}: {gate['sentence']}"
    for diagnosis in cycle.get("diagnoses", ()):
        yield f"    diagnosis {diagnosis['kind']}: {diagnosis['sentence']}"


def _trial_lines(files: ProjectFiles, phase: str, cycles: Sequence[int]) -> Iterator[str]:
    path = files.ledger_path
    if not cycles or not path.exists():
        return
    with Ledger(path) as ledger:
        for cycle, trials in ledger.trials(cycles, phase).items():
            numbers, passes, copied = Counter[str](), Counter[str](), Counter[str]()
            for trial in trials:
                numbers[trial.spec] += trial.outcome != "error"
                passes[trial.spec] += trial.outcome == "pass"
                copied[trial.spec] += bool(trial.copied)
            yield f"trials of cycle {cycle} in {path.name} (table call, cycle = {cycle}, phase = '{phase}'):"
            for spec, number in numbers.items():
                line = f"  {spec}: {passes[spec]} of {number} right"
                if copied[spec]:
                    line += f"; {copied_of(copied[spec], number)} and do not count"
                yield line


def history(settings: Settings, width: int | None) -> list[str]:
    """Return the comparisons and decisions of each cycle, the curve of accuracy, and the error budget spent.

    Last of each phase comes what is in force now, which a person may have changed since its last cycle.
    Surveys, which decide nothing, have a line each. `width` is that of the terminal; None if there is none.

    Raises:
        StateError: if there is no history, or it cannot be used.
    """
    entries = read_history(settings.state_dir / HISTORY)
    surveys = list(_survey_lines(settings))
    if not entries and not surveys:
        raise NothingRecordedError("history", settings.state_dir)
    curve = CURVE
    if width is not None:
        curve = min(CURVE, width - BESIDE_CURVE)
    taken_back = promotions_taken_back(read_decisions(settings.state_dir / DECISIONS))
    lines: list[str] = []
    for entry in entries:
        lines += _cycle_lines(entry)
        moment = taken_back.get((entry["cycle"], entry["phase"]))
        if moment is not None:
            lines.append(f"  rolled back by hand: {moment}")
    now = list(_in_force_lines(entries, settings))
    return [*lines, *surveys, *_curves(entries, curve), *now, *_budget_lines(settings)]


def _in_force_lines(entries: Sequence[_Entry], settings: Settings) -> Iterator[str]:
    """Yield a line on what is in force now for each phase, and an empty one behind them."""
    routing = read_config(settings.routing_path)
    left = {entry["phase"]: entry["baseline_after"] for entry in entries}
    for phase, spec in left.items():
        now = in_force_now(settings, routing, phase)
        line = f"in force now in {phase}: {now or 'nothing, because the model is disabled and has no fallback'}"
        if now != spec:
            line += f" (the last cycle left {spec})"
        yield line
    if left:
        yield ""


def _cycle_lines(entry: _Entry) -> Iterator[str]:
    number, ended = entry["cycle"], entry["ended"]
    head = f"cycle {number}  {ended}  {entry['phase']}  {entry['improvement']:+.3f}"
    if _is_weighted(entry):
        head += " in weighted accuracy"
    if entry.get("proof"):
        head += "  proof of what was on trial"
    yield head
    if entry.get("status") == "stopped":
        yield f"  stopped: {entry['reason']}"
    for verdict in entry["verdicts"]:
        comparison = _comparison(verdict)
        judged = _shown_verdict(verdict, entry)
        yield f"  {judged:7}  {verdict['spec']}{comparison}"
        if judged == PASSED:
            yield f"           {describe_not_chosen(beside_winner(verdict['spec'], entry))}"
    for diagnosis in entry.get("diagnoses", ()):
        yield f"  diagnosis: {diagnosis['kind']}"
    yield f"  in force afterwards: {entry['baseline_after']}"


def _shown_verdict(verdict: _Entry, entry: _Entry) -> str:
    return shown_verdict(verdict["verdict"], chosen=verdict["spec"] == entry.get("winner"))


def _is_weighted(entry: _Entry) -> bool:
    """Whether cases of a cycle had weights: then alone the history tells the interval of an accuracy."""
    metrics = entry.get("metrics", {}).get(entry["baseline_after"], {})
    return "accuracy_interval" in metrics


def _survey_lines(files: ProjectFiles) -> Iterator[str]:
    """Yield a line for each record of `selfopt swarm` and `selfopt batch`, which decide nothing."""
    path = files.ledger_path
    if not path.exists():
        return
    with Ledger(path) as ledger:
        for cycle in ledger.cycles():
            if "survey" not in cycle["plan"]:
                continue
            counts = sorted(ledger.counts(cycle["id"]).items())
            results = ", ".join(f"{number} {name}" for name, number in counts)
            specs = ", ".join(cycle["plan"]["survey"]["specs"])
            when = timestamp(cycle["ended"] or cycle["started"])
            yield f"survey {cycle['id']}  {when}  {specs}: {results or 'no answer'}"


def _comparison(verdict: _Entry) -> str:
    if "comparison" not in verdict:
        return ""
    rule = f"comparison {verdict['comparison']}"
    if verdict["comparison"] is None:
        rule = "classic"
    grounds = f"fixed {verdict['fixed']}, broke {verdict['broken']}"
    # Histories of older versions have no claims.
    if verdict.get("claim"):
        grounds += f"; {verdict['claim']}"
    return f"  ({rule}: {grounds})"


def _curves(entries: Sequence[_Entry], most: int) -> list[str]:
    """Return the accuracy of the spec in force after each cycle, by phase, as bars of up to `most` characters."""
    lines = []
    for phase in dict.fromkeys(map(itemgetter("phase"), entries)):
        of_phase = [entry for entry in entries if entry["phase"] == phase]
        accuracy = "accuracy"
        if any(map(_is_weighted, of_phase)):
            accuracy = "accuracy, weighted where cases have weights,"
        lines += ["", f"{accuracy} of what is in force in {phase}, by cycle"]
        lines += _first_baseline(of_phase, most)
        for entry in of_phase:
            measured = entry.get("metrics", {}).get(entry["baseline_after"])
            if measured is not None and measured["accuracy"] is not None:
                line = _curve_line(entry, measured["accuracy"], most)
                lines.append(line)
    return [*lines, ""]


def _first_baseline(entries: Sequence[_Entry], most: int) -> Iterator[str]:
    """Yield the line of the first baseline that was measured, as cycle 0: the state before the first cycle."""
    for entry in entries:
        measured = entry.get("metrics", {}).get(entry["baseline_before"])
        if measured is not None:
            yield f"{_bar_line(0, measured['accuracy'], most)}  first baseline"
            return


def _bar_line(cycle: int, accuracy: float, most: int) -> str:
    signs = "#" * round(accuracy * most)
    return f"  {cycle:>4}  {accuracy:.3f}  {signs}"


def _curve_line(entry: _Entry, accuracy: float, most: int) -> str:
    line = _bar_line(entry["cycle"], accuracy, most)
    if entry["winner"]:
        return f"{line}  promoted"
    return line


def _budget_lines(files: ProjectFiles) -> list[str]:
    """Return the part of the error budget spent by the ledger's comparisons: deleting a report does not refill it."""
    path = files.ledger_path
    if not path.exists():
        return []
    with Ledger(path) as ledger:
        comparisons = ledger.comparisons()
    shares = [comparison.share for comparison in comparisons if comparison.test is not None]
    opened, free = len(shares), len(comparisons) - len(shares)
    odds = float(bar(opened + 1))
    spent = f"{counted(opened, 'comparison')} opened, {sum(shares):.4f} of {float(ALPHA):g} spent in all cycles"
    lines = [f"error budget: {spent}; the next one needs odds of {odds:,.0f}:1"]
    if free:
        lines.append(f"by the classic rule, without any guarantee: {counted(free, 'comparison')}")
    return lines
