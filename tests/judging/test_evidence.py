"""What judged pairs prove, and which labels decide."""

from __future__ import annotations

from fractions import Fraction

import pytest

from pytest_selfopt.judging.ask_labels import answers_to_label
from pytest_selfopt.judging.calibration import Calibration
from pytest_selfopt.judging.evidence import Sight, judged_evidence, sight
from pytest_selfopt.judging.pairs import JudgedAnswer, JudgedPair
from pytest_selfopt.loop.evidence.odds import odds
from tests.judging.worlds import false_promotions, no_better

BOUNDS = Sight(lowest=0.64, highest=0.905)
NEEDED = Fraction(220)


def _pair(case: int, run: int, verdicts: tuple[bool | None, bool | None], group: str = "") -> JudgedPair:
    return JudgedPair(
        case=f"c{case}",
        run=run,
        baseline=JudgedAnswer(key=f"b{case}-{run}", passed=verdicts[0]),
        candidate=JudgedAnswer(key=f"c{case}-{run}", passed=verdicts[1]),
        group=group,
    )


def _as_judged(pairs: list[JudgedPair]) -> dict[str, bool]:
    return {answer.key: answer.passed is True for pair in pairs for answer in (pair.baseline, pair.candidate)}


WINS = [_pair(case, run, (False, True)) for case in range(8) for run in range(3)]
TIES = [_pair(case, run, (True, True)) for case in range(8, 20) for run in range(3)]


def test_verdicts_alone_prove_nothing() -> None:
    evidence = judged_evidence(WINS + TIES, {}, BOUNDS)

    assert evidence.log10_odds < 0
    assert (evidence.unlabelled, evidence.hidden) == (24, 36)


def test_labels_of_wins_decide() -> None:
    keys = answers_to_label(WINS + TIES, {}, BOUNDS, NEEDED)

    assert keys is not None
    labels = {key: key.startswith("c") for key in keys}
    assert judged_evidence(WINS + TIES, labels, BOUNDS).reaches(NEEDED)
    fewer = dict(list(labels.items())[:-1])
    assert not judged_evidence(WINS + TIES, fewer, BOUNDS).reaches(NEEDED)
    assert answers_to_label(WINS + TIES, labels, BOUNDS, NEEDED) == ()


def test_all_labels_are_an_exact_grader() -> None:
    pairs = WINS[:12] + TIES
    evidence = judged_evidence(pairs, _as_judged(pairs), BOUNDS)

    assert 10**evidence.log10_odds == pytest.approx(float(odds(12, 0)) / 2)
    assert (evidence.hidden, evidence.blind_chance) == (0, 0.0)


def test_labels_against_the_judge_count_as_losses() -> None:
    pairs = WINS + TIES
    labels = {answer.key: answer.passed is not True for pair in WINS for answer in (pair.baseline, pair.candidate)}
    evidence = judged_evidence(pairs, labels, BOUNDS)

    assert (evidence.wins, evidence.losses) == (0, 24)
    assert answers_to_label(pairs, labels, BOUNDS, NEEDED) is None


def test_few_cases_may_hide_losses() -> None:
    pairs = [_pair(case, run, (False, True)) for case in range(2) for run in range(20)] + TIES

    evidence = judged_evidence(pairs, _as_judged(pairs[:40]), BOUNDS)

    assert evidence.blind_chance == pytest.approx(0.36**2)
    assert 10**evidence.log10_odds == pytest.approx(1 / 0.36**2)


def test_the_same_reply_hides_nothing() -> None:
    same = JudgedAnswer(key="same", passed=True)
    pair = JudgedPair(case="c99", run=0, baseline=same, candidate=same)

    assert judged_evidence([pair], {}, BOUNDS).hidden == 0


def test_untold_verdicts_are_not_seen() -> None:
    assert not _pair(0, 0, (None, True)).differs
    assert _pair(0, 0, (None, True)).may_hide_loss({})


def test_groups_need_all_labels() -> None:
    wins = [_pair(case, 0, (False, True), group=f"g{case // 2}") for case in range(30)]
    ties = [_pair(case, 0, (True, True)) for case in range(30, 60)]

    assert judged_evidence(wins + ties, _as_judged(wins), BOUNDS).log10_odds <= 0
    assert judged_evidence(wins + ties, _as_judged(wins + ties), BOUNDS).reaches(NEEDED)


def test_bounds_hold_for_each_spec() -> None:
    good = Calibration(true_passes=60, true_fails=60)
    poor = Calibration(true_passes=48, false_fails=12, true_fails=60)

    assert sight(good, poor).lowest == sight(poor).lowest < sight(good).lowest
    assert sight(good).highest == sight(good, poor).highest == 1.0
    assert sight(poor, good).weight == sight(good, poor).weight < 1


@pytest.mark.parametrize(
    ("baseline", "candidate", "uncorrected"),
    [((0.9, 0.9), (0.9, 0.9), 0.0), ((0.75, 0.98), (0.98, 0.75), 0.3)],
    ids=["equal", "unequal"],
)
@pytest.mark.parametrize("repeat", [False, True], ids=["varying", "repeating"])
def test_false_promotions_are_rare(
    baseline: tuple[float, float], candidate: tuple[float, float], uncorrected: float, *, repeat: bool
) -> None:
    world = no_better(12, baseline, candidate, repeat=repeat)

    wrong, plain = false_promotions(world, seed=31, histories=40, comparisons=2)

    assert wrong == 0
    assert plain >= uncorrected
