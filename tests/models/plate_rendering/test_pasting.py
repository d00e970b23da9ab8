"""Plates in photographs: where the box says, in the scene's light and softness; and things that are no plates."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from models.plate_rendering import distractors, pasting
from models.plate_rendering.faces import Face

Image = NDArray[np.uint8]

_MAGENTA = Face(np.full((128, 256, 3), (255, 0, 255), np.uint8), "", "US-CA", 1)


def _scene(level: int = 150, *, grey: bool = False) -> Image:
    rng = np.random.default_rng(1)
    coarse = (rng.normal(level, 25, (24, 32, 1)) + rng.normal(0, 0 if grey else 6, (24, 32, 3))).clip(0, 255)
    return np.asarray(cv2.resize(coarse.astype(np.uint8), (640, 480), interpolation=cv2.INTER_LINEAR), np.uint8)


def _magenta(scene: Image) -> NDArray[np.bool_]:
    wide = scene.astype(np.int16)
    return np.asarray(np.minimum(wide[:, :, 0], wide[:, :, 2]) - wide[:, :, 1] > 60)


def test_a_seed_pastes_the_same_plate_again() -> None:
    scenes = [_scene(), _scene()]

    boxes = [pasting.paste(scene, _MAGENTA, np.random.default_rng(5), 120.0, (320, 240)) for scene in scenes]

    assert boxes[0] == boxes[1]
    np.testing.assert_array_equal(scenes[0], scenes[1])
    assert (scenes[0] != _scene()).any()


@pytest.mark.parametrize("width_px", [16.0, 60.0, 300.0])
def test_the_box_is_where_the_plate_is(width_px: float) -> None:
    errors = []
    for seed in range(20):
        scene = _scene()
        x1, y1, x2, y2 = pasting.paste(scene, _MAGENTA, np.random.default_rng(seed), width_px, (320.5, 240.25))
        assert x2 - x1 == pytest.approx(width_px)
        assert ((x1 + x2) / 2, (y1 + y2) / 2) == pytest.approx((320.5, 240.25))
        rows, columns = np.nonzero(_magenta(scene))
        if len(rows):
            errors.append((columns.min() - x1, rows.min() - y1, columns.max() + 1 - x2, rows.max() + 1 - y2))

    # Frames, dirt and shadow hide parts of some; of half of them hardly anything.
    assert len(errors) > 10
    assert np.abs(np.median(np.array(errors), axis=0)).max() < max(1.6, 0.03 * width_px)


def test_what_is_far_from_the_plate_stays() -> None:
    scene, before = _scene(), _scene()

    pasting.paste(scene, _MAGENTA, np.random.default_rng(2), 60.0, (100, 100))

    np.testing.assert_array_equal(scene[:, 240:], before[:, 240:])
    np.testing.assert_array_equal(scene[240:], before[240:])


def test_a_plate_at_the_edge_is_cut_by_it() -> None:
    scene = _scene()

    x1, _, x2, _ = pasting.paste(scene, _MAGENTA, np.random.default_rng(3), 100.0, (630, 240))

    assert x2 == 640
    assert x1 == pytest.approx(580)


def test_a_plate_outside_and_a_width_of_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match=r"centre: got \(900, 240\), expected a place in the scene of 640 x 480 px"):
        pasting.paste(_scene(), _MAGENTA, np.random.default_rng(0), 100.0, (900, 240))
    with pytest.raises(ValueError, match=r"width_px: got 2\.0, expected 8 to 640"):
        pasting.paste(_scene(), _MAGENTA, np.random.default_rng(0), 2.0, (320, 240))


def test_plates_take_the_light_of_the_scene() -> None:
    white = Face(np.full((128, 256, 3), 240, np.uint8), "", "US-CA", 1)
    shown = {}
    for level in (40, 190):
        scenes = [_scene(level) for _ in range(20)]
        for seed, scene in enumerate(scenes):
            pasting.paste(scene, white, np.random.default_rng(seed), 120.0, (320, 240))
        shown[level] = float(np.median([scene[230:250, 300:340].mean() for scene in scenes]))

    assert shown[40] < shown[190] - 40


def test_a_grey_photograph_stays_grey() -> None:
    for seed in range(10):
        scene = _scene(grey=True)
        pasting.paste(scene, _MAGENTA, np.random.default_rng(seed), 120.0, (320, 240))
        # Noise of the sensor has colour; the plate has none.
        assert not _magenta(scene).any()


@pytest.mark.parametrize("kind", distractors.KINDS)
def test_distractors_change_their_place_and_reproduce(kind: str) -> None:
    for seed in range(5):
        scene, again = _scene(), _scene()
        for one in (scene, again):
            distractors.distractor(one, np.random.default_rng(seed), (320.0, 240.0), 90.0, kind)
        np.testing.assert_array_equal(scene, again)
        changed = (scene != _scene()).any(axis=2)
        rows, columns = np.nonzero(changed)
        assert len(rows) > 50
        assert abs(float(columns.mean()) - 320) < 60
        assert columns.min() > 200
        assert columns.max() < 440


def test_distractors_may_reach_over_the_edge() -> None:
    rng = np.random.default_rng(8)
    for _ in range(40):
        scene = _scene()
        distractors.distractor(scene, rng, (float(rng.uniform(0, 640)), float(rng.uniform(0, 480))), 150.0)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="kind: got 'tree', expected one of lamp, grille"):
        distractors.distractor(_scene(), np.random.default_rng(0), (320.0, 240.0), 90.0, "tree")
