"""Scenes: boxes stay on the plates through crops, mirrors and letterboxes; what pads a picture stays grey."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from models.plate_detector.scenes import GREY, NOTHING, Photograph, Sampler, cover, crop, letterboxed

WHITE = 250


def photograph(*boxes: tuple[int, int, int, int]) -> Photograph:
    """A dark picture in which every box is white."""
    image = np.full((300, 400, 3), 20, np.uint8)
    for x1, y1, x2, y2 in boxes:
        image[y1:y2, x1:x2] = WHITE
    return Photograph(image, np.array(boxes, np.float32).reshape(-1, 4), NOTHING)


class White:
    """Draws white plates, and black boxes for what is none."""

    def plate(
        self, scene: NDArray[np.uint8], rng: np.random.Generator, width_px: float, centre: tuple[float, float]
    ) -> NDArray[np.float32]:
        return self._box(scene, WHITE, width_px, centre)

    def distractor(
        self, scene: NDArray[np.uint8], rng: np.random.Generator, width_px: float, centre: tuple[float, float]
    ) -> NDArray[np.float32]:
        return self._box(scene, 0, width_px, centre)

    def face(self, rng: np.random.Generator) -> NDArray[np.uint8]:
        return np.full((128, 256, 3), WHITE, np.uint8)

    @staticmethod
    def _box(scene: NDArray[np.uint8], shade: int, width_px: float, centre: tuple[float, float]) -> NDArray[np.float32]:
        (x, y), w, h = centre, width_px / 2, width_px / 4
        cv2.rectangle(scene, (round(x - w), round(y - h)), (round(x + w) - 1, round(y + h) - 1), (shade,) * 3, -1)
        return np.array((x - w, y - h, x + w, y + h), np.float32)


@pytest.mark.parametrize("seed", range(20))
def test_a_crop_keeps_its_boxes_on_the_plates(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scene = crop(photograph((100, 100, 180, 140)), rng, 288, 288)
    assert scene.image.shape == (288, 288, 3)
    for x1, y1, x2, y2 in scene.plates:
        middle = scene.image[round(float(y1 + y2) / 2), round(float(x1 + x2) / 2)]
        assert middle.tolist() == [WHITE] * 3
        mask = np.zeros((288, 288), np.bool_)
        mask[
            max(round(float(y1)) - 2, 0) : round(float(y2)) + 2, max(round(float(x1)) - 2, 0) : round(float(x2)) + 2
        ] = True
        assert scene.image[~mask].max() <= GREY


def test_letterboxing_is_the_deployed_one() -> None:
    scene = letterboxed(photograph((100, 100, 180, 140)), 384, 640)
    assert scene.plates[0] == pytest.approx([64 + 128, 128, 64 + 230.4, 179.2])
    assert (scene.image[:, :64] == GREY).all()
    assert not scene.shown[:, :64].any()
    assert scene.shown[:, 64:576].all()


def test_covering_leaves_nothing_of_the_plate() -> None:
    seen = photograph((100, 100, 180, 140))
    image = seen.image.copy()
    cover(image, seen.plates[0], np.random.default_rng(0))
    assert image.max() < 60


def test_scenes_have_boxes_inside_and_grey_outside_the_picture() -> None:
    sampler = Sampler([photograph((100, 100, 180, 140)), photograph()], White())
    rng = np.random.default_rng(1)
    plates = 0
    for k in range(60):
        size = (256, 256) if k % 3 else (384, 640)
        scene = sampler.crop_scene(rng, *size) if k % 3 else sampler.whole_scene(rng, *size)
        assert scene.image.shape == (*size, 3)
        assert (scene.image[~scene.shown] == GREY).all()
        assert (scene.plates[:, 2:] > scene.plates[:, :2]).all()
        assert (scene.plates >= -0.01).all()
        assert (scene.plates[:, [2, 3]] <= np.array(size[::-1]) + 0.01).all()
        plates += len(scene.plates)
    assert plates > 60


def test_the_same_seed_gives_the_same_scenes() -> None:
    pair = [
        Sampler([photograph((100, 100, 180, 140))], White()).crop_scene(np.random.default_rng(5), 256, 256)
        for _ in "ab"
    ]
    assert (pair[0].image == pair[1].image).all()
    assert (pair[0].plates == pair[1].plates).all()
