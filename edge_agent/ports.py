"""The few interfaces between the edge's stages. ``app.py`` alone chooses what stands behind them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edge_agent.records import AudioBlock, Frame, PlateCandidate


class FrameSource(Protocol):
    """A camera, a video, a folder of stills. Iterated by one thread; ``close`` may come from another."""

    def frames(self) -> Iterator[Frame]:
        """Yield frames in capture order; ends when a file source is exhausted or ``close`` was called.

        Raises:
            SourceError: the source cannot be opened or broke off; live sources may be iterated again.
        """
        ...

    def close(self) -> None:
        """Let ``frames`` end soon; safe to call twice and from any thread."""
        ...


class AudioSource(Protocol):
    """A microphone or recordings. Iterated by one thread; ``close`` may come from another."""

    def blocks(self) -> Iterator[AudioBlock]:
        """Yield blocks without gaps within a scene; ends like ``FrameSource.frames``.

        Raises:
            SourceError: the source cannot be opened or broke off.
        """
        ...

    def close(self) -> None:
        """Let ``blocks`` end soon; safe to call twice and from any thread."""
        ...


class PlateReader(Protocol):
    """Detector and OCR behind one port."""

    def read(self, image: NDArray[np.uint8]) -> Sequence[PlateCandidate]:
        """Return the plates of ``image``, (H, W, 3) uint8 BGR, best first; an empty sequence when there are none."""
        ...


class ShotClassifier(Protocol):
    """Says what a short piece of sound is."""

    @property
    def name(self) -> str:
        """The model's name as arrivals carry it."""
        ...

    def classify(self, samples: NDArray[np.float32], rate_hz: int) -> Mapping[str, float]:
        """Return the probability of each class for ``samples``, (n,) float32 mono; gun classes begin with "gun"."""
        ...
