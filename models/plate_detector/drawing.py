"""Plates and what looks like them, as ``models.plate_rendering`` draws them, for the scenes to learn from.

Faces are drawn into a pool and shown several times, each time in another place, light and view: drawing one costs more
than showing it. The pool is renewed face by face, so that it never ends. One thread.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.plate_rendering import distractors, faces, pasting

_POOL = 3000
# How often a face is shown before another takes its place, on average.
_SHOWN = 12
# The renderer draws mostly plates of the USA; a detector must know the long ones of the rest of the world as well.
_ABROAD = 0.35
# Overlaid clocks are the commonest of what a network takes for plates in still pictures of traffic cameras.
_CLOCKS = 0.25
_COUNTRIES = [region for region in faces.REGIONS if len(region) == 2]


class Rendered:
    """Draws with the renderer, from a pool of faces.

    Args:
        rng: draws the faces; apart from the generator that places them, so that a pool's size changes no scene.
        pool: how many faces are kept.
    """

    def __init__(self, rng: np.random.Generator, pool: int = _POOL) -> None:
        self._rng = rng
        self._faces: list[faces.Face] = []
        self._pool = pool

    def plate(
        self, scene: NDArray[np.uint8], rng: np.random.Generator, width_px: float, centre: tuple[float, float]
    ) -> NDArray[np.float32]:
        """Paste a plate into ``scene``; see `pasting.paste`."""
        return np.array(pasting.paste(scene, self._face(rng), rng, width_px, centre), np.float32)

    def distractor(
        self, scene: NDArray[np.uint8], rng: np.random.Generator, width_px: float, centre: tuple[float, float]
    ) -> NDArray[np.float32]:
        """Paste something that is no plate into ``scene``; see `distractors.distractor`."""
        kind = "timestamp" if rng.random() < _CLOCKS else None
        distractors.distractor(scene, rng, centre, width_px, kind)
        x, y = centre
        return np.array((x - width_px / 2, y - width_px / 2, x + width_px / 2, y + width_px / 2), np.float32)

    def face(self, rng: np.random.Generator) -> NDArray[np.uint8]:
        """Return a plate seen straight on."""
        return self._face(rng).image.copy()

    def _face(self, rng: np.random.Generator) -> faces.Face:
        if len(self._faces) < self._pool:
            self._faces.append(self._new())
            return self._faces[-1]
        at = int(rng.integers(self._pool))
        if rng.random() < 1 / _SHOWN:
            self._faces[at] = self._new()
        return self._faces[at]

    def _new(self) -> faces.Face:
        chance = self._rng.random()
        return faces.draw(self._rng, None if chance > _ABROAD else str(self._rng.choice(_COUNTRIES)))
