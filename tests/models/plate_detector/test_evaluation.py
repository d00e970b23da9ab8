"""Recall and false plates per picture count as the benchmark's scorer counts them."""

from __future__ import annotations

import numpy as np
import pytest

from models.plate_detector.evaluation import Found, at_false_rate, overlaps, tally, wilson

PLATE = np.array([[10, 10, 50, 30]], np.float32)


def found(*finds: tuple[float, float, float, float, float]) -> Found:
    rows = np.array(finds, np.float32).reshape(-1, 5)
    return Found(rows[:, :4], rows[:, 4])


def test_overlaps_are_intersections_over_unions() -> None:
    assert overlaps(PLATE, np.array([[30, 10, 70, 30]], np.float32))[0, 0] == pytest.approx(1 / 3)
    assert overlaps(PLATE, PLATE + 100)[0, 0] == 0


def test_a_loose_find_is_a_miss_and_false() -> None:
    loose = found((0, 0, 80, 60, 0.9))
    counted = tally([PLATE], [loose], 0.5)
    assert (counted.detected, counted.false) == (0, 1)


def test_two_finds_of_one_plate_are_one_detection_and_none_is_false() -> None:
    counted = tally([PLATE], [found((10, 10, 50, 30, 0.9), (12, 10, 52, 30, 0.8))], 0.5)
    assert (counted.recall, counted.false_per_picture) == (1.0, 0.0)


def test_the_threshold_lets_no_more_false_finds_pass_than_allowed() -> None:
    truth = [PLATE] * 10
    finds = [found((10, 10, 50, 30, 0.5), (60, 60, 90, 75, 0.1 * k)) for k in range(10)]
    best = at_false_rate(truth, finds, 0.3)
    assert best.false_per_picture == pytest.approx(0.3)
    assert best.threshold > 0.6
    assert best.recall == 0.0
    assert at_false_rate(truth, finds, 1.0).recall == 1.0


def test_interval_of_all_right_reaches_one_and_not_below_reason() -> None:
    low, high = wilson(100, 100)
    assert high == pytest.approx(1.0)
    assert 0.95 < low < 0.97
