"""Synthetic shots for timing and wiring, and a classifier that a test tells what to say."""

from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_agent.records import AudioBlock, CaptureTime

BEGAN = CaptureTime(1_795_256_000_000_000_000, 5_000_000_000, 20_000)


class FakeClassifier:
    """The ``ShotClassifier`` port: says the same of everything and remembers what it was asked."""

    name = "fake"

    def __init__(self, gunshot: float = 0.9) -> None:
        self.gunshot = gunshot
        self.heard: list[NDArray[np.float32]] = []

    def classify(self, samples: NDArray[np.float32], rate_hz: int) -> Mapping[str, float]:
        self.heard.append(samples)
        return {"gunshot": self.gunshot, "background": 1 - self.gunshot}


def make_street(
    shots_s: Iterable[float],
    seconds: float = 6.0,
    rate_hz: int = 16_000,
    peak: float = 0.5,
    noise: float = 0.003,
    seed: int = 0,
) -> NDArray[np.float32]:
    """Noise with bangs in it: each rises within a sample and dies away over some 20 ms."""
    rng = np.random.default_rng(seed)
    samples = rng.standard_normal(round(seconds * rate_hz)) * noise
    length = round(0.15 * rate_hz)
    decay = np.exp(-np.arange(length) / (0.02 * rate_hz))
    bang = np.random.default_rng(7).uniform(-1, 1, length) * decay
    bang[0] = 1.0
    for at_s in shots_s:
        first = round(at_s * rate_hz)
        part = bang[: max(0, len(samples) - first)]
        samples[first : first + len(part)] += part * peak
    return np.clip(samples, -1, 1).astype(np.float32)


def make_blocks(
    samples: NDArray[np.float32], rate_hz: int = 16_000, scene: int = 0, size: int | None = None
) -> Iterator[AudioBlock]:
    """Cut ``samples`` into blocks, captured from ``BEGAN`` on."""
    step = size if size is not None else rate_hz // 4
    for first in range(0, len(samples), step):
        captured = BEGAN.shifted(first * 1_000_000_000 // rate_hz)
        yield AudioBlock("street", samples[first : first + step], rate_hz, captured, scene)


@pytest.fixture
def street() -> Callable[..., NDArray[np.float32]]:
    return make_street


@pytest.fixture
def blocks_of() -> Callable[..., Iterator[AudioBlock]]:
    return make_blocks


@pytest.fixture
def classifier() -> FakeClassifier:
    return FakeClassifier()


@pytest.fixture
def began() -> CaptureTime:
    return BEGAN
