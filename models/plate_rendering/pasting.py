"""Plates pasted into photographs, for a detector to learn from: where they are is known to a fraction of a pixel.

A plate brings a piece of vehicle with it, and takes the light, the colour and the softness of the place. What is no
plate is pasted by ``distractors.py``. All chance comes from the generator passed in; the scene is changed in place, by
the one thread that owns it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from models.plate_rendering import camera, imaging, surroundings

if TYPE_CHECKING:
    from models.plate_rendering.faces import Face

Image = NDArray[np.uint8]
Corners = NDArray[np.float32]

_WIDTHS_PX = (8.0, 640.0)


def paste(
    scene: Image, face: Face, rng: np.random.Generator, width_px: float, centre: tuple[float, float]
) -> tuple[float, float, float, float]:
    """Put ``face`` into ``scene``, on something like a vehicle's place for it.

    Args:
        scene: (H, W, 3) uint8 BGR; changed in place.
        face: the plate, seen straight on.
        rng: where chance comes from.
        width_px: of the plate's box, 8 to 640 px (12 to 480 are meant).
        centre: x and y of the plate's middle, px; may lie near an edge, so that the plate is cut by it.

    Returns:
        x1, y1, x2, y2: the box round the plate's own outline, without frame or holder, px, cut to the scene.

    Raises:
        ValueError: the width is out of bounds, or nothing of the plate would be in the scene.
    """
    if not _WIDTHS_PX[0] <= width_px <= _WIDTHS_PX[1]:
        raise ValueError(f"width_px: got {width_px}, expected {_WIDTHS_PX[0]:g} to {_WIDTHS_PX[1]:g}.")
    quad = imaging.turned(rng, face.image.shape[0] / face.image.shape[1])
    low, high = quad.min(axis=0), quad.max(axis=0)
    quad = (quad - (low + high) / 2) * (width_px / (high[0] - low[0])) + np.asarray(centre)
    (x1, y1), (x2, y2) = np.maximum(quad.min(axis=0), 0.0), np.minimum(quad.max(axis=0), scene.shape[1::-1])
    if x1 >= x2 or y1 >= y2:
        raise ValueError(
            f"centre: got {centre}, expected a place in the scene of {scene.shape[1]} x {scene.shape[0]} px."
        )
    # Less than two pixels to a pixel of the scene; what is smaller than 24 px is drawn larger and shrunk by the blur.
    drawn_px = max(24, round(min(1.2 * width_px, 480)))
    colour = _colour(scene, centre, width_px) if rng.random() < 0.5 else None
    mounted = surroundings.mount(face.image, rng, drawn_px, (0.3, 0.7), colour=colour)
    mask = _shown(rng, mounted)
    # Vehicles move, and are not where the camera is focused: some are softer than what is around them.
    picture = camera.blurred(mounted.image, rng, drawn_px, 0.8) if rng.random() < 0.3 else mounted.image
    lay(scene, picture, mask, imaging.outline(mounted), quad.astype(np.float32), rng)
    return float(x1), float(y1), float(x2), float(y2)


def lay(scene: Image, picture: Image, mask: Image, source: Corners, target: Corners, rng: np.random.Generator) -> None:
    """Blend ``picture`` into ``scene`` as if it had been photographed there.

    Args:
        scene: (H, W, 3) uint8 BGR; changed in place.
        picture: what to lay, (h, w, 3) uint8 BGR, as it looks in good light.
        mask: how much of it is there, (h, w) uint8.
        source: four points of ``picture``, (4, 2).
        target: where they come to lie in ``scene``, (4, 2), px.
        rng: where chance comes from.
    """
    turn = cv2.getPerspectiveTransform(source, target)
    height, width = mask.shape
    rim = np.array(((0, 0), (width, 0), (width, height), (0, height)), np.float32)[:, None, :]
    reach = cv2.perspectiveTransform(rim, turn)[:, 0]
    x0, y0 = np.maximum(np.floor(reach.min(axis=0)).astype(int) - 2, 0)
    x1, y1 = np.minimum(np.ceil(reach.max(axis=0)).astype(int) + 3, scene.shape[1::-1])
    if x1 - x0 < 2 or y1 - y0 < 2:
        return
    shift = np.array(((1, 0, -x0), (0, 1, -y0), (0, 0, 1)), np.float64)
    size = int(x1 - x0), int(y1 - y0)
    shrink = float(np.hypot(*(source[1] - source[0]))) / max(1e-3, float(np.hypot(*(target[1] - target[0]))))
    if shrink > 1.6:
        # Warping samples single pixels: what is to shrink more has to be soft first.
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), 0.35 * shrink), np.uint8)
        mask = np.asarray(cv2.GaussianBlur(mask, (0, 0), 0.35 * shrink), np.uint8)
    laid = np.asarray(
        cv2.warpPerspective(picture, shift @ turn, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101),
        np.uint8,
    )
    share = np.asarray(cv2.warpPerspective(mask, shift @ turn, size, flags=cv2.INTER_LINEAR), np.uint8)
    place = scene[y0:y1, x0:x1]
    laid = _matched(laid, place, scene, (int(x0), int(y0), int(x1), int(y1)), rng)
    softness = _softness(scene, (int(x0), int(y0), int(x1), int(y1))) * float(rng.uniform(0.6, 1.4))
    if softness > 0.3:
        laid = np.asarray(cv2.GaussianBlur(laid, (0, 0), softness), np.uint8)
    share = np.asarray(cv2.GaussianBlur(share, (0, 0), max(0.5, softness)), np.uint8)
    part = share[:, :, None].astype(np.float32) / 255.0
    place[:] = (place + part * (laid.astype(np.float32) - place)).astype(np.uint8)


def _shown(rng: np.random.Generator, mounted: surroundings.Mounted) -> Image:
    """How much of the vehicle comes with the plate: nothing but its fittings, or a piece with soft or hard edges."""
    height, width = mounted.image.shape[:2]
    x, y, w, h = mounted.left, mounted.top, mounted.width, mounted.height
    across, up, down = mounted.fittings
    mask = np.zeros((height, width), np.uint8)
    kind = rng.random()
    if kind < 0.3:
        cv2.rectangle(mask, (x - across, y - up), (x + w + across - 1, y + h + down - 1), 255, -1)
        return mask
    beside, above, below = rng.random(3) * (x, y, y)
    box = (round(x - beside), round(y - above)), (round(x + w + beside) - 1, round(y + h + below) - 1)
    if kind < 0.65:
        cv2.rectangle(mask, *box, 255, -1)
    else:
        (x0, y0), (x1, y1) = box
        middle, axes = ((x0 + x1) // 2, (y0 + y1) // 2), (round((x1 - x0) * 0.72), round((y1 - y0) * 0.72))
        cv2.ellipse(mask, middle, axes, 0, 0, 360, 255, -1)
    soft = max(1.0, 0.12 * min(beside, above) * float(rng.random()))
    mask = np.asarray(cv2.GaussianBlur(mask, (0, 0), soft), np.uint8)
    cv2.rectangle(mask, (x - across, y - up), (x + w + across - 1, y + h + down - 1), 255, -1)
    return mask


def _matched(
    laid: Image, place: Image, scene: Image, box: tuple[int, int, int, int], rng: np.random.Generator
) -> Image:
    """Give ``laid`` the light of the place: its exposure and its colour, within what plates show in photographs."""
    x0, y0, x1, y1 = box
    dx, dy = (x1 - x0) // 2, (y1 - y0) // 2
    around = scene[max(0, y0 - dy) : y1 + dy, max(0, x0 - dx) : x1 + dx]
    small = cv2.resize(around, (16, 12), interpolation=cv2.INTER_AREA).reshape(-1, 3).astype(np.float32)
    luma = small.mean(axis=1)
    # What is white there: the brightest tenth, but a dark car in bright sun still bears a bright plate.
    white = float(np.percentile(luma, 92))
    if rng.random() < 0.12:
        gain = float(rng.uniform(0.8, 1.3))
    else:
        gain = float(np.clip(0.35 + 0.75 * white / 230.0, 0.3, 1.1)) * float(np.exp(rng.normal(0, 0.2)))
    # The camera's colours are the whole scene's; a car's paint next to the plate says less.
    tint = _cast(scene) * (small.mean(axis=0) / max(1.0, float(small.mean()))) ** float(rng.uniform(0.0, 0.3))
    level = np.arange(256, dtype=np.float32)[:, None] * gain * tint[None, :] + float(rng.uniform(0, 14))
    laid = np.asarray(cv2.LUT(laid, level.clip(0, 255).astype(np.uint8).reshape(256, 1, 3)), np.uint8)
    if _colourless(scene):
        laid = np.asarray(cv2.cvtColor(cv2.cvtColor(laid, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR), np.uint8)
    laid = imaging.shone(laid, rng)
    return camera.grained(laid, rng, most=8.0)


def _softness(scene: Image, box: tuple[int, int, int, int]) -> float:
    """Deviation, px, of the blur that a sharp picture would need to be as soft as the scene around ``box``."""
    x0, y0, x1, y1 = box
    dx, dy = max(24, (x1 - x0) // 2), max(24, (y1 - y0) // 2)
    around = cv2.cvtColor(scene[max(0, y0 - dy) : y1 + dy, max(0, x0 - dx) : x1 + dx], cv2.COLOR_BGR2GRAY)
    if around.shape[0] > 240 or around.shape[1] > 240:
        around = around[around.shape[0] // 2 - 120 :, around.shape[1] // 2 - 120 :][:240, :240]
    grey = around.astype(np.float32)
    # A Gaussian blur of deviation s leaves curvature/slope near 1/s; the floor is what the pixel grid itself allows.
    slope = float(np.abs(cv2.Sobel(grey, cv2.CV_32F, 1, 0, ksize=3, scale=0.125)).mean())
    bend = float(np.abs(cv2.Sobel(grey, cv2.CV_32F, 2, 0, ksize=3, scale=0.25)).mean())
    if slope < 0.3:
        return 0.6
    return float(np.clip(0.75 * slope / max(bend, 1e-3) - 0.25, 0.2, 2.5))


def _colour(scene: Image, centre: tuple[float, float], width_px: float) -> NDArray[np.float32]:
    """What stands at ``centre``, as it would be in good light: the paint of the vehicle that may be there, (3,) BGR."""
    reach = width_px / 2
    x0, y0 = (max(0, int(at - reach)) for at in centre)
    place = scene[y0 : y0 + max(2, int(2 * reach)), x0 : x0 + max(2, int(2 * reach))]
    return np.asarray(place.reshape(-1, 3).mean(axis=0) / _cast(scene) / 0.85, np.float32).clip(0, 250)


def _cast(scene: Image) -> NDArray[np.float32]:
    """What the camera made of grey: gains of blue, green and red, (3,)."""
    mean = scene[::16, ::16].reshape(-1, 3).mean(axis=0, dtype=np.float32) + 4.0
    # Streets are grey on the whole, but not as grey as that: a park is green, and no camera's fault.
    return np.asarray((mean / mean.mean()).clip(0.5, 1.7) ** 0.75, np.float32)


def _colourless(scene: Image) -> bool:
    sparse = scene[::16, ::16].astype(np.int16)
    return float((sparse.max(axis=2) - sparse.min(axis=2)).mean()) < 3.0
