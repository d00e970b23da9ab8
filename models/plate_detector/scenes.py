"""Pictures to learn from: crops of photographs in which plates are framed, and plates drawn into them.

A crop is scaled so that plates are as wide as they will be in front of the deployed network; plates are covered up, and
others drawn in their place or elsewhere; light, colour, sharpness and compression vary. NumPy and OpenCV only.
One thread; every draw comes from the generator that is passed in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

# What a letterboxed picture is padded with.
GREY = 114
# Crops of each size that are kept to be shown again.
_KEPT = 200
# What `Drawing` is asked for at most.
_WIDEST_PX = 600.0
# A plate cut by the crop's edge: seen to this share it counts, seen less nobody can say.
_SEEN = 0.7
_UNSEEN = 0.08


@dataclass(frozen=True, slots=True)
class Photograph:
    """A photograph and what is known of it.

    Attributes:
        image: (H, W, 3) uint8 BGR.
        plates: (n, 4) float32 boxes x1, y1, x2, y2 in pixels.
        unknown: (m, 4) boxes that may hold a plate or not.
    """

    image: NDArray[np.uint8]
    plates: NDArray[np.float32]
    unknown: NDArray[np.float32]


@dataclass(slots=True)
class Scene:
    """A picture to learn from; boxes as in `Photograph`.

    Attributes:
        shown: (H, W) bool, False where the picture has ended and grey pads it.
    """

    image: NDArray[np.uint8]
    plates: NDArray[np.float32]
    unknown: NDArray[np.float32]
    shown: NDArray[np.bool_]

    def copy(self) -> Scene:
        """Return a scene that shares nothing with this one."""
        return Scene(self.image.copy(), self.plates.copy(), self.unknown.copy(), self.shown.copy())


class Drawing(Protocol):
    """What draws plates and what looks like them into a picture."""

    def plate(
        self, scene: NDArray[np.uint8], rng: np.random.Generator, width_px: float, centre: tuple[float, float]
    ) -> NDArray[np.float32]:
        """Draw a plate into ``scene`` and return its box (4,)."""

    def distractor(
        self, scene: NDArray[np.uint8], rng: np.random.Generator, width_px: float, centre: tuple[float, float]
    ) -> NDArray[np.float32]:
        """Draw something that is no plate and return where (4,)."""

    def face(self, rng: np.random.Generator) -> NDArray[np.uint8]:
        """Return a plate seen straight on, (h, w, 3) uint8 BGR, nothing around it."""


NOTHING = np.zeros((0, 4), np.float32)


def crop(
    photograph: Photograph,
    rng: np.random.Generator,
    height_px: int,
    width_px: int,
    narrowest_px: float = 12.0,
    widest_px: float = 420.0,
) -> Scene:
    """Return a part of ``photograph``, scaled, perhaps mirrored, on grey where the photograph ends.

    One plate, where there is one, becomes ``narrowest_px`` to ``widest_px`` wide, all widths' logarithms alike.
    """
    image, boxes = photograph.image, photograph.plates
    rows, columns = image.shape[:2]
    chosen = boxes[rng.integers(len(boxes))] if len(boxes) else None
    least = 0.85 * max(height_px, width_px) / max(rows, columns)
    if chosen is not None and rng.random() < 0.85:
        wide = float(chosen[2] - chosen[0])
        low, high = np.log(narrowest_px), np.log(min(widest_px, 0.9 * width_px))
        scale = float(np.exp(rng.uniform(low, high))) / max(wide, 1.0)
        scale = min(max(scale, least), 2.5)
        at = (chosen[:2] + chosen[2:]) / 2
    else:
        scale = float(np.exp(rng.uniform(np.log(least), np.log(2.2))))
        at = rng.uniform((0, 0), (columns, rows))
    sx, sy = scale * np.exp(rng.uniform(-0.1, 0.1)), scale * np.exp(rng.uniform(-0.1, 0.1))
    # Where the chosen place comes to lie in the crop: anywhere, a little less often at its very edge.
    px, py = rng.uniform(0.04, 0.96) * width_px, rng.uniform(0.04, 0.96) * height_px
    x0, y0 = float(at[0]) - px / sx, float(at[1]) - py / sy
    # No more grey than needed.
    x0 = _kept_inside(x0, width_px / sx, columns, rng)
    y0 = _kept_inside(y0, height_px / sy, rows, rng)
    left, top = max(int(np.floor(x0)), 0), max(int(np.floor(y0)), 0)
    right = min(int(np.ceil(x0 + width_px / sx)), columns)
    bottom = min(int(np.ceil(y0 + height_px / sy)), rows)
    part = image[top:bottom, left:right]
    wide_px, high_px = max(round((right - left) * sx), 1), max(round((bottom - top) * sy), 1)
    smaller = scale < 0.9 and rng.random() < 0.5
    sampled = cv2.resize(part, (wide_px, high_px), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)
    kx, ky = wide_px / (right - left), high_px / (bottom - top)
    mirrored = rng.random() < 0.5
    canvas = np.full((height_px, width_px, 3), GREY, np.uint8)
    shift_x, shift_y = max(round((left - x0) * sx), 0), max(round((top - y0) * sy), 0)
    part = np.asarray(sampled, np.uint8)[: height_px - shift_y, : width_px - shift_x]
    canvas[shift_y : shift_y + part.shape[0], shift_x : shift_x + part.shape[1]] = part

    def moved(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
        scaled = (boxes - (left, top, left, top)) * (kx, ky, kx, ky) + (shift_x, shift_y, shift_x, shift_y)
        return np.asarray(scaled, np.float32)

    within = (shift_x, shift_y, shift_x + part.shape[1], shift_y + part.shape[0])
    plates, cut = _clipped(moved(boxes), within)
    unknown, barely = _clipped(moved(photograph.unknown), within)
    shown = np.zeros((height_px, width_px), np.bool_)
    shown[within[1] : within[3], within[0] : within[2]] = True
    scene = Scene(canvas, plates, np.concatenate([unknown, barely, cut]).astype(np.float32), shown)
    if mirrored:
        _mirror(scene)
    return scene


def _mirror(scene: Scene) -> None:
    scene.image = np.ascontiguousarray(scene.image[:, ::-1])
    scene.shown = np.ascontiguousarray(scene.shown[:, ::-1])
    for array in (scene.plates, scene.unknown):
        array[:, [0, 2]] = scene.image.shape[1] - array[:, [2, 0]]


def _in_another_light(scene: Scene, rng: np.random.Generator) -> Scene:
    """Photograph the scene anew; what pads it stays as it is."""
    scene.image = photographed(scene.image, rng)
    scene.image[~scene.shown] = GREY
    return scene


def _kept_inside(start: float, extent: float, whole: int, rng: np.random.Generator) -> float:
    if extent >= whole:
        return float(rng.uniform(whole - extent, 0.0))
    return min(max(start, 0.0), whole - extent)


def _clipped(
    boxes: NDArray[np.float32], within: tuple[int, int, int, int]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the boxes of which enough is left ``within``, and those of which too little is."""
    if not len(boxes):
        return NOTHING.copy(), NOTHING.copy()
    boxes = boxes.astype(np.float32)
    whole = np.maximum(boxes[:, 2] - boxes[:, 0], 1e-3) * np.maximum(boxes[:, 3] - boxes[:, 1], 1e-3)
    cut = np.stack(
        [
            boxes[:, 0].clip(within[0], within[2]),
            boxes[:, 1].clip(within[1], within[3]),
            boxes[:, 2].clip(within[0], within[2]),
            boxes[:, 3].clip(within[1], within[3]),
        ],
        -1,
    )
    left = (cut[:, 2] - cut[:, 0]) * (cut[:, 3] - cut[:, 1]) / whole
    return cut[left >= _SEEN], cut[(left < _SEEN) & (left > _UNSEEN)]


def cover(scene: NDArray[np.uint8], box: NDArray[np.float32], rng: np.random.Generator) -> None:
    """Cover what is in ``box`` with what lies above and below it, in place."""
    rows, columns = scene.shape[:2]
    pad_x, pad_y = 0.06 * (box[2] - box[0]) + 1, 0.12 * (box[3] - box[1]) + 1
    x1, y1 = max(int(box[0] - pad_x), 0), max(int(box[1] - pad_y), 1)
    x2, y2 = min(int(box[2] + pad_x) + 1, columns), min(int(box[3] + pad_y) + 1, rows - 1)
    if x2 - x1 < 2 or y2 - y1 < 2:
        return
    above = cv2.blur(scene[y1 - 1 : y1, x1:x2], (5, 1)).astype(np.float32)
    below = cv2.blur(scene[y2 : y2 + 1, x1:x2], (5, 1)).astype(np.float32)
    share = np.linspace(0, 1, y2 - y1, dtype=np.float32)[:, None, None]
    grain = rng.normal(0, 2.5, (y2 - y1, x2 - x1, 1)).astype(np.float32)
    scene[y1:y2, x1:x2] = np.clip(above * (1 - share) + below * share + grain, 0, 255).astype(np.uint8)


class Sampler:
    """Draws scenes from photographs.

    Args:
        photographs: to cut from; at least one.
        drawing: draws plates, or None: none are drawn.
        shares: how often each photograph is drawn, compared with the others; all alike when left out.
    """

    def __init__(
        self, photographs: Sequence[Photograph], drawing: Drawing | None, shares: Sequence[float] | None = None
    ) -> None:
        self._photographs = photographs
        self._upto = np.cumsum(np.ones(len(photographs)) if shares is None else np.asarray(shares, np.float64))
        self._drawing = drawing
        self._kept: dict[tuple[int, int], list[Scene]] = {}

    def crop_scene(self, rng: np.random.Generator, height_px: int, width_px: int) -> Scene:
        """Return a crop, or four of them side by side, with plates covered, replaced and added.

        Every second one was shown before, the other way round and in another light: drawing costs more than showing.
        """
        kept = self._kept.setdefault((height_px, width_px), [])
        if len(kept) == _KEPT and rng.random() < 0.5:
            scene = kept[int(rng.integers(_KEPT))].copy()
            _mirror(scene)
        else:
            scene = self._new_crop(rng, height_px, width_px)
            if len(kept) < _KEPT:
                kept.append(scene.copy())
            else:
                kept[int(rng.integers(_KEPT))] = scene.copy()
        return _in_another_light(scene, rng)

    def _new_crop(self, rng: np.random.Generator, height_px: int, width_px: int) -> Scene:
        if rng.random() < 0.3:
            scene = self._mosaic(rng, height_px, width_px)
        else:
            scene = crop(self._any(rng), rng, height_px, width_px)
        self._replace(scene, rng)
        self._add(scene, rng, narrowest_px=12.0, widest_px=0.9 * width_px)
        return scene

    def whole_scene(self, rng: np.random.Generator, height_px: int, width_px: int) -> Scene:
        """Return a whole photograph as the deployed network sees it, letterboxed, or a plate that fills the picture."""
        if self._drawing is not None and rng.random() < 0.3:
            scene = self._filled(self._drawing, rng, height_px, width_px)
        else:
            photograph = self._any(rng)
            scene = letterboxed(photograph, height_px, width_px)
            if rng.random() < 0.5:
                _mirror(scene)
            self._replace(scene, rng)
            self._add(scene, rng, narrowest_px=16.0, widest_px=0.9 * width_px)
        return _in_another_light(scene, rng)

    def _any(self, rng: np.random.Generator) -> Photograph:
        return self._photographs[int(np.searchsorted(self._upto, rng.random() * self._upto[-1], side="right"))]

    def _mosaic(self, rng: np.random.Generator, height_px: int, width_px: int) -> Scene:
        """Return crops around a point, as if four pictures met there."""
        across = round(float(rng.uniform(0.3, 0.7)) * width_px)
        down = round(float(rng.uniform(0.3, 0.7)) * height_px)
        canvas = np.empty((height_px, width_px, 3), np.uint8)
        shown = np.empty((height_px, width_px), np.bool_)
        plates, unknown = [], []
        for x, w in ((0, across), (across, width_px - across)):
            for y, h in ((0, down), (down, height_px - down)):
                part = crop(self._any(rng), rng, h, w)
                canvas[y : y + h, x : x + w], shown[y : y + h, x : x + w] = part.image, part.shown
                plates.append(part.plates + np.array((x, y, x, y), np.float32))
                unknown.append(part.unknown + np.array((x, y, x, y), np.float32))
        return Scene(canvas, np.concatenate(plates), np.concatenate(unknown), shown)

    def _replace(self, scene: Scene, rng: np.random.Generator) -> None:
        """Cover some plates; draw another where some of them were: cars have their plates where plates belong."""
        if self._drawing is None or not len(scene.plates):
            return
        kept = []
        for box in scene.plates:
            wide = float(box[2] - box[0])
            if wide < 14 or rng.random() < 0.55:
                kept.append(box)
                continue
            cover(scene.image, box, rng)
            if rng.random() < 0.8:
                new = min(wide * float(rng.uniform(0.5, 1.05)), _WIDEST_PX)
                if new >= 10:
                    centre = (float(box[0] + box[2]) / 2, float(box[1] + box[3]) / 2)
                    kept.append(self._drawing.plate(scene.image, rng, new, centre))
        height_px, width_px = scene.image.shape[:2]
        corners = np.array(kept, np.float32).reshape(-1, 4)
        scene.plates = np.clip(corners, 0, (width_px, height_px, width_px, height_px)).astype(np.float32)

    def _add(self, scene: Scene, rng: np.random.Generator, narrowest_px: float, widest_px: float) -> None:
        """Draw plates and what looks like them where nothing is."""
        if self._drawing is None:
            return
        height_px, width_px = scene.image.shape[:2]
        taken = np.concatenate([scene.plates, scene.unknown])
        added, doubtful = [], []
        for _ in range(int(rng.poisson(1.8))):
            distractor = rng.random() < 0.5
            high = widest_px if rng.random() < 0.8 else 60.0
            wide = float(np.exp(rng.uniform(np.log(narrowest_px), np.log(high))))
            x, y = float(rng.uniform(0, width_px)), float(rng.uniform(0, height_px))
            if not (0.5 * wide < x < width_px - 0.5 * wide):
                if wide > 0.5 * width_px:
                    x = width_px * float(rng.uniform(0.45, 0.55))
                elif rng.random() < 0.8:
                    x = float(rng.uniform(0.55 * wide, width_px - 0.55 * wide))
            about = np.array((x - 0.75 * wide, y - 0.5 * wide, x + 0.75 * wide, y + 0.5 * wide), np.float32)
            if not _all_shown(scene.shown, about) or (len(taken) and _touches(taken, about)):
                continue
            draw = self._drawing.distractor if distractor else self._drawing.plate
            box = np.asarray(draw(scene.image, rng, wide, (x, y)), np.float32)
            taken = np.concatenate([taken, about[None]])
            if not distractor:
                whole, cut = _clipped(box[None], (0, 0, width_px, height_px))
                added.append(whole)
                doubtful.append(cut)
        if added:
            scene.plates = np.concatenate([scene.plates, *added])
            scene.unknown = np.concatenate([scene.unknown, *doubtful])

    def _filled(self, drawing: Drawing, rng: np.random.Generator, height_px: int, width_px: int) -> Scene:
        """Return a picture that is hardly more than a plate, enlarged to the network's input."""
        face = drawing.face(rng)
        high, wide = face.shape[:2]
        share = float(rng.uniform(0.6, 1.0))
        around_x = round(wide * (1 / share - 1) / 2 * float(rng.uniform(0.6, 1.4)))
        around_y = round(high * (1 / float(rng.uniform(0.55, 1.0)) - 1) / 2)
        photograph = self._any(rng)
        rows, columns = photograph.image.shape[:2]
        size = (high + 2 * around_y, wide + 2 * around_x)
        y, x = int(rng.integers(max(rows - 40, 1))), int(rng.integers(max(columns - 80, 1)))
        picture = cv2.resize(photograph.image[y : y + 60, x : x + 120], (size[1], size[0]))
        if rng.random() < 0.5:
            picture[:] = rng.integers(10, 245, 3, dtype=np.uint8)
        dx, dy = (round(float(rng.uniform(0.3, 1.7)) * d) for d in (around_x, around_y))
        dx, dy = min(dx, 2 * around_x), min(dy, 2 * around_y)
        picture[dy : dy + high, dx : dx + wide] = face
        tilt = float(rng.normal(0, 1.5))
        corners = np.array([(dx, dy), (dx + wide, dy), (dx + wide, dy + high), (dx, dy + high)], np.float32)
        turn = cv2.getRotationMatrix2D((size[1] / 2, size[0] / 2), tilt, 1.0)
        picture = cv2.warpAffine(picture, turn, (size[1], size[0]), borderMode=cv2.BORDER_REPLICATE)
        corners = corners @ turn[:, :2].T.astype(np.float32) + turn[:, 2].astype(np.float32)
        box = np.concatenate([corners.min(0), corners.max(0)])
        box = np.clip(box, 0, (size[1], size[0], size[1], size[0])).astype(np.float32)
        small = float(rng.uniform(40, 300)) / size[1]  # such pictures are small, and are enlarged
        picture = cv2.resize(picture, None, fx=small, fy=small, interpolation=cv2.INTER_AREA)
        kx, ky = picture.shape[1] / size[1], picture.shape[0] / size[0]
        seen = Photograph(np.asarray(picture, np.uint8), (box * (kx, ky, kx, ky)).astype(np.float32)[None], NOTHING)
        return letterboxed(seen, height_px, width_px)


def _all_shown(shown: NDArray[np.bool_], box: NDArray[np.float32]) -> bool:
    rows, columns = shown.shape
    x1, y1, x2, y2 = (int(v) for v in np.clip(box, 0, (columns, rows, columns, rows)))
    return bool(shown[y1:y2:4, x1:x2:4].all())


def _touches(boxes: NDArray[np.float32], box: NDArray[np.float32]) -> bool:
    apart = (boxes[:, 2] < box[0]) | (boxes[:, 0] > box[2]) | (boxes[:, 3] < box[1]) | (boxes[:, 1] > box[3])
    return not bool(apart.all())


def letterboxed(photograph: Photograph, height_px: int, width_px: int) -> Scene:
    """Return the whole ``photograph`` in the middle of a grey picture, as large as fits."""
    rows, columns = photograph.image.shape[:2]
    scale = min(height_px / rows, width_px / columns)
    size = (round(columns * scale), round(rows * scale))
    left, top = (width_px - size[0]) // 2, (height_px - size[1]) // 2
    canvas = np.full((height_px, width_px, 3), GREY, np.uint8)
    canvas[top : top + size[1], left : left + size[0]] = cv2.resize(photograph.image, size)
    shown = np.zeros((height_px, width_px), np.bool_)
    shown[top : top + size[1], left : left + size[0]] = True
    shift = np.array((left, top, left, top), np.float32)
    return Scene(
        canvas,
        (photograph.plates * np.float32(scale) + shift).astype(np.float32),
        (photograph.unknown * np.float32(scale) + shift).astype(np.float32),
        shown,
    )


def photographed(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return ``image`` in another light, by another camera: colour, night, infrared, blur, noise, JPEG."""
    if rng.random() < 0.25:
        grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        image = np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), np.uint8)
    elif rng.random() < 0.5:
        hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)
        hue, saturation, value = cv2.split(hsv)
        turn = int(rng.integers(0, 180)) if rng.random() < 0.15 else int(rng.normal(0, 6))
        hue = ((np.arange(256) + turn) % 180).astype(np.uint8)[hue]
        strength = float(rng.uniform(0.2, 1.5))
        saturation = np.clip(np.arange(256) * strength, 0, 255).astype(np.uint8)[saturation]
        image = np.asarray(cv2.cvtColor(cv2.merge((hue, saturation, value)), cv2.COLOR_HSV2BGR), np.uint8)
    gain, lift = float(np.exp(rng.normal(0, 0.22))), float(rng.normal(0, 10))
    gamma = float(np.exp(rng.normal(0, 0.2)))
    night = rng.random() < 0.08
    if night:
        gain *= float(rng.uniform(0.2, 0.6))
    steps = np.arange(256, dtype=np.float32)
    curve = 255 * (steps / 255) ** gamma * gain + lift
    casts = rng.normal(1, 0.05, 3).astype(np.float32)
    table = np.clip(curve[:, None] * casts, 0, 255).astype(np.uint8)[None]
    image = np.asarray(cv2.LUT(image, table), np.uint8)
    chance = rng.random()
    if chance < 0.2:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.4, 1.4))), np.uint8)
    elif chance < 0.3:
        image = _moved(image, rng)
    elif chance < 0.36:
        image = np.asarray(cv2.addWeighted(image, 1.8, cv2.GaussianBlur(image, (0, 0), 1.2), -0.8, 0), np.uint8)
    if rng.random() < 0.3 or night:
        strength = float(rng.uniform(1, 9 if night else 6))
        noise = np.empty(image.shape, np.int16)
        cv2.setRNGSeed(int(rng.integers(1 << 31)))
        cv2.randn(noise, 0, strength)  # type: ignore[call-overload]  # the stubs know no scalars here
        image = np.asarray(cv2.add(image, noise, dtype=cv2.CV_8U), np.uint8)
    if rng.random() < 0.4:
        quality = int(rng.integers(25, 92))
        _, packed = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
        image = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)
    return image


def _moved(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    length = int(rng.integers(3, 7))
    kernel = np.zeros((length, length), np.float32)
    if rng.random() < 0.7:
        kernel[length // 2] = 1 / length
    else:
        kernel[:, length // 2] = 1 / length
    return np.asarray(cv2.filter2D(image, -1, kernel), np.uint8)
