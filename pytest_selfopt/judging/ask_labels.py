"""Which answers people should label, so that a judged comparison is decided."""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction

from pytest_selfopt.judging.evidence import Sight, judged_evidence
from pytest_selfopt.judging.pairs import JudgedPair, Labels


def answers_to_label(
    pairs: Sequence[JudgedPair], labels: Labels, bounds: Sight, needed: Fraction
) -> tuple[str, ...] | None:
    """Return the keys of the answers whose labels bring the odds to `needed`, if people agree with the judge.

    Those of the judged wins first, and only as many as it takes: judged losses already count as such, so labels of
    theirs decide nothing unless people disagree. If these are not enough, all answers that differ within a pair are
    asked for. Empty if the odds are there already; None if labels alone cannot decide, and more passes are needed.
    """
    if judged_evidence(pairs, labels, bounds).reaches(needed):
        return ()
    hoped = _hoped(pairs, labels)
    wins = _in_order(pair for pair in pairs if pair.is_judged_win)
    rest = _in_order(pair for pair in pairs if not pair.is_judged_win)
    for order in (wins, [*wins, *rest]):
        keys = _unlabelled(order, labels)
        number = _enough(keys, pairs, labels, hoped, bounds, needed)
        if number is not None:
            return tuple(keys[:number])
    return None


def _enough(
    keys: Sequence[str], pairs: Sequence[JudgedPair], labels: Labels, hoped: Labels, bounds: Sight, needed: Fraction
) -> int | None:
    """Return how many of the first keys suffice; None if all do not. Each label hoped for only raises the odds."""

    def suffices(number: int) -> bool:
        told = {key: hoped[key] for key in keys[:number]}
        return judged_evidence(pairs, {**labels, **told}, bounds).reaches(needed)

    if not suffices(len(keys)):
        return None
    return bisect.bisect_left(range(len(keys)), True, key=suffices)


def _hoped(pairs: Iterable[JudgedPair], labels: Labels) -> Mapping[str, bool]:
    """Return the labels that there are, and the judge's verdicts for those that are missing."""
    hoped = {}
    for pair in pairs:
        for answer in (pair.baseline, pair.candidate):
            hoped[answer.key] = bool(answer.passed)
    return {**hoped, **labels}


def _in_order(pairs: Iterable[JudgedPair]) -> list[JudgedPair]:
    """Return each pair of replies once: one of each case, then another of each; those in most passes first."""
    times: Counter[tuple[str, str]] = Counter()
    first: dict[tuple[str, str], JudgedPair] = {}
    for pair in pairs:
        before, after = pair.keys
        if before != after:
            times[pair.keys] += 1
            first.setdefault(pair.keys, pair)
    of_case: Counter[str] = Counter()
    ranked: list[tuple[int, int, int, JudgedPair]] = []
    for keys, number in times.most_common():
        case = first[keys].case
        ranked.append((of_case[case], -number, len(ranked), first[keys]))
        of_case[case] += 1
    return [pair for *_, pair in sorted(ranked, key=lambda each: each[:3])]


def _unlabelled(pairs: Iterable[JudgedPair], labels: Labels) -> list[str]:
    """Return the keys without a label, each once, in the order of the pairs."""
    keys: dict[str, None] = {}
    for pair in pairs:
        keys.update(dict.fromkeys(key for key in pair.keys if key not in labels))
    return list(keys)
