"""Roads as H.264 video, made of photographs: an idle one, and one on which plates pass all the time.

Like a camera's: 1920 x 1080 at 25 frames/s, 4 Mbit/s, a key frame every two seconds, no B-frames, with a sensor's noise
and a slight flicker. The vehicles are what surrounds the plates of other photographs.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

FPS = 25
SIZE_PX = (1920, 1080)
_NOISE_LEVELS = 2.5
_FLICKER = 0.01
_PLATE_PX = 110  # of the nearest vehicles in a picture of this size
_VEHICLES = 8
_IN_VIEW_S = 3.0

Picture = NDArray[np.float32]


def write_road(
    path: Path, photographs: Path, *, busy: bool, seconds: float, size_px: tuple[int, int] = SIZE_PX, fps: int = FPS
) -> None:
    """Write a road as video.

    Args:
        path: the file to write.
        photographs: a folder of photographs with ``boxes.csv`` (image,x,y,w,h).
        busy: whether vehicles pass, one in view at every moment.
        seconds: how long it lasts.
        size_px: width and height.
        fps: frames a second.
    """
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"preset": "veryfast", "bf": "0", "g": str(2 * fps)})
        stream.width, stream.height = size_px
        stream.pix_fmt, stream.bit_rate = "yuv420p", 4_000_000 * size_px[0] * size_px[1] // (1920 * 1080)
        for picture in _pictures(photographs, busy, round(seconds * fps), size_px, fps):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode())


def _pictures(
    photographs: Path, busy: bool, count: int, size_px: tuple[int, int], fps: int
) -> Iterator[NDArray[np.uint8]]:
    with (photographs / "boxes.csv").open(encoding="utf-8") as file:
        boxes = list(csv.DictReader(file))
    width_px, height_px = size_px
    rng = np.random.default_rng(0)
    road = _road(photographs, boxes, size_px)
    vehicles = [_vehicle(photographs, box, _PLATE_PX * width_px / 1920) for box in boxes[7 :: len(boxes) // _VEHICLES]]
    sheet = rng.normal(0, _NOISE_LEVELS, (height_px, 2 * width_px, 1)).astype(np.float32)
    for number in range(count):
        picture = road.copy()
        if busy:
            turn, at = divmod(number / fps / _IN_VIEW_S, 1.0)
            vehicle = vehicles[int(turn) % len(vehicles)]
            # In view all the time, wholly for most of it.
            _lay(picture, vehicle, round(at * (width_px - vehicle.shape[1])), round(height_px * 0.3))
        x = int(rng.integers(0, width_px))
        light = picture * np.float32(1 + _FLICKER * np.sin(number)) + sheet[:, x : x + width_px]
        yield np.clip(light, 0, 255).astype(np.uint8)


def _photograph(path: Path) -> Picture:
    return np.asarray(cv2.imread(str(path)), np.float32)


def _road(photographs: Path, boxes: list[dict[str, str]], size_px: tuple[int, int]) -> Picture:
    """The lightest of some photographs without its plates, which would else stand there all the time."""
    road, name = max(
        ((_photograph(photographs / box["image"]), box["image"]) for box in boxes[::40]), key=lambda one: one[0].mean()
    )
    for x, y, w, h in (_corners(box) for box in boxes if box["image"] == name):
        around = road[max(0, y - h) : y + 2 * h, max(0, x - h) : x + w + h]
        around[:] = cv2.blur(around, (2 * h + 1, 2 * h + 1))
    return np.asarray(cv2.resize(road, size_px, interpolation=cv2.INTER_CUBIC), np.float32)


def _corners(box: dict[str, str]) -> tuple[int, int, int, int]:
    x, y, w, h = (round(float(box[side])) for side in "xywh")
    return x, y, w, h


def _vehicle(photographs: Path, box: dict[str, str], plate_px: float) -> Picture:
    x, y, w, h = _corners(box)
    around = _photograph(photographs / box["image"])[max(0, y - 2 * w) : y + h + w // 2, max(0, x - 2 * w) : x + 3 * w]
    return np.asarray(
        cv2.resize(around, None, fx=plate_px / w, fy=plate_px / w, interpolation=cv2.INTER_CUBIC), np.float32
    )


def _lay(picture: Picture, vehicle: Picture, x: int, y: int) -> None:
    height_px = min(vehicle.shape[0], picture.shape[0] - y)
    width_px = min(vehicle.shape[1], picture.shape[1] - x)
    picture[y : y + height_px, x : x + width_px] = vehicle[:height_px, :width_px]
