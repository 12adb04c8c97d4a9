"""How often a judge is wrong, and the accuracy that this leaves."""

from __future__ import annotations

import random

import pytest

from pytest_selfopt.judging.accuracy import correct_accuracy
from pytest_selfopt.judging.calibration import Calibration, Proportion, calibrate


def test_verdicts_are_counted_by_kind() -> None:
    verdicts = [(True, True)] * 40 + [(True, False)] * 9 + [(False, False)] * 15 + [(False, True)] * 6
    counted = calibrate([*verdicts, (True, None), (False, None)])

    assert counted.true_positive_rate == Proportion(successes=40, trials=50)
    assert counted.true_negative_rate == Proportion(successes=15, trials=22)
    assert counted.agreement == Proportion(successes=55, trials=72)


def test_kappa_matches_the_textbook() -> None:
    # Of 50 proposals both readers accept 20 and refuse 15: agreement 0.7, by chance 0.5.
    counted = Calibration(true_passes=20, false_fails=5, false_passes=10, true_fails=15)

    assert counted.kappa == pytest.approx(0.4)
    assert Calibration().kappa is None
    assert Calibration(true_passes=9).kappa is None


def test_few_labels_are_not_sufficient() -> None:
    assert Calibration(true_passes=30, true_fails=30).is_sufficient()
    assert not Calibration(true_passes=29, true_fails=30).is_sufficient()
    assert not Calibration(true_passes=27, false_fails=3, true_fails=30).is_sufficient()


def test_nothing_is_corrected_without_both_kinds() -> None:
    judged = Proportion(successes=5, trials=10)

    assert correct_accuracy(judged, Calibration(true_passes=9)) is None
    assert correct_accuracy(judged, Calibration(true_passes=1, false_fails=1, true_fails=1, false_passes=1)) is None
    assert correct_accuracy(Proportion(successes=0, trials=0), Calibration(true_passes=1, true_fails=1)) is None


def test_a_judge_without_errors_keeps_the_accuracy() -> None:
    corrected = correct_accuracy(Proportion(successes=27, trials=36), Calibration(true_passes=50, true_fails=50))

    assert corrected is not None
    assert corrected.judged == corrected.estimate == 0.75
    assert 0.55 < corrected.low < 0.75 < corrected.high < 0.9


@pytest.mark.parametrize("rates", [(0.75, 0.75), (0.9, 0.9), (0.98, 0.98), (0.75, 0.98), (0.98, 0.75)], ids=str)
@pytest.mark.parametrize("truth", [0.3, 0.7])
def test_the_interval_covers_the_truth(rates: tuple[float, float], truth: float) -> None:
    rng = random.Random(31)
    covered = 0
    for _ in range(2000):
        passed = sum(_passes(rng, rates, right=rng.random() < truth) for _ in range(90))
        right, wrong = (sum(rng.random() < rate for _ in range(40)) for rate in rates)
        labels = Calibration(true_passes=right, false_fails=40 - right, true_fails=wrong, false_passes=40 - wrong)
        corrected = correct_accuracy(Proportion(successes=passed, trials=90), labels)
        assert corrected is not None
        covered += corrected.low <= truth <= corrected.high
    assert 0.93 <= covered / 2000 <= 0.97


def _passes(rng: random.Random, rates: tuple[float, float], *, right: bool) -> bool:
    return right is (rng.random() < rates[not right])
