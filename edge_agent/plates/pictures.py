"""Crops and frames as JPEG, and how sharp a crop is. Pure."""

from __future__ import annotations

import hashlib

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.records import Picture

MAX_CROP_BYTES = 12_000
_CROP_QUALITIES = (92, 85, 75, 60, 45)
_FRAME_QUALITY = 85
_SHARPNESS_SIZE_PX = (128, 64)


def sharpness(crop: NDArray[np.uint8]) -> float:
    """Return how much detail of a plate ``crop``, (H, W, 3) uint8 BGR, shows; only comparable within one pass.

    The spread of the Laplacian at a fixed size tells blur from edges; times the width, because a far plate scaled up
    has edges too, but fewer pixels behind them.
    """
    grey = cv2.resize(cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY), _SHARPNESS_SIZE_PX, interpolation=cv2.INTER_AREA)
    return float(np.std(cv2.Laplacian(grey, cv2.CV_32F))) * int(crop.shape[1])


def crop_picture(crop: NDArray[np.uint8]) -> Picture:
    """Encode a plate's crop in at most ``MAX_CROP_BYTES``, lowering first the quality, then the size."""
    while True:
        for quality in _CROP_QUALITIES:
            picture = _encode(crop, quality)
            if len(picture.jpeg) <= MAX_CROP_BYTES:
                return picture
        height_px, width_px = crop.shape[:2]
        smaller = (max(width_px * 2 // 3, 1), max(height_px * 2 // 3, 1))
        crop = np.asarray(cv2.resize(crop, smaller, interpolation=cv2.INTER_AREA), np.uint8)


def frame_picture(frame: NDArray[np.uint8]) -> Picture:
    """Encode a whole frame, (H, W, 3) uint8 BGR."""
    return _encode(frame, _FRAME_QUALITY)


def _encode(image: NDArray[np.uint8], quality: int) -> Picture:
    encoded, buffer = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not encoded:
        raise ValueError(f"a picture of shape {image.shape} cannot be encoded as JPEG")
    jpeg = buffer.tobytes()
    return Picture(jpeg, hashlib.sha256(jpeg).digest(), image.shape[1], image.shape[0])
