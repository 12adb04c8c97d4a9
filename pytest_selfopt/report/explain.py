"""`selfopt why` and `selfopt history`: what is in force, how that came about, and on which trials it rests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pytest_selfopt.errors import StateError
from pytest_selfopt.ledger.ledger import Ledger
from pytest_selfopt.loop.evidence import ALPHA, bar
from pytest_selfopt.routing.atomic_files import timestamp
from pytest_selfopt.routing.config import read_config
from pytest_selfopt.routing.decisions import read_decisions
from pytest_selfopt.routing.history import DECISIONS, HISTORY, read_history
from pytest_selfopt.routing.resolve import Route
from pytest_selfopt.routing.rule import rule_to_json
from pytest_selfopt.settings import Settings

CURVE = 40
"""The width of the improvement curve, for an accuracy of 1."""
BESIDE_CURVE = len("  1234  0.425    promoted")
_TOLD = ("model", "phase", "reason", "evidence", "status", "source", "cycle", "timestamp", "premises", "before")


def route_lines(route: Route) -> list[str]:
    """What is in effect for a model in a phase, and the sentences that say why."""
    settings = {
        "variant": route.variant,
        "timeout": route.timeout_s,
        "retries": route.retries,
        "isolation": route.isolated,
        "warm-up": route.enable_warmup,
        "sampling": route.sampling,
    }
    lines = [f"{route.requested} in {route.phase}: {route.model if route.allowed else 'disabled'}"]
    lines += [f"  {name}: {value}" for name, value in settings.items() if value is not None]
    return lines + [f"  because {reason}" for reason in route.because or ("no rule is about it",)]


def why(settings: Settings, model: str, phase: str) -> Iterator[str]:
    """Explain the rule for a model in a phase: what it says, the decisions behind it, and their trials.

    Raises:
        StateError: when a file cannot be used.
    """
    routing = read_config(settings.routing_path)
    yield from route_lines(routing.apply_routing(model, phase))
    rule = routing.get_rule(model, phase)
    if rule is not None:
        yield f"  the rule is {rule.status or 'not on trial'}, from {rule.source or 'unknown hands'}" + (
            f", cycle {rule.cycle}" if rule.cycle else ""
        )
        for name, value in rule_to_json(rule).items():
            if name not in _TOLD:
                yield f"    {name}: {value}"
        for name, value in (rule.premises or {}).items():
            yield f"    rests on {name} {value}"
    entries = [
        one
        for one in read_decisions(settings.state_dir / DECISIONS)
        if (one.get("original_model"), one.get("phase")) == (model, phase)
    ]
    yield f"{len(entries)} decisions" if entries else f"no decision about it is logged in {settings.state_dir.name}"
    history = read_history(settings.state_dir / HISTORY)
    for entry in entries:
        yield from _decision_lines(entry, history)
    yield from _trial_lines(settings, phase, sorted({one["cycle"] for one in entries if one.get("cycle")}))


def _decision_lines(entry: Mapping[str, Any], history: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    when = f"cycle {entry['cycle']}" if entry["cycle"] else "outside of cycles"
    yield f"  {when}, {entry['timestamp']}, {entry['kind']}: {entry['reason']}"
    if entry["kind"] == "rollback":
        return
    for one in history:
        if (one.get("cycle"), one.get("phase")) != (entry["cycle"], entry["phase"]):
            continue
        for verdict in one.get("verdicts", ()):
            yield f"    {verdict['verdict']} {verdict['spec']}"
            for gate in verdict.get("gates", ()):
                mark = "passed" if gate["passed"] else "FAILED"
                yield f"      {mark} {gate['name']}: {gate['sentence']}"
        for diagnosis in one.get("diagnoses", ()):
            yield f"    diagnosis {diagnosis['kind']}: {diagnosis['sentence']}"


def _trial_lines(settings: Settings, phase: str, cycles: Sequence[int]) -> Iterator[str]:
    path = settings.state_dir / "ledger.sqlite"
    if not cycles or not path.exists():
        return
    with Ledger(path) as ledger:
        for cycle, trials in ledger.trials(cycles, phase).items():
            specs: dict[str, list[int]] = {}
            for trial in trials:
                count = specs.setdefault(trial.spec, [0, 0])
                count[0] += trial.outcome == "pass"
                count[1] += 1
            yield f"trials of cycle {cycle} in {path.name} (table call, cycle = {cycle}, phase = '{phase}'):"
            for spec, (passed, number) in specs.items():
                yield f"  {spec}: {passed} of {number} right"


def history(settings: Settings, width: int | None) -> list[str]:
    """What each cycle compared and decided, how the accuracy rose, and how much of the error budget is spent.

    Surveys, which decide nothing, stand in a line each. `width` is that of the terminal, if it is one.

    Raises:
        StateError: when there is no history, or it cannot be used.
    """
    entries = read_history(settings.state_dir / HISTORY)
    surveys = list(_survey_lines(settings))
    if not entries and not surveys:
        raise StateError(f"there is no history in {settings.state_dir}; run pytest with --selfopt-cycle first")
    lines = [line for entry in entries for line in _cycle_lines(entry)]
    curve = CURVE if width is None else min(CURVE, width - BESIDE_CURVE)
    return [*lines, *surveys, *_curves(entries, curve), *_budget_lines(settings)]


def _cycle_lines(entry: Mapping[str, Any]) -> list[str]:
    proof = "  proof of what was on trial" if entry.get("proof") else ""
    lines = [f"cycle {entry['cycle']}  {entry['ended']}  {entry['phase']}  {entry['improvement']:+.3f}{proof}"]
    lines += [f"  stopped: {entry['reason']}"] if entry.get("status") == "stopped" else []
    lines += [f"  {one['verdict']:7}  {one['spec']}{_comparison(one)}" for one in entry["verdicts"]]
    lines += [f"  diagnosis: {one['kind']}" for one in entry.get("diagnoses", ())]
    return [*lines, f"  in force afterwards: {entry['baseline_after']}"]


def _survey_lines(settings: Settings) -> Iterator[str]:
    """What `selfopt swarm` and `selfopt batch` have recorded, which decides nothing."""
    path = settings.state_dir / "ledger.sqlite"
    if not path.exists():
        return
    with Ledger(path) as ledger:
        for cycle in ledger.cycles():
            if "survey" in cycle["plan"]:
                ended = ", ".join(f"{number} {name}" for name, number in sorted(ledger.counts(cycle["id"]).items()))
                specs = ", ".join(cycle["plan"]["survey"]["specs"])
                when = timestamp(cycle["ended"] or cycle["started"])
                yield f"survey {cycle['id']}  {when}  {specs}: {ended or 'no answer'}"


def _comparison(verdict: Mapping[str, Any]) -> str:
    if "comparison" not in verdict:
        return ""
    which = "classic" if verdict["comparison"] is None else f"comparison {verdict['comparison']}"
    return f"  ({which}: fixed {verdict['fixed']}, broke {verdict['broken']})"


def _curves(entries: Sequence[Mapping[str, Any]], most: int) -> list[str]:
    """The measured accuracy of what was in force after each cycle, phase by phase; bars of up to `most` signs."""
    lines = []
    for phase in dict.fromkeys(entry["phase"] for entry in entries):
        lines += ["", f"accuracy of what is in force in {phase}, by cycle"]
        for entry in entries:
            measured = entry.get("metrics", {}).get(entry["baseline_after"])
            if entry["phase"] == phase and measured is not None:
                accuracy = measured["accuracy"]
                bar_of = "#" * round(accuracy * most)
                lines.append(
                    f"  {entry['cycle']:>4}  {accuracy:.3f}  {bar_of}{'  promoted' if entry['winner'] else ''}"
                )
    return [*lines, ""]


def _budget_lines(settings: Settings) -> list[str]:
    """How much of the bound on false promotions is spent, by the ledger: deleting a report does not refill it."""
    path = settings.state_dir / "ledger.sqlite"
    if not path.exists():
        return []
    with Ledger(path) as ledger:
        comparisons = ledger.comparisons()
    shares = [one.share for one in comparisons if one.test is not None]
    free = len(comparisons) - len(shares)
    spent = f"{len(shares)} comparisons opened, {sum(shares):.4f} of {float(ALPHA):g} spent in all cycles"
    lines = [f"error budget: {spent}; the next one needs odds of {float(bar(len(shares) + 1)):,.0f}:1"]
    return lines + ([f"by the classic rule, without any guarantee: {free} comparisons"] if free else [])
