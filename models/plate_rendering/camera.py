"""What lens, motion, exposure, sensor and file format make of a picture that was clear before.

Everything works on (H, W, 3) uint8 BGR and draws from the generator that it is given, so that a seed reproduces a
picture. Noise is cut from tiles made once from a constant seed: drawing normal numbers for each picture would cost more
than all else. Used by whichever thread or process renders; the tiles are only read.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Field = NDArray[np.float32]

_TILE_PX = 1024


def shoot(image: Image, rng: np.random.Generator, plate_px: float, *, grey: bool = False, mild: bool = False) -> Image:
    """Photograph ``image``.

    Args:
        image: as it would be with a perfect camera.
        rng: where chance comes from.
        plate_px: width of the plate in ``image``. Blur is bounded by it, so that a plate that can be read stays so.
        grey: an infrared camera; there is no colour to be off.
        mild: a picture that somebody chose to publish: hardly any blur and noise.
    """
    if not mild and rng.random() < 0.01:
        image = _interlaced(image, rng, plate_px)
    image = blurred(image, rng, plate_px, share=0.35 if mild else 1.0)
    if rng.random() < 0.75:
        image = grained(image, rng, most=5.0 if mild else 12.0, grey=grey)
    image = _developed(image, rng, grey=grey)
    if rng.random() < 0.3:
        image = _sharpened(image, rng, plate_px)
    return stored(image, int(rng.triangular(30, 85, 96)))


def blurred(image: Image, rng: np.random.Generator, plate_px: float, share: float = 1.0) -> Image:
    """Blur by defocus, and sometimes by motion: at most to where neighbouring characters begin to merge."""
    # A character takes about an eighth of the plate's width, its gaps a thirtieth.
    sigma_px = share * (0.35 * rng.random() + 0.017 * plate_px * rng.random() ** 2.2)
    if sigma_px > 0.25:
        image = _gaussian(image, sigma_px)
    if rng.random() < 0.3 * share:
        length_px = 1.0 + share * 0.045 * plate_px * rng.random()
        if length_px >= 1.5:
            angle = np.pi * rng.random() if rng.random() < 0.4 else rng.normal(0, 0.15)
            image = np.asarray(cv2.filter2D(image, -1, _streak(length_px, float(angle))), np.uint8)
    return image


def grained(image: Image, rng: np.random.Generator, *, most: float, grey: bool = False) -> Image:
    """Add a sensor's noise of up to ``most`` levels' deviation; ``grey``: the same in all channels.

    Raises:
        ValueError: the picture is larger than the tiles of noise.
    """
    tiles = _grain()
    tile = tiles[(0, 2)[int(rng.integers(2))] if grey else int(rng.integers(len(tiles)))]
    height, width = image.shape[:2]
    if height >= _TILE_PX or width >= _TILE_PX:
        raise ValueError(f"camera: got a picture of {width} x {height} px, expected less than {_TILE_PX} either way.")
    top, left = int(rng.integers(_TILE_PX - height)), int(rng.integers(_TILE_PX - width))
    # Characters that drown in noise teach nothing.
    deviation = min(most * float(rng.random()) ** 1.8, 0.5 * legibility(image) + 1.0)
    grain = tile[top : top + height, left : left + width]
    return np.asarray(cv2.addWeighted(image, 1.0, grain, deviation, 0.0, dtype=cv2.CV_8U), np.uint8)


def stored(image: Image, quality: int) -> Image:
    """Write ``image`` as JPEG and read it back."""
    _, jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR), np.uint8)


def lit(image: Image, field: NDArray[np.float32]) -> Image:
    """Multiply ``image`` by a field of light, (h, w) of any smaller size."""
    height, width = image.shape[:2]
    grown = cv2.resize(field, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.multiply(image, cv2.merge([grown, grown, grown]), dtype=cv2.CV_8U), np.uint8)


def _gaussian(image: Image, sigma_px: float) -> Image:
    # 8-bit kernels of three sigmas either way; OpenCV's own choice of size for float sigmas is twice as slow here.
    size = 2 * max(1, round(2.5 * sigma_px)) + 1
    return np.asarray(cv2.GaussianBlur(image, (size, size), sigma_px), np.uint8)


def _streak(length_px: float, angle: float) -> Field:
    """Light that wanders along a line: a kernel that sums to one."""
    half = int(np.ceil(length_px / 2))
    size = 2 * half + 1
    reach = np.linspace(-length_px / 2, length_px / 2, 4 * size)
    kernel = np.zeros((size, size), np.float32)
    x, y = half + reach * np.cos(angle), half + reach * np.sin(angle)
    np.add.at(kernel, (np.rint(y).astype(int), np.rint(x).astype(int)), 1.0)
    return np.asarray(kernel / kernel.sum(), np.float32)


@lru_cache(maxsize=1)
def _grain() -> tuple[Field, ...]:
    """Noise of unit deviation: the same in all channels, of each channel's own, and both after a camera's smoothing."""
    rng = np.random.default_rng(5)
    luma = cv2.merge([rng.standard_normal((_TILE_PX, _TILE_PX), np.float32)] * 3)
    chroma = rng.standard_normal((_TILE_PX, _TILE_PX, 3), np.float32)
    tiles = [luma, 0.8 * chroma + 0.6 * luma]
    for sigma_px, tile in ((0.8, tiles[0]), (0.8, tiles[1]), (1.6, tiles[1])):
        soft = cv2.GaussianBlur(tile, (0, 0), sigma_px)
        tiles.append(soft / soft.std())
    return tuple(np.asarray(tile, np.float32) for tile in tiles)


def _developed(image: Image, rng: np.random.Generator, *, grey: bool) -> Image:
    """Exposure, contrast, gamma, colour cast and saturation."""
    if not grey and rng.random() < 0.6:
        image = _saturated(image, float(rng.triangular(0.15, 0.9, 1.5)))
    level = np.arange(256, dtype=np.float32) / 255.0
    level = level ** float(np.exp(rng.normal(0, 0.28)))
    contrast, lift = float(rng.triangular(0.4, 0.95, 1.45)), float(rng.normal(0, 0.07))
    table = np.repeat(((level - 0.5) * contrast + 0.5 + lift)[:, None], 3, axis=1)
    if not grey:
        table *= _cast(rng)
    shown = _looked_up(image, table)
    if legibility(shown) < min(10.0, 0.6 * legibility(image)):
        # Burnt out or drowned: nobody would have a label for it.
        shown = _looked_up(image, np.repeat(level[:, None], 3, axis=1))
    return shown


def legibility(image: Image) -> float:
    """Standard deviation of the green in the middle of ``image``, where the characters are."""
    height, width = image.shape[:2]
    middle = np.ascontiguousarray(image[height * 3 // 8 : height * 5 // 8, width // 4 : width * 3 // 4, 1])
    return float(cv2.meanStdDev(middle)[1][0, 0])


def _looked_up(image: Image, table: NDArray[np.floating]) -> Image:
    levels = (table * 255.0).clip(0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(image, levels.reshape(256, 1, 3)), np.uint8)


def _cast(rng: np.random.Generator) -> NDArray[np.float64]:
    """White balance as gains of blue, green and red."""
    kind = rng.random()
    if kind < 0.05:
        # A camera without its infrared filter, or a sodium lamp: far off, the same everywhere.
        pink, sodium = np.array((0.75, 0.5, 1.05)), np.array((0.35, 0.75, 1.05))
        return (pink if kind < 0.03 else sodium) * np.exp(rng.normal(0, 0.08, 3))
    warmth = float(rng.normal(0.02, 0.07))
    return np.exp(np.array((-warmth, 0.0, warmth)) + rng.normal(0, 0.02, 3))


def _saturated(image: Image, amount: float) -> Image:
    """Move the colours from or to grey by ``amount``."""
    luma = (1.0 - amount) * np.array((0.114, 0.587, 0.299))
    return np.asarray(cv2.transform(image, np.eye(3) * amount + luma), np.uint8)


def _sharpened(image: Image, rng: np.random.Generator, plate_px: float) -> Image:
    """The halos that cameras and web sites put round edges."""
    soft = _gaussian(image, 0.6 + 0.008 * plate_px * float(rng.random()))
    amount = float(rng.uniform(0.3, 1.6))
    return np.asarray(cv2.addWeighted(image, 1.0 + amount, soft, -amount, 0.0), np.uint8)


def _interlaced(image: Image, rng: np.random.Generator, plate_px: float) -> Image:
    """Every other line a field later, when the car had moved on."""
    combed = image.copy()
    combed[1::2] = np.roll(image[1::2], 1 + int(plate_px * 0.02 * rng.random()), axis=1)
    return combed
