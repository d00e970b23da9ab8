"""What a camera makes of a scene: where a vehicle's pixels fall, motion blur, defocus, light, noise, compression.

Each effect is the plain one: a perspective warp of the vehicle's picture; a straight motion blur as long as the plate
and the shaking camera move during the exposure; a Gaussian for defocus; a gain for exposure, saturating; Gaussian noise
that differs from frame to frame; and the coarse JPEG of each frame, some better than others, for what a video encoder
takes away. The compressed frame *is* the frame: what the reader sees is decoded from it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.records import Box, Travel
from rendered.vehicles import FRAME_HEIGHT_PX, FRAME_WIDTH_PX, Image, Vehicle

# Distance from which a plate turned sideways is seen, in plate units; it only shapes the keystone.
_VIEWING_UNITS = 14.0
_NOISE_SIGMA = 20.0
_MAX_BLUR_PX = 21
_KEYFRAME = 20
# How much of its way between two frames a shaking camera goes while one is exposed.
_SHAKEN_EXPOSED = 0.6


@dataclass(frozen=True, slots=True)
class Pose:
    """Where a vehicle's plate is: its centre, pixels of a plate unit, turned and tilted by degrees."""

    x_px: float
    y_px: float
    unit_px: float
    yaw_deg: float = 0.0
    roll_deg: float = 0.0


@dataclass(frozen=True, slots=True)
class Lamp:
    """A light that glares: offset from the plate in units, radius in units, BGR brightness added at its centre."""

    x_units: float
    y_units: float
    radius_units: float
    colour: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Actor:
    """A vehicle of a scene.

    Attributes:
        vehicle: what is drawn.
        travels: the directions that it may be said to go.
        path: gives its pose at a time in seconds, None while it is not there.
        lamps: its lights.
    """

    vehicle: Vehicle
    travels: tuple[Travel, ...]
    path: Callable[[float], Pose | None]
    lamps: tuple[Lamp, ...] = ()


@dataclass(frozen=True, slots=True)
class Camera:
    """How the camera sees.

    Attributes:
        exposure_s: how long each frame is exposed.
        defocus_px: sigma of the blur.
        noise: sigma of the noise, of 255.
        quality: JPEG quality of the worst frame; others are up to ``_KEYFRAME`` better, as in a video.
        shake_px: how far wind and traffic move the camera between frames, sigma.
        gain: brightness by time.
        grey: whether it sees no colours.
    """

    exposure_s: float
    defocus_px: float
    noise: float
    quality: int
    shake_px: float = 0.0
    gain: Callable[[float], float] = field(default=lambda _: 1.0)
    grey: bool = False


def homography(vehicle: Vehicle, level: int, pose: Pose) -> NDArray[np.float64]:
    """Return the 3x3 map from pixels of a level of ``vehicle`` to pixels of the frame."""
    unit = vehicle.units_px[level]
    ox, oy = vehicle.origin[level]
    to_units = np.array([[1 / unit, 0, -ox / unit], [0, 1 / unit, -oy / unit], [0, 0, 1]])
    yaw, roll = math.radians(pose.yaw_deg), math.radians(pose.roll_deg)
    depth = math.sin(yaw) / _VIEWING_UNITS
    s, x, y = pose.unit_px, pose.x_px, pose.y_px
    to_frame = np.array(
        [
            [s * math.cos(yaw) * math.cos(roll) + x * depth, -s * math.sin(roll), x],
            [s * math.cos(yaw) * math.sin(roll) + y * depth, s * math.cos(roll), y],
            [depth, 0, 1],
        ]
    )
    return np.asarray(to_frame @ to_units)


def plate_box(vehicle: Vehicle, pose: Pose) -> Box | None:
    """Return the box around the plate, clipped to the frame; None where less than a third of it is in the frame."""
    left, top, right, bottom = (v * vehicle.units_px[0] for v in vehicle.plate)
    ox, oy = vehicle.origin[0]
    corners = np.array(
        [[[left + ox, top + oy], [right + ox, top + oy], [right + ox, bottom + oy], [left + ox, bottom + oy]]]
    )
    points = cv2.perspectiveTransform(corners, homography(vehicle, 0, pose))[0]
    (x1, y1), (x2, y2) = points.min(axis=0), points.max(axis=0)
    clipped = Box(max(round(x1), 0), max(round(y1), 0), min(round(x2), FRAME_WIDTH_PX), min(round(y2), FRAME_HEIGHT_PX))
    kept = max(clipped.x2 - clipped.x1, 0) * max(clipped.y2 - clipped.y1, 0)
    return clipped if kept * 3 >= (x2 - x1) * (y2 - y1) else None


def draw(frame: Image, vehicle: Vehicle, pose: Pose, moved_px: tuple[float, float]) -> None:
    """Draw ``vehicle`` into ``frame``, blurred as it moves by ``moved_px`` (right, down) while exposed."""
    level = max((i for i, unit in enumerate(vehicle.units_px) if unit >= pose.unit_px), default=0)
    picture = vehicle.levels[level]
    height_px, width_px = picture.shape[:2]
    matrix = homography(vehicle, level, pose)
    corners = np.array([[[0.0, 0.0], [width_px, 0.0], [width_px, height_px], [0.0, height_px]]])
    points = cv2.perspectiveTransform(corners, matrix)[0]
    x1, y1 = (max(math.floor(v), 0) for v in points.min(axis=0))
    x2, y2 = min(math.ceil(points[:, 0].max()), FRAME_WIDTH_PX), min(math.ceil(points[:, 1].max()), FRAME_HEIGHT_PX)
    if x2 <= x1 or y2 <= y1:
        return
    shift = np.array([[1, 0, -x1], [0, 1, -y1], [0, 0, 1]], np.float64)
    drawn = cv2.warpPerspective(picture, shift @ matrix, (x2 - x1, y2 - y1), flags=cv2.INTER_LINEAR)
    length = math.hypot(*moved_px)
    if length > 1.0:
        drawn = cv2.filter2D(drawn, -1, _streak(*moved_px), borderType=cv2.BORDER_REPLICATE)
    opacity = drawn[:, :, 3:].astype(np.float32) / 255
    area = frame[y1:y2, x1:x2]
    area[:] = (area * (1 - opacity) + drawn[:, :, :3] * opacity).astype(np.uint8)


def shine(frame: Image, pose: Pose, lamp: Lamp) -> None:
    """Add the glare of ``lamp`` to ``frame``."""
    radius = lamp.radius_units * pose.unit_px
    reach = round(radius * 3)
    cx, cy = round(pose.x_px + lamp.x_units * pose.unit_px), round(pose.y_px + lamp.y_units * pose.unit_px)
    x1, y1, x2, y2 = (
        max(cx - reach, 0),
        max(cy - reach, 0),
        min(cx + reach, FRAME_WIDTH_PX),
        min(cy + reach, FRAME_HEIGHT_PX),
    )
    if x2 <= x1 or y2 <= y1:
        return
    y, x = np.mgrid[y1 - cy : y2 - cy, x1 - cx : x2 - cx].astype(np.float32)
    glow = np.exp(-(x * x + y * y) / (2 * radius * radius))[:, :, None]
    area = frame[y1:y2, x1:x2]
    area[:] = np.clip(area + glow * np.array(lamp.colour, np.float32), 0, 255).astype(np.uint8)


def expose(
    road: Image,
    actors: Sequence[Actor],
    foreground: Sequence[Callable[[Image, float], None]],
    camera: Camera,
    at_s: float,
    rng: np.random.Generator,
) -> bytes:
    """Return the frame at ``at_s`` seconds as JPEG: vehicles from far to near, what stands before them, the camera."""
    frame = road.copy()
    placed = [(actor, pose) for actor in actors if (pose := actor.path(at_s)) is not None]
    shaken_x, shaken_y = (float(v) for v in rng.normal(0, 1, 2) * camera.shake_px)
    for actor, still in sorted(placed, key=lambda a: a[1].unit_px):
        later = actor.path(at_s + camera.exposure_s) or still
        pose = replace(still, x_px=still.x_px + shaken_x, y_px=still.y_px + shaken_y)
        dx, dy = later.x_px - still.x_px, later.y_px - still.y_px
        draw(frame, actor.vehicle, pose, (dx + _SHAKEN_EXPOSED * shaken_x, dy + _SHAKEN_EXPOSED * shaken_y))
        for lamp in actor.lamps:
            shine(frame, pose, lamp)
    for paint in foreground:
        paint(frame, at_s)
    gain = camera.gain(at_s)
    if camera.defocus_px > 0.2:
        frame = np.asarray(cv2.GaussianBlur(frame, (0, 0), camera.defocus_px), np.uint8)
    noise = _NOISE[int(rng.integers(len(_NOISE)))]
    y, x = int(rng.integers(60)), int(rng.integers(60))
    part = noise[y : y + FRAME_HEIGHT_PX, x : x + FRAME_WIDTH_PX]
    share = camera.noise / _NOISE_SIGMA
    frame = np.asarray(cv2.addWeighted(frame, gain, part, share, -128 * share), np.uint8)
    if camera.grey:
        frame = np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY), np.uint8)
    quality = min(camera.quality + int(rng.integers(_KEYFRAME)), 98)
    encoded, jpeg = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert encoded
    return jpeg.tobytes()


def decode(jpeg: bytes) -> Image:
    """Return the pixels of a frame, (540, 960, 3) BGR."""
    return np.asarray(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR), np.uint8)


def _streak(dx: float, dy: float) -> NDArray[np.float32]:
    length = min(math.hypot(dx, dy), _MAX_BLUR_PX)
    size = 2 * math.ceil(length / 2) + 1
    centre, ratio = size // 2, length / math.hypot(dx, dy) / 2
    kernel = np.zeros((size * 4, size * 4), np.uint8)
    at = centre * 4 + 2
    ends = [
        (round(at - dx * ratio * 4), round(at - dy * ratio * 4)),
        (round(at + dx * ratio * 4), round(at + dy * ratio * 4)),
    ]
    cv2.line(kernel, ends[0], ends[1], 255, 3, cv2.LINE_AA)
    small = cv2.resize(kernel, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32)
    return np.asarray(small / small.sum(), np.float32)


def _noises() -> list[Image]:
    rng = np.random.default_rng(4)
    shape = (FRAME_HEIGHT_PX + 60, FRAME_WIDTH_PX + 60, 3)
    return [np.clip(rng.normal(128, _NOISE_SIGMA, shape), 0, 255).astype(np.uint8) for _ in range(4)]


_NOISE = _noises()
