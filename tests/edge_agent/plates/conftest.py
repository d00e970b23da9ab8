"""Makers of candidates and frames."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from edge_agent.records import Box, CaptureTime, Frame, PlateCandidate, Reading

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_"


def make_reading(text: str, sure: float = 0.99, slots: int = 8) -> Reading:
    out = np.full((slots, len(ALPHABET)), (1 - sure) / (len(ALPHABET) - 1), np.float32)
    for i, character in enumerate(text.ljust(slots, "_")):
        out[i, ALPHABET.index(character)] = sure
    return Reading(ALPHABET, "_", out, {"US": 0.9, "CA": 0.1} if text else {}, "raw")


def make_candidate(text: str, x: int = 40, y: int = 60, width: int = 40, sure: float = 0.99) -> PlateCandidate:
    return PlateCandidate(Box(x, y, x + width, y + width // 2), 0.8, make_reading(text, sure))


def make_frame(at_ms: float, scene: int = 0, blur: int = 0) -> Frame:
    """A frame full of edges, fewer of them with more ``blur``."""
    image = np.zeros((120, 400, 3), np.uint8)
    image[:, :: 2 + blur] = 255 >> blur
    at_ns = round(at_ms * 1e6)
    return Frame("cam", image, CaptureTime(1_700_000_000_000_000_000 + at_ns, at_ns, 1000), scene)


@pytest.fixture(scope="session")
def reading() -> Callable[..., Reading]:
    return make_reading


@pytest.fixture(scope="session")
def candidate() -> Callable[..., PlateCandidate]:
    return make_candidate


@pytest.fixture(scope="session")
def frame() -> Callable[..., Frame]:
    return make_frame
