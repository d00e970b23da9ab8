"""Looks that are nobody's: made-up colours, lettering and graphics, which teach the reader characters on any ground."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np

from models.plate_rendering.graphics import ART
from models.plate_rendering.looks import Art, Look, Word

STRAY_LOOKS = 200


@lru_cache(maxsize=STRAY_LOOKS)
def stray_look(number: int) -> Look:
    """Make up a look that is nobody's."""
    rng = np.random.default_rng([55, number])

    def colour(low: int, high: int) -> str:
        return "".join(f"{int(c):02x}" for c in rng.integers(low, high, 3))

    dark = rng.random() < 0.25
    ground_range, ink_range = ((0, 110), (190, 256)) if dark else ((150, 256), (0, 110))
    ground = ", ".join(colour(*ground_range) for _ in range(int(rng.integers(1, 4))))
    ink = colour(*ink_range)
    words = []
    for y in (0.12, 0.9):
        if rng.random() < 0.85:
            style = ("script", "sans", "condensed", "serif", "heavy")[int(rng.integers(5))]
            said = "".join(rng.choice(list("abcdefghijklmnopqrstuvwxyz"), int(rng.integers(4, 14))).tolist()).title()
            words.append(
                Word(
                    said,
                    style,
                    colour(*(ink_range if rng.random() < 0.6 else (0, 256))),
                    0.5,
                    y,
                    float(rng.uniform(0.1, 0.22)),
                )
            )
    names = tuple(ART)
    art = tuple(
        Art(
            names[int(rng.integers(len(names)))],
            float(rng.uniform(0.1, 0.9)),
            float(rng.uniform(0.1, 0.9)),
            float(rng.uniform(0.1, 0.7)),
            float(rng.uniform(0.1, 0.5)),
            tuple(colour(ground_range[0], ground_range[1]) for _ in range(3)),
        )
        for _ in range(int(rng.integers(0, 3)))
    )
    picture = Art(
        names[int(rng.integers(len(names)))],
        width=float(rng.uniform(0.4, 0.9)),
        height=float(rng.uniform(0.5, 1.0)),
        colours=tuple(colour(0, 256) for _ in range(3)),
    )
    shape = ("us", "moto", "eu")[int(rng.choice(3, p=(0.7, 0.12, 0.18)))]
    if shape == "eu":
        return _long(ground, ink, art[:1], picture, rng)
    wells = ((0.08, 0.12), (0.92, 0.12), (0.08, 0.9), (0.92, 0.9))
    return Look(
        "",
        (">" if rng.random() < 0.1 else "") + ground,
        ink,
        tuple(words),
        art,
        picture=picture,
        dash="-. *"[int(rng.choice(4, p=(0.6, 0.15, 0.1, 0.15)))],
        line=(0.54, float(rng.uniform(0.38, 0.54)), 0.9, 0.5),
        stickers=tuple(well for well in wells if rng.random() < 0.4),
        rim=colour(*ink_range) if rng.random() < 0.3 else "",
        shape=shape,
    )


def _long(ground: str, ink: str, art: tuple[Art, ...], picture: Art, rng: np.random.Generator) -> Look:
    """Make up a plate of the long shape: often with something small at its left or in the middle, and a rim."""
    kind = rng.random()
    side = float(rng.uniform(0.03, 0.055))
    arms = [name for name in ART if name.startswith("arms-")]
    left = Art(
        arms[int(rng.integers(len(arms)))] if rng.random() < 0.7 else picture.name,
        side,
        0.5,
        side * 1.1,
        float(rng.uniform(0.5, 0.85)),
        (*picture.colours, ink),
    )
    return Look(
        "",
        ground,
        ink,
        art=(left,) if kind < 0.5 else art,
        picture=replace(picture, width=picture.width * 0.7, height=picture.height * 0.8),
        dash="-. *"[int(rng.choice(4, p=(0.5, 0.15, 0.05, 0.3)))],
        gap=" -.*"[int(rng.choice(4, p=(0.4, 0.2, 0.1, 0.3)))],
        line=(0.5, float(rng.uniform(0.6, 0.74)), 0.86 if kind < 0.5 else 0.93, 0.535 if kind < 0.5 else 0.5),
        rim=ink if rng.random() < 0.6 else "",
        shape="eu",
    )
