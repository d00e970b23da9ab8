"""Pictures of plates as the reader of the product is given them: cut out of a camera's frame by a detector's box.

``view`` mounts a face on a vehicle, lights it, turns it, cuts it as a detector and the product's padding would, and
photographs it. What it draws depends on its generator alone. One core makes about a thousand a second. Used by
whichever thread or process renders; nothing is kept between calls but tables that are only read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from models.plate_rendering import camera, surroundings

if TYPE_CHECKING:
    from models.plate_rendering.faces import Face

Image = NDArray[np.uint8]

# How far a detector's sides lie from the plate's, as shares of its width and height (standard deviations): see
# models/plate_calibration/views.py, which measured it.
_BOX_ERROR = (0.035, 0.085)
# By how much the product widens a box on each side before it reads (edge_agent.plates.reader.DEFAULT_PAD).
_PAD = 0.12
# The most that a cut may take of the plate itself on a side, as shares: characters on long plates begin there.
_LOST = (0.02, 0.07)

# Pictures that people publish of plates: cut along the plate's rim, mostly in good light, and rather large.
_TIGHT = 0.18
_TIGHT_PX = (90.0, 330.0)
_INFRARED = 0.12
_NIGHT = 0.08


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """One plate as one camera and one detector gave it.

    Attributes:
        image: (h, w, 3) uint8 BGR, about 40 to 400 px wide.
        infrared: taken by an infrared camera: grey, and inks are not as the eye sees them.
    """

    image: Image
    infrared: bool


def view(face: Face, rng: np.random.Generator, patches: Sequence[Image] = ()) -> View:
    """Show ``face`` as the reader would get it.

    Args:
        face: the plate, seen straight on.
        rng: where chance comes from.
        patches: pieces of photographs without plates, (H, W, 3) uint8 BGR, to stand behind some of the plates.
    """
    tight = rng.random() < _TIGHT
    infrared = not tight and rng.random() < _INFRARED
    night = not infrared and not tight and rng.random() < _NIGHT
    width_px = float(rng.uniform(*_TIGHT_PX)) if tight else _width_px(rng)
    aspect = face.image.shape[0] / face.image.shape[1]
    quad = turned(rng, aspect, 0.25 if tight else 1.0)
    low, high = quad.min(axis=0), quad.max(axis=0)
    x0, y0, x1, y1 = _framing(rng, low, high, tight=tight)
    scale = width_px / (high[0] - low[0])
    # Small ones a little larger than the picture to come: the turn then samples between pixels without losing any.
    drawn_px = max(24, round((1.2 if width_px < 150 else 1.0) * width_px))
    mounted = surroundings.mount(face.image, rng, drawn_px, (0.3, 0.45), patches)
    canvas = mounted.image
    if infrared:
        canvas = _infrared(canvas, rng)
    if night or (infrared and rng.random() < 0.7):
        canvas = _flashed(canvas, rng, mounted)
    corners = outline(mounted)
    target = ((quad - (x0, y0)) * scale).astype(np.float32)
    size = max(16, round((x1 - x0) * scale)), max(8, round((y1 - y0) * scale))
    turn = cv2.getPerspectiveTransform(corners, target)
    image = np.asarray(
        cv2.warpPerspective(canvas, turn, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101), np.uint8
    )
    if not tight and not night:
        image = shone(image, rng, grey=infrared)
    image = camera.shoot(image, rng, width_px, grey=infrared, mild=tight and rng.random() < 0.7)
    if infrared:
        image = np.asarray(cv2.cvtColor(np.ascontiguousarray(image[:, :, 1]), cv2.COLOR_GRAY2BGR), np.uint8)
    return View(image, infrared)


def outline(mounted: surroundings.Mounted) -> NDArray[np.float32]:
    """The plate's corners in its picture, (4, 2): upper left, upper right, lower right, lower left."""
    x, y = mounted.left, mounted.top
    x1, y1 = x + mounted.width, y + mounted.height
    return np.array(((x, y), (x1, y), (x1, y1), (x, y1)), np.float32)


def turned(rng: np.random.Generator, aspect: float, share: float = 1.0) -> NDArray[np.float64]:
    """A plate of width 1, seen from where a camera may stand: its corners in the picture, (4, 2), as ``outline``.

    Args:
        rng: where chance comes from.
        aspect: height by width.
        share: of the usual angles.
    """
    yaw = float(np.clip(rng.normal(0, 9 if rng.random() < 0.75 else 22), -40, 40)) * share
    pitch = float(np.clip(rng.normal(4, 6), -20, 20)) * share
    roll = float(np.clip(rng.normal(0, 2.2 if rng.random() < 0.8 else 5), -10, 10)) * share
    y, p, r = np.deg2rad((yaw, pitch, roll))
    distance = float(rng.uniform(3, 14))
    half = aspect / 2
    flat = np.array(((-0.5, -half), (0.5, -half), (0.5, half), (-0.5, half)))
    flat = flat @ np.array(((np.cos(r), np.sin(r)), (-np.sin(r), np.cos(r))))
    across, down = flat[:, 0] * np.cos(y), flat[:, 1] * np.cos(p)
    depth = distance + flat[:, 0] * np.sin(y) + flat[:, 1] * np.sin(p)
    # On the far side of the road the body slopes as the car turns: level lines stay level only straight ahead.
    down = down + across * np.tan(y) * np.sin(p)
    return np.asarray(np.stack((across, down), axis=1) * (distance / depth)[:, None], np.float64)


def shone(image: Image, rng: np.random.Generator, *, grey: bool = False) -> Image:
    """Light that is not even: a slope, the edge of a shadow, leaves, glare of the sun or of lamps."""
    kind = rng.random()
    if kind < 0.35:
        return image
    field = np.asarray(1.0 + rng.normal(0, 0.09, (3, 4)), np.float32)
    image = camera.lit(image, _shadowed(field, rng) if kind > 0.82 else field)
    if kind < 0.43:
        # Glare: a spot that washes out, kept pale enough to read through.
        point = np.zeros((12, 20), np.float32)
        point[int(rng.integers(12)), int(rng.integers(20))] = 1.0
        spot = np.asarray(cv2.GaussianBlur(point, (0, 0), float(rng.uniform(1.5, 4))), np.float32)
        spot *= float(rng.uniform(40, 150)) / float(spot.max())
        warm = (1.0, 1.0, 1.0) if grey else (0.85, 0.97, 1.0)
        grown = cv2.resize(spot, (image.shape[1], image.shape[0]), interpolation=cv2.INTER_LINEAR)
        image = np.asarray(cv2.add(image, cv2.merge([grown * gain for gain in warm]), dtype=cv2.CV_8U), np.uint8)
    return image


def _shadowed(field: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """``field`` with the edge of a shadow across it, or with the light that leaves let through."""
    fine = np.asarray(cv2.resize(field, (40, 24), interpolation=cv2.INTER_LINEAR), np.float32)
    if rng.random() < 0.75:
        edge = np.zeros((24, 40), np.uint8)
        angle, reach = float(rng.uniform(0, 2 * np.pi)), float(rng.uniform(-9, 9))
        normal, along = np.array((np.cos(angle), np.sin(angle))), np.array((-np.sin(angle), np.cos(angle)))
        foot = np.array((20, 12)) + reach * normal
        corners = (foot + 90 * along, foot - 90 * along, foot - 90 * along + 90 * normal, foot + 90 * (along + normal))
        cv2.fillConvexPoly(edge, np.array(corners).round().astype(np.int32), 255)
    else:
        leaves = np.where(rng.random((8, 13)) < 0.5, 255, 0).astype(np.uint8)
        edge = np.asarray(cv2.resize(leaves, (40, 24), interpolation=cv2.INTER_LINEAR), np.uint8)
    depth = float(rng.uniform(0.25, 0.7)) / 255.0
    return np.asarray(fine * (1.0 - depth * edge.astype(np.float32)), np.float32)


def _width_px(rng: np.random.Generator) -> float:
    low, high = (50.0, 140.0) if rng.random() < 0.65 else (40.0, 320.0)
    return float(low * (high / low) ** rng.random())


def _framing(
    rng: np.random.Generator, low: NDArray[np.float64], high: NDArray[np.float64], *, tight: bool
) -> tuple[float, float, float, float]:
    """What is cut out: the plate's box, the detector's error, the product's padding."""
    if tight:
        pads = rng.normal(0.0, 0.008, 4)
        errors = np.zeros(4)
    else:
        pads = np.full(4, _PAD if rng.random() < 0.7 else 0.2 * rng.random())
        errors = rng.normal(0, 1, 4).clip(-2.5, 2.5) * (_BOX_ERROR * 2)
    outward = np.maximum(errors + pads, -np.array(_LOST * 2))
    span = np.tile(high - low, 2)
    left, top, right, bottom = outward * span
    return float(low[0] - left), float(low[1] - top), float(high[0] + right), float(high[1] + bottom)


def _infrared(image: Image, rng: np.random.Generator) -> Image:
    """Grey as near infrared shows it: dyes go pale, each camera's lamp and filter differently.

    What is left of the contrast in the middle of the plate stays at least a third of what the eye sees.
    """
    # Red light is next to infrared; blue and green dyes keep some of their darkness.
    weights = np.array((0.1 + 0.2 * rng.random(), 0.15 + 0.25 * rng.random(), 0.0))
    weights[2] = 1.0 - weights.sum()
    pale = float(rng.uniform(0.0, 0.45))
    grey = cv2.transform(image, weights[None, :].astype(np.float32))
    least = cv2.min(cv2.min(image[:, :, 0], image[:, :, 1]), image[:, :, 2])
    most = cv2.max(cv2.max(image[:, :, 0], image[:, :, 1]), image[:, :, 2])
    seen = cv2.addWeighted(grey, 1.0, cv2.subtract(most, least), pale, 0.0)
    eye = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    middle = (
        slice(image.shape[0] * 2 // 5, image.shape[0] * 3 // 5),
        slice(image.shape[1] // 4, image.shape[1] * 3 // 4),
    )
    if float(seen[middle].std()) < 0.34 * float(eye[middle].std()):
        seen = eye
    return np.asarray(cv2.cvtColor(seen, cv2.COLOR_GRAY2BGR), np.uint8)


def _flashed(image: Image, rng: np.random.Generator, mounted: surroundings.Mounted) -> Image:
    """A lamp at the camera: the plate throws its light back, the vehicle hardly any."""
    height, width = image.shape[:2]
    x, y = mounted.left, mounted.top
    dark = cv2.convertScaleAbs(image, alpha=float(rng.uniform(0.04, 0.4)))
    plate = image[y : y + mounted.height, x : x + mounted.width]
    glow = float(rng.uniform(0.75, 1.6))
    spread = float(rng.uniform(0.0, 40.0))
    bright = np.asarray(cv2.convertScaleAbs(plate, alpha=glow, beta=0.3 * spread), np.uint8)
    if camera.legibility(bright) < 0.6 * camera.legibility(plate):
        # A camera for plates turns its lamp down before pale ink burns out with the ground.
        bright = plate
    dark[y : y + mounted.height, x : x + mounted.width] = bright
    if spread > 22:
        # Too much light spills over in the lens.
        small = cv2.resize(dark, (max(8, width // 8), max(4, height // 8)), interpolation=cv2.INTER_AREA)
        halo = cv2.resize(cv2.GaussianBlur(small, (5, 5), 1.2), (width, height), interpolation=cv2.INTER_LINEAR)
        dark = cv2.addWeighted(dark, 1.0, halo, 0.25, 0.0)
    return np.asarray(dark, np.uint8)
