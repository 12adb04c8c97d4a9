"""The exit statuses of a cycle or a gate, and their meaning."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from pytest_selfopt.loop.cycle import Conclusion
from pytest_selfopt.loop.gates.gate_result import Verdict

EXIT_DECIDED = 0


EXIT_GATE_FAILED = 1


EXIT_NOT_ENOUGH_EVIDENCE = 10


STATUSES: Mapping[int, str] = {
    EXIT_DECIDED: "a cycle: every phase was decided, and the spec in force passes its gates; a gate: every threshold "
    "is reached, and nothing is worse than recorded",
    EXIT_GATE_FAILED: "the spec in force fails a gate or a threshold for certain; or something "
    "besides the answers failed (a test body, a fixture, a worker)",
    2: "interrupted, by Ctrl-C, SIGTERM or SIGHUP, or a file that cannot be collected; the finished calls of a cycle "
    "are in the ledger",
    3: "pytest or a plugin broke",
    4: "something given cannot be used, such as a gate without a configuration; one sentence says what",
    EXIT_NOT_ENOUGH_EVIDENCE: "not enough evidence: a comparison is on HOLD, a threshold is missed too narrowly, "
    "too many calls gave no answer, evidence is missing or cannot be read, the budget or a quota is used up, or only "
    "some trials were selected",
}
"""The meaning of the exit statuses of a cycle or a gate, with and without -n; others are pytest's own."""


def exit_status(conclusions: Sequence[Conclusion], *, proven_next: Collection[str] = ()) -> int:
    """Return the exit status of the session; phases that are `proven_next` get theirs from the proof.

    0: every phase was decided and the spec in force passes its gates. 1: a gate failed for certain. 10: the evidence is
    insufficient or partial.
    """
    if not conclusions:
        return EXIT_NOT_ENOUGH_EVIDENCE
    verdicts = set[Verdict]()
    for conclusion in conclusions:
        if conclusion.phase not in proven_next:
            verdicts |= _verdicts_of(conclusion)
    if Verdict.REJECT in verdicts:
        return EXIT_GATE_FAILED
    if verdicts:
        return EXIT_NOT_ENOUGH_EVIDENCE
    return EXIT_DECIDED


def _verdicts_of(conclusion: Conclusion) -> set[Verdict]:
    """Return the verdicts that a phase's failed gates ask for, and HOLD if a comparison is undecided."""
    asked = {gate.asks for gate in conclusion.gates if not gate.passed}
    if conclusion.verdict is Verdict.HOLD:
        asked.add(Verdict.HOLD)
    return asked
