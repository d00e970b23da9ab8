"""A clip of a street, drawn by code: vehicles come nearer one after another, each with a rendered plate of its own.

Nothing of it was photographed. Lengths are in metres, as on a road: the camera stands above the lane, a little higher
than a car, and what it sees shrinks with the distance. The same clip comes out each time. One thread writes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from models.plate_rendering import camera, faces, surroundings

Image = NDArray[np.uint8]
Colour = tuple[int, int, int]

WIDTH_PX, HEIGHT_PX = 1280, 720
FPS = 10

# The lens: pixels of a metre at one metre's distance, the row of the horizon, the camera's height.
_FOCAL_PX = 2200.0
_HORIZON_PX = 70
_CAMERA_M = 1.75
# Vehicles appear, drive past and are gone; the next one is on its way by then.
_FAR_M, _NEAR_M = 24.0, 2.6
_SPEED_MPS = 6.0
_HEADWAY_S = 2.0
_AFTER_S = 0.6
_NOISE = 3.0
_JPEG_QUALITY = 88

# A vehicle is drawn once, at this many pixels a metre, and shrunk to where it is.
_SPRITE_PX = 700
# Width of a long plate, and of any other.
_PLATE_M = {True: 0.52, False: 0.305}
# The contrast of a plate that is neither faded nor in the dark, and how many to look at for one.
_LEGIBLE = 55.0
_TRIES = 40


@dataclass(frozen=True, slots=True)
class Passing:
    """One vehicle of the clip.

    Attributes:
        region: whose plate it wears.
        text: what the plate reads.
        paint: of the body, BGR.
        height_m: to the roof; low is a saloon, high a van.
        across_m: how far to the right of the camera it drives.
    """

    region: str
    text: str
    paint: Colour
    height_m: float
    across_m: float


PASSINGS = (
    Passing("US-CA", "7ABC482", (92, 62, 44), 1.45, 0.05),
    Passing("US-TX", "KRV5319", (196, 198, 200), 1.8, -0.2),
    Passing("US-NY", "HTN6840", (34, 34, 38), 1.5, 0.2),
    Passing("DE", "BKH2475", (38, 30, 130), 1.42, 0.0),
    Passing("CA-ON", "CFRL931", (150, 148, 140), 2.0, -0.1),
)


@dataclass(frozen=True, slots=True, eq=False)
class _Sprite:
    """A vehicle seen from the front.

    Attributes:
        levels: (H, W, 4) uint8 BGR and opacity, ``_SPRITE_PX`` a metre and ever smaller by the square root of two: a
            frame's picture is sampled from the next larger one, without jagged edges.
        across_m: how far to the right of the camera it drives.
    """

    levels: tuple[Image, ...]
    across_m: float


def write_clip(path: Path) -> None:
    """Render the clip as Motion JPEG, about eleven seconds of it.

    Raises:
        OSError: the file cannot be written.
    """
    rng = np.random.default_rng(7)
    street = _street(rng)
    sprites = [_sprite(passing, np.random.default_rng(100 + number)) for number, passing in enumerate(PASSINGS)]
    grain = [rng.normal(0, _NOISE, (HEIGHT_PX, WIDTH_PX, 3)).astype(np.int16) for _ in range(3)]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), FPS, (WIDTH_PX, HEIGHT_PX))
    if not writer.isOpened():
        raise OSError(f"{path}: no clip can be written there.")
    writer.set(cv2.VIDEOWRITER_PROP_QUALITY, _JPEG_QUALITY)
    way_s = (_FAR_M - _NEAR_M) / _SPEED_MPS
    for number in range(round(FPS * (_HEADWAY_S * (len(sprites) - 1) + way_s + _AFTER_S))):
        frame = street.copy()
        # The later a vehicle comes, the farther it is: those before it hide it.
        for order in reversed(range(len(sprites))):
            driven_s = number / FPS - order * _HEADWAY_S
            if 0 <= driven_s < way_s:
                _place(frame, sprites[order], _FAR_M - _SPEED_MPS * driven_s)
        writer.write(np.asarray(cv2.add(frame, grain[number % 3], dtype=cv2.CV_8U), np.uint8))
    writer.release()


def _place(frame: Image, sprite: _Sprite, distance_m: float) -> None:
    """Draw ``sprite`` at ``distance_m``; what is outside the frame is cut."""
    unit_px = _FOCAL_PX / distance_m
    number = int(np.clip(2 * np.log2(_SPRITE_PX / unit_px), 0, len(sprite.levels) - 1))
    level = sprite.levels[number]
    height, width = (side * unit_px / _SPRITE_PX for side in sprite.levels[0].shape[:2])
    left = WIDTH_PX / 2 + sprite.across_m * unit_px - width / 2
    top = _HORIZON_PX + _CAMERA_M * unit_px - height
    x0, y0 = max(0, int(left)), max(0, int(top))
    x1, y1 = min(WIDTH_PX, int(left + width) + 1), min(HEIGHT_PX, int(top + height) + 1)
    if x1 <= x0 or y1 <= y0:
        return
    how = np.array(((width / level.shape[1], 0, left - x0), (0, height / level.shape[0], top - y0)))
    shown = np.asarray(cv2.warpAffine(level, how, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR), np.uint8)
    place = frame[y0:y1, x0:x1]
    share = cv2.cvtColor(np.ascontiguousarray(shown[:, :, 3]), cv2.COLOR_GRAY2BGR)
    # The sprite's colours are already weighted by its opacity.
    behind = cv2.multiply(place, cv2.bitwise_not(share), scale=1 / 255)
    cv2.add(behind, cv2.cvtColor(shown, cv2.COLOR_BGRA2BGR), dst=place)


def _street(rng: np.random.Generator) -> Image:
    """What stays: sky, houses, trees, grass, kerbs and the road."""
    frame = np.zeros((HEIGHT_PX, WIDTH_PX, 3), np.uint8)
    frame[:_HORIZON_PX] = np.linspace((225, 205, 190), (236, 228, 222), _HORIZON_PX)[:, None, :]
    frame[_HORIZON_PX:] = np.linspace((80, 112, 104), (62, 96, 84), HEIGHT_PX - _HORIZON_PX)[:, None, :]

    def ground(across_m: float, ahead_m: float) -> tuple[int, int]:
        unit_px = _FOCAL_PX / ahead_m
        return round(WIDTH_PX / 2 + across_m * unit_px), round(_HORIZON_PX + _CAMERA_M * unit_px)

    def strip(left_m: float, right_m: float, near_m: float, far_m: float, colour: Colour) -> None:
        corners = [ground(left_m, near_m), ground(left_m, far_m), ground(right_m, far_m), ground(right_m, near_m)]
        cv2.fillPoly(frame, [np.array(corners, np.int32)], colour, cv2.LINE_AA)

    for x in range(0, WIDTH_PX, 90):
        top = int(rng.integers(5, 50))
        wall = tuple(int(part) for part in rng.integers(90, 190, 3))
        cv2.rectangle(frame, (x, top), (x + int(rng.integers(50, 95)), _HORIZON_PX + 14), wall, -1)
    for _ in range(150):
        x = int(rng.integers(WIDTH_PX))
        leaf = tuple(int(part) for part in rng.normal((45, 85, 70), 14).clip(0, 255))
        cv2.circle(
            frame, (x, _HORIZON_PX + int(rng.integers(-22, 16))), int(rng.integers(8, 26)), leaf, -1, cv2.LINE_AA
        )
    strip(-5.6, 5.2, 1.0, 300.0, (168, 170, 172))
    strip(-5.2, 2.1, 1.0, 300.0, (104, 102, 100))
    strip(1.75, 1.87, 1.0, 300.0, (205, 210, 212))
    for ahead_m in np.arange(2.0, 120.0, 6.0):
        strip(-1.85, -1.73, float(ahead_m), float(ahead_m) + 3.0, (214, 220, 222))
    # Patches of tar and dust; farther ones are flatter.
    patches = np.zeros((HEIGHT_PX, WIDTH_PX), np.float32)
    for _ in range(260):
        ahead_m = float(2.2 + 40 * rng.random() ** 2)
        size_px = _FOCAL_PX / ahead_m * float(rng.uniform(0.03, 0.4))
        axes = round(size_px), max(1, round(size_px * _CAMERA_M / ahead_m))
        cv2.ellipse(
            patches, ground(float(rng.uniform(-5, 2)), ahead_m), axes, 0, 0, 360, float(rng.integers(-9, 10)), -1
        )
    rough = np.asarray(cv2.GaussianBlur(rng.normal(0, 9, frame.shape[:2]).astype(np.float32), (0, 0), 0.8), np.float32)
    rough += patches
    rough[:_HORIZON_PX] = 0
    soft = cv2.GaussianBlur(frame, (0, 0), 0.9)
    return np.asarray(cv2.add(soft, cv2.merge([rough] * 3), dtype=cv2.CV_8U), np.uint8)


def _sprite(passing: Passing, rng: np.random.Generator) -> _Sprite:
    """Draw the front of a vehicle, 1.9 m wide with its mirrors, and mount its plate."""
    wide, high = round(2.2 * _SPRITE_PX), round((passing.height_m + 0.08) * _SPRITE_PX)
    picture = np.zeros((high, wide, 3), np.uint8)
    opacity = np.zeros((high, wide), np.uint8)

    def at(across_m: float, up_m: float) -> tuple[int, int]:
        return round(wide / 2 + across_m * _SPRITE_PX), round(high - (up_m + 0.04) * _SPRITE_PX)

    def shape(points: list[tuple[float, float]], colour: Colour, *, both: bool = False, share: int = 255) -> None:
        """Fill a polygon given by its right half from the top down, or, with ``both``, once on either side."""
        sides = [[(side * x, y) for x, y in points] for side in (1, -1)]
        for corners in sides if both else [sides[0] + sides[1][::-1]]:
            ring = np.array([at(*corner) for corner in corners], np.int32)
            cv2.fillPoly(picture, [ring], colour, cv2.LINE_AA)
            cv2.fillPoly(opacity, [ring], share, cv2.LINE_AA)

    def tone(gain: float) -> Colour:
        blue, green, red = (min(255, round(part * gain + 4)) for part in passing.paint)
        return blue, green, red

    top, hood = passing.height_m, 0.62 + 0.22 * passing.height_m
    # Its shadow on the road, then tyres, body, roof, glass.
    shape([(1.02, 0.12), (1.05, -0.03)], (24, 24, 24), share=150)
    shape([(0.58, 0.45), (0.84, 0.45), (0.84, -0.02), (0.60, -0.02)], (22, 22, 23), both=True)
    shape([(0.50, top), (0.60, top - 0.05), (0.76, hood + 0.02), (0.3, hood)], tone(0.8))
    shape([(0.52, top - 0.07), (0.68, hood + 0.04)], (58, 52, 44))
    shape([(0.72, hood + 0.14), (0.98, hood + 0.14), (0.98, hood + 0.0), (0.74, hood + 0.02)], tone(0.7), both=True)
    shape([(0.66, hood + 0.02), (0.86, hood - 0.16), (0.90, 0.62), (0.90, 0.30), (0.84, 0.20)], tone(1.0))
    shape([(0.60, hood), (0.74, hood - 0.14), (0.66, hood - 0.18)], tone(1.18))
    shape([(0.44, hood - 0.2), (0.40, 0.60)], (28, 28, 29))
    for up_m in np.arange(0.62, hood - 0.2, 0.045):
        shape([(0.42, float(up_m) + 0.012), (0.42, float(up_m))], (120, 120, 118))
    shape(
        [(0.50, hood - 0.19), (0.84, hood - 0.17), (0.87, hood - 0.30), (0.52, hood - 0.27)], (205, 200, 195), both=True
    )
    shape(
        [(0.58, hood - 0.2), (0.74, hood - 0.19), (0.75, hood - 0.28), (0.6, hood - 0.26)], (252, 250, 246), both=True
    )
    shape([(0.88, 0.58), (0.91, 0.50), (0.90, 0.30)], tone(0.82))
    shape([(0.62, 0.32), (0.56, 0.22)], (26, 26, 27))
    shape([(0.66, 0.42), (0.80, 0.42), (0.79, 0.34), (0.67, 0.34)], (60, 60, 62), both=True)
    # Light from above: a little brighter there; the sky in the glass.
    ramp = np.linspace(1.1, 0.78, high, dtype=np.float32)[:, None, None]
    picture = np.asarray((picture * ramp).clip(0, 255).astype(np.uint8))
    glass = [at(-0.50, top - 0.08), at(0.2, top - 0.08), at(-0.16, hood + 0.05), at(-0.66, hood + 0.05)]
    sky = picture.copy()
    cv2.fillPoly(sky, [np.array(glass, np.int32)], (150, 140, 128), cv2.LINE_AA)
    picture = np.asarray(cv2.addWeighted(picture, 0.6, sky, 0.4, 0), np.uint8)
    _wear(picture, passing, rng, at(0.0, 0.47))
    return _Sprite(_levels(picture, opacity), passing.across_m)


def _levels(picture: Image, opacity: Image) -> tuple[Image, ...]:
    weighted = cv2.multiply(picture, cv2.merge([opacity] * 3), scale=1 / 255)
    whole = np.asarray(cv2.GaussianBlur(np.dstack([weighted, opacity]), (0, 0), 2.0), np.uint8)
    levels = [whole]
    while levels[-1].shape[1] * _FAR_M > 2.2 * _FOCAL_PX:
        scale = 2 ** (-len(levels) / 2)
        levels.append(np.asarray(cv2.resize(whole, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8))
    return tuple(levels)


def _wear(picture: Image, passing: Passing, rng: np.random.Generator, centre: tuple[int, int]) -> None:
    """Mount the plate on the bumper: of the designs, wear and frames that chance brings, the first that reads well."""
    for _ in range(_TRIES):
        face = faces.draw(rng, passing.region, passing.text)
        width_px = round(_PLATE_M[surroundings.is_long(face.image)] * _SPRITE_PX)
        mounted = surroundings.mount(
            face.image, rng, width_px, (0.06, 0.12), colour=np.array(passing.paint, np.float32)
        )
        if face.lines == 1 and camera.legibility(mounted.image) >= _LEGIBLE:
            break
    height, width = mounted.image.shape[:2]
    left, top = centre[0] - width // 2, centre[1] - height // 2
    picture[top : top + height, left : left + width] = mounted.image
