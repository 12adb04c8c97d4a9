"""The entries of the history."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pytest_selfopt.loop.cycle import Conclusion
from pytest_selfopt.loop.diagnosis.kinds import Diagnosis
from pytest_selfopt.loop.evaluate import Metrics
from pytest_selfopt.loop.gate import CandidateJudgement
from pytest_selfopt.loop.gates.gate_result import GateResult
from pytest_selfopt.loop.generate import Candidate
from pytest_selfopt.planning.plan import PhasePlan
from pytest_selfopt.routing.atomic_files import timestamp


def history_entry(
    conclusion: Conclusion, following: PhasePlan, *, cycle: int, began: float, ended: float
) -> dict[str, Any]:
    """Return the history's entry on a phase of a cycle."""
    return {
        "cycle": cycle,
        "phase": conclusion.phase,
        "started": timestamp(began),
        "ended": timestamp(ended),
        "baseline_before": conclusion.baseline.id,
        "baseline_after": conclusion.in_force.id,
        "winner": _winner_of(conclusion),
        "passed_over": list(map(asdict, conclusion.pick.passed_over)),
        "improvement": round(_improvement(conclusion), 6),
        "reason": conclusion.pick.sentence,
        "verdicts": list(map(verdict_entry, conclusion.judgements)),
        "metrics": {spec: metrics_entry(metrics) for spec, metrics in conclusion.metrics.items()},
        "gates": list(map(gate_entry, conclusion.gates)),
        "diagnoses": list(map(_diagnosis_entry, conclusion.diagnoses)),
        "next": {
            "baseline": following.baseline.id,
            "candidates": list(map(_candidate_entry, following.candidates)),
            "left": following.left,
            "unneeded": following.unneeded,
        },
    }


def _improvement(conclusion: Conclusion) -> float:
    """Return the difference of accuracies; 0 if either is unknown.

    Answers that only the winner's change made come are no difference of accuracies: then it is the gain by pairs.
    """
    winner = conclusion.pick.winner
    if winner is not None and winner.tally.rescued:
        return winner.tally.gain
    before = conclusion.metrics[conclusion.baseline.id].known_accuracy
    after = conclusion.metrics[conclusion.in_force.id].known_accuracy
    if before is None or after is None:
        return 0.0
    return after - before


def _winner_of(conclusion: Conclusion) -> str | None:
    if conclusion.pick.winner is None:
        return None
    return conclusion.pick.winner.spec


def _diagnosis_entry(diagnosis: Diagnosis) -> dict[str, Any]:
    return {
        "kind": str(diagnosis.kind),
        "sentence": diagnosis.sentence,
        "chance": diagnosis.chance,
        "trials": diagnosis.trials,
        "runs": list(diagnosis.runs),
        "cases": list(diagnosis.cases),
    }


def _candidate_entry(candidate: Candidate) -> dict[str, Any]:
    return {"spec": candidate.spec.id, "why": candidate.why}


def verdict_entry(judgement: CandidateJudgement) -> dict[str, Any]:
    """Return a verdict in the form of the history."""
    return {
        "spec": judgement.spec,
        "verdict": str(judgement.verdict),
        "comparison": judgement.comparison,
        **judgement.numbers,
        "sentence": judgement.sentence,
        "takes": judgement.takes,
        "gates": list(map(gate_entry, judgement.gates)),
    }


def gate_entry(gate: GateResult) -> dict[str, Any]:
    """Return a gate's result in the form of the history."""
    return {
        "name": gate.name,
        "passed": gate.passed,
        "asks": str(gate.asks),
        "value": gate.value,
        "limit": gate.limit,
        "sentence": gate.sentence,
    }


def metrics_entry(metrics: Metrics) -> dict[str, Any]:
    """Return the metrics of a spec in the form of the history.

    The accuracy is None without answers. Where weights differ, it is not that of the counts, so that its interval is
    there, too.
    """
    weighted: dict[str, Any] = {}
    if metrics.weighted is not None:
        weighted = {"accuracy_interval": list(metrics.accuracy_interval)}
    return {
        "accuracy": metrics.known_accuracy,
        "passes": metrics.passes,
        "answers": metrics.answers,
        "first_attempt_accuracy": metrics.first_attempt_accuracy,
        "attempts": metrics.attempts,
        "run_accuracies": list(metrics.run_accuracies),
        "variance": metrics.spread.variance,
        "restraint": metrics.restraint,
        "trials": metrics.trials,
        "errors_by_kind": dict(metrics.errors_by_kind),
        "unusual_ends": dict(metrics.unusual_ends),
        "latency_median_s": metrics.latency_median_s,
        "latency_p95_s": metrics.latency_p95_s,
        "tokens_in": metrics.tokens_in,
        "tokens_out": metrics.tokens_out,
        "cost_usd": metrics.cost_usd,
        **weighted,
    }
