"""Frozen, black and corrupt pictures, and the quiet roads that are none of these."""

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_agent.sources.condition import Condition

SHAPE = (360, 640)
RATE_HZ = 5
RNG = np.random.default_rng(7)
ROAD = RNG.integers(30, 220, SHAPE).astype(np.uint8)


class Camera:
    def __init__(self, *, key_every: int = 5) -> None:
        self.condition = Condition()
        self.key_every = key_every
        self.shown = 0

    def show(self, picture: NDArray[np.uint8], seconds: float) -> str:
        for _ in range(round(seconds * RATE_HZ)):
            key_frame = self.key_every > 0 and self.shown % self.key_every == 0
            self.condition.saw(picture, key_frame=key_frame, boot_ns=round(self.shown / RATE_HZ * 1e9))
            self.shown += 1
        return self.condition.text()

    def watch(self, seconds: float, noise: float, brightness: float = 0.0) -> str:
        for _ in range(round(seconds * RATE_HZ)):
            scene = 60 + brightness + RNG.normal(0, noise, SHAPE)
            self.show(np.clip(scene, 0, 255).astype(np.uint8), 1 / RATE_HZ)
        return self.condition.text()


def test_the_same_picture_for_ten_seconds_is_frozen_and_says_for_how_long() -> None:
    camera = Camera()
    assert camera.show(ROAD, 9) == ""
    assert camera.show(ROAD, 4) == "frozen: the same picture for 13 s"
    assert camera.show(ROAD[::-1], 1) == ""


def test_between_key_frames_a_quiet_picture_may_stay_the_same() -> None:
    camera = Camera(key_every=0)
    assert camera.show(ROAD, 50) == ""
    assert camera.show(ROAD, 15).startswith("frozen: the same picture for 6")


def test_a_quiet_infrared_night_is_not_frozen() -> None:
    assert Camera().watch(40, noise=0.6) == ""


def test_a_small_thing_that_moves_is_enough() -> None:
    camera = Camera()
    for i in range(20):
        picture = ROAD.copy()
        picture[100:112, 20 + 5 * i : 44 + 5 * i] = 255
        assert camera.show(picture, 1) == ""


def test_an_encoder_that_works_on_while_nothing_changes_for_an_hour_is_frozen() -> None:
    condition = Condition()
    for second in range(3700):
        noisy = (ROAD + (second % 3)).astype(np.uint8)
        condition.saw(noisy, key_frame=True, boot_ns=second * 10**9)
        if second == 3000:
            assert condition.text() == ""
    assert condition.text() == "frozen: nothing in the picture has changed for 62 min"
    with_car = ROAD.copy()
    with_car[200:300, 100:260] = 20
    condition.saw(with_car, key_frame=False, boot_ns=3701 * 10**9)
    assert condition.text() == ""


@pytest.mark.parametrize("noise", [0.0, 3.0])
def test_no_light_for_half_a_minute_is_black_and_not_frozen(noise: float) -> None:
    camera = Camera()
    assert camera.watch(29, noise=noise, brightness=-44) == ""
    assert camera.watch(4, noise=noise, brightness=-44) == "black: no light for 33 s"
    assert camera.watch(1, noise=1, brightness=20) == ""


def test_a_dark_road_with_lights_is_not_black() -> None:
    picture = np.full(SHAPE, 18, np.uint8)
    picture[100:140, 200:300] = 250
    camera = Camera()
    for i in range(40):
        assert camera.show(np.roll(picture, i, axis=1), 1) == ""


def test_every_tenth_picture_torn_is_corrupt_and_a_few_are_not() -> None:
    camera = Camera()
    camera.watch(20, noise=2)
    for _ in range(9):
        camera.condition.lost()
    assert camera.condition.text() == ""
    camera.condition.lost()
    assert camera.condition.text() == "corrupt: 10 of the last 100 pictures were torn or could not be decoded"
    assert camera.watch(20, noise=2) == ""


def test_small_pictures_are_judged_too() -> None:
    condition = Condition()
    for second in range(12):
        condition.saw(np.full((8, 8), 90, np.uint8), key_frame=True, boot_ns=second * 10**9)
    assert condition.text() == "frozen: the same picture for 11 s"
