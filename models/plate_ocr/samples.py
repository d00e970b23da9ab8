"""Rendered plates as the network meets them, made in a process of their own and kept in a ring that training reads.

Rendering a plate costs about half of what learning from it does. So one process does nothing but render; it writes
into a ring in shared memory, and training takes what it finds there at random. A picture is met three times on average
before a fresh one takes its place (more often where the renderer cannot keep up; it waits where training cannot), each
time moved, tilted and coloured a little differently. Plates drawn one after another lie beside each other in the ring,
and far apart in training.

The renderer writes, training reads, nothing locks: pictures near the place of writing are not read.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.shared_memory import SharedMemory
from multiprocessing.sharedctypes import Synchronized
from types import TracebackType
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from models.plate_ocr.pictures import CHARACTERS, HEIGHT_PX, WIDTH_PX, resized

MOST_CHARACTERS = 12
NO_REGION = -1
# Photographs of one plate: the face is the dearer half of the rendering.
_VIEWS = 2
_RING = 24_576
_FIRST = 3_072
# How often a picture is met, at least, before the renderer makes the next.
_USES = 3
_PAUSE_S = 0.02
# Pictures about the place of writing that are not read.
_GUARD = 64
# How often a picture is resized by another way than the product's: what a camera or an operator did before.
_OTHER_RESIZING = 0.3
_INTERPOLATIONS = (cv2.INTER_CUBIC, cv2.INTER_LINEAR, cv2.INTER_AREA)


@dataclass(frozen=True, slots=True)
class Samples:
    """Labelled pictures.

    Attributes:
        pictures: (n, 64, 128, 3) uint8 RGB.
        characters: (n, 12) uint8, places in ``CHARACTERS``; beyond a text's end anything.
        lengths: (n,) uint8, characters a text has.
        regions: (n,) int16, places in the list of regions; ``NO_REGION`` where none is to be learnt.
    """

    pictures: NDArray[np.uint8]
    characters: NDArray[np.uint8]
    lengths: NDArray[np.uint8]
    regions: NDArray[np.int16]

    @staticmethod
    def empty(count: int) -> Samples:
        """Return room for ``count``."""
        return Samples(
            np.zeros((count, HEIGHT_PX, WIDTH_PX, 3), np.uint8),
            np.zeros((count, MOST_CHARACTERS), np.uint8),
            np.zeros(count, np.uint8),
            np.full(count, NO_REGION, np.int16),
        )

    def put(self, at: int, picture: NDArray[np.uint8], text: str, region: int) -> None:
        """Write one sample.

        Args:
            at: its place.
            picture: (64, 128, 3) uint8 RGB.
            text: of ``CHARACTERS``, 12 at most.
            region: its place in the list of regions, or ``NO_REGION``.
        """
        self.pictures[at] = picture
        self.characters[at, : len(text)] = [CHARACTERS.index(character) for character in text]
        self.lengths[at] = len(text)
        self.regions[at] = region

    def take(self, places: NDArray[np.int64]) -> Samples:
        """Return copies of those at ``places``."""
        return Samples(self.pictures[places], self.characters[places], self.lengths[places], self.regions[places])

    def text(self, at: int) -> str:
        """Return what the sample at ``at`` reads."""
        return "".join(CHARACTERS[c] for c in self.characters[at, : self.lengths[at]])


class Source(Protocol):
    """Where training takes its pictures."""

    def batch(self, count: int, rng: np.random.Generator) -> Samples:
        """Return ``count`` labelled pictures drawn by ``rng``."""
        ...


def rendered(rng: np.random.Generator, views: int = _VIEWS) -> Iterator[tuple[NDArray[np.uint8], str, int, bool]]:
    """Draw plates without end, each photographed ``views`` times.

    Yields:
        (64, 128, 3) uint8 RGB, its text, its region's place in ``REGIONS`` or ``NO_REGION``, and if it is infrared.
    """
    from models.plate_rendering.faces import REGIONS, draw
    from models.plate_rendering.imaging import view

    places = {region: at for at, region in enumerate(REGIONS)}
    while True:
        face = draw(rng)
        if not 0 < len(face.text) <= MOST_CHARACTERS:
            continue
        region = places[face.region] if face.region else NO_REGION
        for _ in range(views):
            seen = view(face, rng)
            how = _INTERPOLATIONS[int(rng.integers(3))] if rng.random() < _OTHER_RESIZING else None
            yield resized(seen.image, how), face.text, region, seen.infrared


def held_out(count: int, seed: int) -> tuple[Samples, NDArray[np.bool_]]:
    """Render ``count`` plates that are always the same, as long as the renderer is; and say which are infrared."""
    samples = Samples.empty(count)
    infrared = np.zeros(count, np.bool_)
    for at, (picture, text, region, grey) in zip(range(count), rendered(np.random.default_rng(seed), 1), strict=False):
        samples.put(at, picture, text, region)
        infrared[at] = grey
    return samples, infrared


def varied(pictures: NDArray[np.uint8], rng: np.random.Generator, strength: float = 1.0) -> NDArray[np.uint8]:
    """Move, tilt and colour each of ``pictures`` a little, so that one met again is not the same.

    Args:
        pictures: (n, 64, 128, 3) uint8 RGB.
        rng: where chance comes from.
        strength: 1 moves by two or three pixels.
    """
    count = len(pictures)
    result = np.empty_like(pictures)
    scale, shear = rng.normal(1, 0.035 * strength, (count, 2)), rng.normal(0, 0.02 * strength, (count, 2))
    shift = rng.normal(0, strength, (count, 2)) * (2.5, 1.5)
    gains = np.clip(rng.normal(1, 0.05 * strength, (count, 1, 3)), 0.8, 1.2)
    still = rng.random(count) < 0.25
    curves = np.clip(np.arange(256)[None, :, None] * gains, 0, 255).astype(np.uint8)
    for at, picture in enumerate(pictures):
        if still[at]:
            result[at] = picture
            continue
        (across, down), (lean, slope) = scale[at], shear[at]
        move = np.array([[across, lean, 0.0], [slope, down, 0.0]])
        middle = np.array([WIDTH_PX / 2, HEIGHT_PX / 2])
        move[:, 2] = middle - move[:, :2] @ middle + shift[at]
        moved = cv2.warpAffine(
            picture, move, (WIDTH_PX, HEIGHT_PX), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        result[at] = cv2.LUT(moved, curves[at][:, None, :])
    return result


class RenderedStream:
    """Plates from a renderer in its own process.

    Args:
        seed: of the renderer; another start with the same seed renders the same plates.

    Use as a context manager: leaving it ends the process.
    """

    def __init__(self, seed: int) -> None:
        plain = Samples.empty(1)
        parts = (plain.pictures, plain.characters, plain.lengths, plain.regions)
        self._memory = [SharedMemory(create=True, size=_RING * part[0].nbytes) for part in parts]
        self._ring = _mapped(self._memory)
        context = multiprocessing.get_context("spawn")
        self._written = context.Value("q", 0, lock=False)
        self._taken = context.Value("q", 0, lock=False)
        names = [memory.name for memory in self._memory]
        self._process = context.Process(target=_render, args=(seed, names, self._written, self._taken), daemon=True)

    def __enter__(self) -> RenderedStream:
        self._process.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.join()
        del self._ring
        for memory in self._memory:
            memory.close()
            memory.unlink()

    @property
    def written(self) -> int:
        """How many pictures were rendered so far."""
        return int(self._written.value)

    def batch(self, count: int, rng: np.random.Generator) -> Samples:
        """Take ``count`` pictures at random, each varied a little; waits for the first ones.

        Raises:
            RuntimeError: the renderer's process ended; its own output says why.
        """
        while self.written < _FIRST:
            self._process.join(0.2)
            self._check()
        self._check()
        written = self.written
        if written < _RING - _GUARD:
            places = rng.integers(0, written, count)
        else:
            places = (written + _GUARD + rng.integers(0, _RING - 2 * _GUARD, count)) % _RING
        taken = self._ring.take(places)
        self._taken.value += count
        return Samples(varied(taken.pictures, rng), taken.characters, taken.lengths, taken.regions)

    def _check(self) -> None:
        if self._process.exitcode is not None:
            raise RuntimeError(
                f"the renderer's process ended with status {self._process.exitcode}; see its error above."
            )


def _mapped(memory: list[SharedMemory]) -> Samples:
    pictures, characters, lengths, regions = (part.buf for part in memory)
    return Samples(
        np.ndarray((_RING, HEIGHT_PX, WIDTH_PX, 3), np.uint8, pictures),
        np.ndarray((_RING, MOST_CHARACTERS), np.uint8, characters),
        np.ndarray(_RING, np.uint8, lengths),
        np.ndarray(_RING, np.int16, regions),
    )


def _render(seed: int, names: list[str], written: Synchronized[int], taken: Synchronized[int]) -> None:
    """Fill the ring until this process, or the one that reads, is ended."""
    parent = os.getppid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is training's to answer
    cv2.setNumThreads(1)
    memory = [SharedMemory(name) for name in names]
    ring = _mapped(memory)
    for picture, text, region, _ in rendered(np.random.default_rng(seed)):
        ring.put(int(written.value) % _RING, picture, text, region)
        written.value += 1
        while written.value > _FIRST + taken.value / _USES and os.getppid() == parent:
            time.sleep(_PAUSE_S)
        if os.getppid() != parent:
            return  # training was killed: nobody reads what is written
