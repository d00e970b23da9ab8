"""The card's figures are what they say."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.gunshot.corpus import BACKGROUND, GUNSHOT, Recording
from models.gunshot.figures import auc, calibration, intervals, recalls, threshold_at, write_figures
from models.gunshot.scoring import calibrate, odds_of, read_scores, write_scores

SHOT = np.arange(1100) < 100
SCORES = np.where(SHOT, 0.5, np.arange(1100) / 2000).astype(np.float32)


def test_at_most_the_share_reaches_the_threshold() -> None:
    others = SCORES[~SHOT]
    for share in (0.01, 0.001):
        assert (others >= threshold_at(others, share)).mean() <= share
    assert threshold_at(others, 1.0) == -np.inf


def test_recall_counts_ties_against_the_detector() -> None:
    assert recalls(np.array([True, False]), np.array([0.5, 0.5], np.float32)) == (0.0, 0.0)
    assert recalls(np.array([True, False]), np.array([0.6, 0.5], np.float32)) == (1.0, 1.0)


def test_auc_counts_pairs() -> None:
    shot = np.array([True, True, False, False])
    assert auc(shot, np.array([0.9, 0.4, 0.4, 0.1], np.float32)) == pytest.approx(3.5 / 4)


def test_intervals_hold_the_figure() -> None:
    sources = np.array([f"s{i % 40}" for i in range(len(SHOT))])
    (low, high), _ = intervals(SHOT, SCORES, sources)
    assert low <= recalls(SHOT, SCORES)[0] <= high


def test_calibration_tells_the_share_of_shots() -> None:
    rows = calibration(np.array([True, False, True]), np.array([0.95, 0.2, 0.99], np.float32))
    assert [(name, count, share) for name, count, _, share in rows] == [("0.1-0.3", 1, 0.0), ("0.9-1.0", 2, 1.0)]


def recordings() -> list[Recording]:
    kinds = [GUNSHOT if shot else BACKGROUND for shot in SHOT]
    return [
        Recording(f"{i}", Path("x"), 0, None, kind, "a", f"s{i % 9}", "dog", 0, True, None, False)
        for i, kind in enumerate(kinds)
    ]


def test_scores_come_back_and_the_card_tells_them(tmp_path: Path) -> None:
    write_scores(recordings(), SCORES, tmp_path / "gunshot")
    read = read_scores(recordings(), tmp_path / "gunshot")

    np.testing.assert_allclose(read, SCORES, atol=1e-6)
    write_figures(recordings(), {"gunshot": read}, tmp_path)
    told = (tmp_path / "figures.md").read_text(encoding="utf-8")
    assert "| `gunshot` | all clips | 100, 1,000 |" in told
    assert "shots of a found" in told


def test_the_threshold_lets_few_others_pass() -> None:
    fitted = calibrate(recordings(), SCORES, clean_only=True)

    probabilities = 1 / (1 + np.exp(-(odds_of(SCORES) + fitted.shift) / fitted.temperature))
    assert (probabilities[~SHOT] > fitted.threshold).mean() <= 0.0101


def test_calibration_mends_scores_that_are_too_low() -> None:
    rng = np.random.default_rng(1)
    shot = rng.random(len(SHOT)) < 0.5
    odds = rng.normal(np.where(shot, 1.0, -1.0)) * 2 - 2.0
    rows = [replace(r, kind=GUNSHOT if s else BACKGROUND) for r, s in zip(recordings(), shot, strict=True)]

    fitted = calibrate(rows, (1 / (1 + np.exp(-odds))).astype(np.float32), clean_only=False)

    assert fitted.shift == pytest.approx(2.0, abs=0.6)
