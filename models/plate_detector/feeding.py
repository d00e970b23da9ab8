"""Batches of scenes, made in a process of their own and handed to training through a short queue.

Drawing a batch costs a third of what learning from it does, and needs no PyTorch: so one process does nothing but draw,
a few batches ahead, and training never waits. Which scenes come in which order depends on the seed alone.
The process ends when training closes the feed, and by itself when training is gone.
"""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.queues import Queue
from types import TracebackType

import cv2
import numpy as np
from numpy.typing import NDArray

from models.plate_detector.scenes import Sampler, Scene

_AHEAD = 8
_PATIENCE_S = 1.0


@dataclass(frozen=True, slots=True)
class Sizes:
    """What batches are made of.

    Attributes:
        batch: crops a step.
        crop_px: sides of the crops, drawn step by step; multiples of 32.
        deployed_px: height and width of the deployed network.
        whole: share of the steps that show whole pictures at the deployed size.
    """

    batch: int = 16
    crop_px: tuple[int, ...] = (256, 288, 320)
    deployed_px: tuple[int, int] = (384, 640)
    whole: float = 0.2


@dataclass(frozen=True, slots=True)
class Batch:
    """Scenes of one size.

    Attributes:
        images: (B, H, W, 3) uint8 BGR.
        plates: for each scene (n, 4) float32 boxes x1, y1, x2, y2 in pixels.
        unknown: for each scene (m, 4) boxes within which nothing is to be judged.
    """

    images: NDArray[np.uint8]
    plates: Sequence[NDArray[np.float32]]
    unknown: Sequence[NDArray[np.float32]]

    @staticmethod
    def of(scenes: Sequence[Scene]) -> Batch:
        """Return ``scenes``, which must be of one size."""
        return Batch(np.stack([s.image for s in scenes]), [s.plates for s in scenes], [s.unknown for s in scenes])


def draw(sampler: Sampler, sizes: Sizes, rng: np.random.Generator) -> Batch:
    """Draw one batch: crops, or now and then fewer whole pictures, about as many pixels."""
    if rng.random() < sizes.whole:
        height_px, width_px = sizes.deployed_px
        count = max(sizes.batch * sizes.crop_px[0] ** 2 // (height_px * width_px), 2)
        return Batch.of([sampler.whole_scene(rng, height_px, width_px) for _ in range(count)])
    side_px = int(rng.choice(sizes.crop_px))
    return Batch.of([sampler.crop_scene(rng, side_px, side_px) for _ in range(sizes.batch)])


class Feed:
    """Batches from a drawing process.

    Args:
        sampler: draws them; it is copied into the process.
        sizes: what batches are made of.
        seed: of the scenes.

    Use as a context manager: leaving it ends the process. Ctrl-C does not reach it: that is training's to answer.
    """

    def __init__(self, sampler: Sampler, sizes: Sizes, seed: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._ready: Queue[Batch] = context.Queue(_AHEAD)
        self._process = context.Process(target=_draw, args=(sampler, sizes, seed, self._ready), daemon=True)

    def __enter__(self) -> Feed:
        # Held back until the process runs, which then never hears it.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.join()
        self._ready.close()

    def take(self) -> Batch:
        """Return the next batch; waits for it.

        Raises:
            RuntimeError: the drawing process ended; its own output says why.
        """
        while True:
            try:
                return self._ready.get(timeout=_PATIENCE_S)
            except queue.Empty:
                if self._process.exitcode is not None:
                    raise RuntimeError(
                        f"the drawing process ended with status {self._process.exitcode}; see its error above."
                    ) from None


def _draw(sampler: Sampler, sizes: Sizes, seed: int, ready: Queue[Batch]) -> None:
    """Draw until this process, or the one that reads, is ended."""
    parent = os.getppid()
    cv2.setNumThreads(1)
    rng = np.random.default_rng(seed)
    while os.getppid() == parent:
        batch = draw(sampler, sizes, rng)
        while os.getppid() == parent:
            try:
                ready.put(batch, timeout=_PATIENCE_S)
                break
            except queue.Full:
                continue
    ready.cancel_join_thread()
