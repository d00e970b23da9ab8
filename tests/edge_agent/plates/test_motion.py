"""The gate lets every vehicle through, and little else: not noise, not flicker, not what stands."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge_agent.plates.motion import MotionGate
from edge_agent.records import CaptureTime, Frame

WIDTH_PX, HEIGHT_PX = 640, 360
SETTLED = 150
Grey = NDArray[np.float32]


def never() -> NDArray[np.uint8]:
    raise AssertionError("the gate must not have a frame converted to BGR")


def frame(luma: NDArray[np.uint8], scene: int = 0) -> Frame:
    return Frame("cam", never, CaptureTime(0, 0, 0), scene, luma=lambda: luma)


def looks(pictures: Iterable[NDArray[np.uint8]], gate: MotionGate | None = None) -> str:
    """What the gate says of each picture: x for changed, . for not."""
    gate = gate or MotionGate()
    return "".join("x" if gate.changed(frame(picture)) else "." for picture in pictures)


def a_road(seed: int = 0) -> Grey:
    """A picture with edges and surfaces at all scales."""
    rng = np.random.default_rng(seed)
    road = np.full((HEIGHT_PX, WIDTH_PX), 90, np.float32)
    for across in (4, 16, 64):
        patches = rng.normal(0, 18, (across * 9 // 16 + 1, across)).astype(np.float32)
        road += cv2.resize(patches, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_NEAREST)
    return road


class Sensor:
    """Adds noise of ``sigma`` levels a pixel."""

    def __init__(self, sigma: float, seed: int = 0) -> None:
        self._rng = np.random.default_rng(seed)
        self._sheet = (self._rng.normal(0, sigma, (HEIGHT_PX, 2 * WIDTH_PX))).astype(np.float32)

    def __call__(self, light: Grey) -> NDArray[np.uint8]:
        # A new piece of one sheet each time: fresh noise for each picture would take most of the test's time.
        x = int(self._rng.integers(0, WIDTH_PX))
        return np.clip(light + self._sheet[:, x : x + WIDTH_PX], 0, 255).astype(np.uint8)


def a_car(width_px: int = 70, *, dark: bool = False) -> Grey:
    """A dark body with a lighter window and a plate, which throws back an infrared lamp's light at night."""
    car = np.full((width_px * 3 // 4, width_px), 40, np.float32)
    car[width_px // 8 : width_px // 4, width_px // 8 : -width_px // 8] += 30
    car = night(car) if dark else car
    car[width_px // 2 : width_px // 2 + width_px // 12, width_px // 3 : width_px // 3 + width_px // 5] = 200
    return car


def with_car(road: Grey, car: Grey, x_px: float, y_px: int = 200) -> Grey:
    """``road`` with ``car`` at ``x_px``, which may lie between two pixels."""
    shift = np.array([[1, 0, x_px], [0, 1, y_px]], np.float32)
    body = cv2.warpAffine(car, shift, (WIDTH_PX, HEIGHT_PX))
    mask = cv2.warpAffine(np.ones_like(car), shift, (WIDTH_PX, HEIGHT_PX))
    return np.asarray(road * (1 - mask) + body, np.float32)


def night(light: Grey) -> Grey:
    return light * np.float32(0.12) + np.float32(4)


@settings(max_examples=12, deadline=None)
@given(sigma=st.floats(0, 8), seed=st.integers(0, 99), dark=st.booleans())
def test_noise_is_no_motion(sigma: float, seed: int, dark: bool) -> None:
    light = night(a_road(seed)) if dark else a_road(seed)
    sensor = Sensor(sigma, seed)
    said = looks(sensor(light) for _ in range(SETTLED + 50))
    assert said[0] == "x"
    assert "x" not in said[SETTLED:]


FLICKERS: dict[str, Callable[[int], float | Grey]] = {
    "lamps": lambda i: 1 + 0.04 * np.sin(2.1 * i),
    "exposure steps": lambda i: 1.0 if i // 20 % 2 else 1.15,
    "bands": lambda i: np.asarray(1 + 0.03 * np.sin(np.arange(HEIGHT_PX)[:, None] / 75 + 1.3 * i), np.float32),
    "a cloud": lambda i: 1 + 0.1 * np.sin(i / 200),
}


@pytest.mark.parametrize("flicker", FLICKERS.values(), ids=FLICKERS.keys())
def test_flicker_is_no_motion(flicker: Callable[[int], float | Grey]) -> None:
    road, sensor = a_road(), Sensor(2)
    said = looks(sensor(road * np.float32(1) * flicker(i)) for i in range(SETTLED + 100))
    assert said[SETTLED:].count("x") <= 5


def test_leaves_that_sway_a_little_become_usual() -> None:
    road, sensor = a_road(), Sensor(2)
    x, y = np.meshgrid(np.arange(WIDTH_PX, dtype=np.float32), np.arange(HEIGHT_PX, dtype=np.float32))

    def swaying(i: int) -> Grey:
        moved = (x + (y < 120) * 0.7 * np.sin(0.25 * i + x / 30)).astype(np.float32)
        return np.asarray(cv2.remap(road, moved, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT), np.float32)

    said = looks(sensor(swaying(i)) for i in range(SETTLED + 200))
    assert said[SETTLED:].count("x") <= 20


def test_a_switch_to_infrared_is_a_change_once() -> None:
    road, day, infrared = a_road(), Sensor(2), Sensor(5)
    said = looks([*(day(road) for _ in range(60)), *(infrared(night(255 - road)) for _ in range(60))])
    assert said[60] == "x"
    assert said[60:].count("x") <= 8
    assert "x" not in said[80:]


@pytest.mark.parametrize("dark", [False, True], ids=["day", "night"])
@pytest.mark.parametrize("width_px", [40, 70, 160])
@pytest.mark.parametrize("speed_px", [1.0, 6.0, 25.0])
def test_a_moving_car_is_read_in_every_frame(speed_px: float, width_px: int, dark: bool) -> None:
    road, sensor = night(a_road()) if dark else a_road(), Sensor(4 if dark else 2)
    car = a_car(width_px, dark=dark)
    said = looks(
        sensor(picture) for picture in [road] * 60 + [with_car(road, car, 40 + speed_px * i) for i in range(18)]
    )
    assert "." in said[40:60]
    assert said[60:].count("x") >= 17
    assert "x" in said[60:62]


def test_a_creeping_car_is_read_now_and_then() -> None:
    road, sensor, gate = a_road(), Sensor(2), MotionGate()
    looks((sensor(with_car(road, a_car(), 100)) for _ in range(SETTLED)), gate)
    said = looks((sensor(with_car(road, a_car(), 100 + 0.05 * i)) for i in range(400)), gate)  # 20 px in 16 s
    assert said.count("x") >= 20
    assert "." * 100 not in said


def test_a_car_that_stops_is_read_while_it_settles_then_left_alone_then_seen_to_leave() -> None:
    road, sensor, gate = a_road(), Sensor(2), MotionGate()
    looks((sensor(road) for _ in range(SETTLED)), gate)
    arrives = looks((sensor(with_car(road, a_car(), 6 * min(i, 20))) for i in range(50)), gate)
    assert arrives.startswith("x" * 23)
    stands = looks((sensor(with_car(road, a_car(), 120)) for _ in range(500)), gate)
    assert "x" not in stands
    leaves = looks((sensor(with_car(road, a_car(), 120 + 6 * i)) for i in range(1, 20)), gate)
    assert leaves.count("x") >= 18


def test_a_car_that_stood_there_from_the_start_is_seen_to_leave() -> None:
    road, sensor, gate = a_road(), Sensor(2), MotionGate()
    looks((sensor(with_car(road, a_car(), 120)) for _ in range(SETTLED)), gate)
    assert "x" in looks((sensor(with_car(road, a_car(), 120 + 3 * i)) for i in range(1, 4)), gate)


def test_a_busy_road_does_not_blind_it() -> None:
    road, sensor, gate = a_road(), Sensor(2), MotionGate()
    # A car at every moment, for most of a minute.
    looks((sensor(with_car(road, a_car(), 20 * i % 700 - 70)) for i in range(1000)), gate)
    said = looks((sensor(with_car(road, a_car(), 20 * i % 700 - 70)) for i in range(100)), gate)
    assert said.count("x") >= 98


def test_another_scene_and_another_size_are_changes() -> None:
    gate, road = MotionGate(), a_road().astype(np.uint8)
    looks([road] * 20, gate)
    assert not gate.changed(frame(road))
    assert gate.changed(frame(road, scene=1))
    looks([road] * 20, gate)
    assert gate.changed(frame(np.ascontiguousarray(road[:240])))


@pytest.mark.parametrize("shape", [(1, 1), (3, 700), (700, 3), (120, 160), (1080, 1920), (480, 704)])
def test_any_size_will_do(shape: tuple[int, int]) -> None:
    picture = np.full(shape, 77, np.uint8)
    said = looks([picture] * 10)
    assert said.startswith("x")
    assert said.endswith(".")


def test_a_padded_plane_of_a_decoder_will_do() -> None:
    plane = np.full((HEIGHT_PX, WIDTH_PX + 64), 77, np.uint8)
    assert looks([plane[:, :WIDTH_PX]] * 10).endswith(".")


@pytest.mark.parametrize("dark", [False, True], ids=["day", "night"])
def test_cars_cut_out_of_photographs_are_never_missed(assets: Path, dark: bool) -> None:
    folder = assets / "data/plates/train-boxes/ro-mit"
    with (folder / "boxes.csv").open(encoding="utf-8") as file:
        boxes = list(csv.DictReader(file))
    rng = np.random.default_rng(0)
    seen = []
    for number in range(30):
        light = [cv2.imread(str(folder / boxes[int(n)]["image"]), 0) for n in rng.integers(0, len(boxes), 2)]
        road = cv2.resize(light[0], (WIDTH_PX, HEIGHT_PX)).astype(np.float32)
        box = boxes[(number * 21) % len(boxes)]
        photograph = cv2.imread(str(folder / box["image"]), 0)
        x, y, w, h = (int(float(box[side])) for side in "xywh")
        # The vehicle around its plate, with a plate 17 px wide: 50 in a 1080p picture.
        around = photograph[max(0, y - 2 * w) : y + h + w // 2, max(0, x - 3 * w // 2) : x + 5 * w // 2]
        car = cv2.resize(around, None, fx=17 / w, fy=17 / w, interpolation=cv2.INTER_AREA).astype(np.float32)
        at_px = int(rng.integers(0, HEIGHT_PX - car.shape[0]))
        pictures = [road] * 40 + [with_car(road, car, 200 + 3 * i, at_px) for i in range(12)]
        sensor = Sensor(4 if dark else 2, number)
        seen.append(looks(sensor(night(picture) if dark else picture) for picture in pictures)[40:])
    late = [said for said in seen if "x" not in said[:2]]
    assert not late
    assert sum(said.count("x") for said in seen) >= 0.97 * 12 * len(seen)
