"""What detectors take for plates and is none: lamps, grilles, stickers, badges, signs, empty recesses, clocks.

Everything is pasted into a photograph as ``pasting.paste`` pastes plates, and nothing of it bears a serial in a plate's
outline. All chance comes from the generator passed in; the scene is changed in place, by the one thread that owns it.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from models.plate_rendering import imaging, pasting, surroundings

Image = NDArray[np.uint8]

# Width of a drawing, px, before it is brought to its size; its height follows from the kind's shape.
_DRAWN_PX = 160


def distractor(
    scene: Image, rng: np.random.Generator, centre: tuple[float, float], size: float, kind: str | None = None
) -> None:
    """Put something that is no plate into ``scene``.

    Args:
        scene: (H, W, 3) uint8 BGR; changed in place.
        rng: where chance comes from.
        centre: x and y of its middle, px.
        size: its width, px.
        kind: one of ``KINDS``; any of them if None.

    Raises:
        ValueError: there is no such kind.
    """
    if kind is None:
        kind = KINDS[int(rng.integers(len(KINDS)))]
    elif kind not in KINDS:
        raise ValueError(f"kind: got {kind!r}, expected one of {', '.join(KINDS)}.")
    if kind in _WRITTEN:
        _WRITTEN[kind](scene, rng, centre, size)
        return
    picture, mask = _DRAWINGS[kind](rng)
    height, width = mask.shape
    quad = imaging.turned(rng, height / width) * size + np.asarray(centre)
    corners = np.array(((0, 0), (width, 0), (width, height), (0, height)), np.float32)
    pasting.lay(scene, picture, mask, corners, quad.astype(np.float32), rng)


def _blank(rng: np.random.Generator, least: float, most: float) -> tuple[Image, Image]:
    """A piece of vehicle of ``least`` to ``most`` height by width, and an empty mask for it."""
    height = max(8, round(_DRAWN_PX * float(rng.uniform(least, most))))
    picture = surroundings.metal(rng, _DRAWN_PX, height, surroundings.paint(rng))
    return picture, np.zeros((height, _DRAWN_PX), np.uint8)


def _lamp(rng: np.random.Generator) -> tuple[Image, Image]:
    """A tail light: red, amber and clear fields, ribs, a lit core now and then."""
    picture, mask = _blank(rng, 0.25, 0.9)
    height, width = mask.shape
    picture[:] = np.array((25, 20, 120), np.uint8) + rng.integers(0, 50, 3).astype(np.uint8)
    x = 0
    while x < width:
        step = int(rng.integers(20, 80))
        colour = ((30, 25, 190), (20, 15, 110), (60, 140, 235), (215, 215, 220), (90, 85, 200))[int(rng.integers(5))]
        cv2.rectangle(picture, (x, 0), (x + step, height), colour, -1)
        x += step
    for y in range(0, height, int(rng.integers(4, 12))):
        cv2.line(picture, (0, y), (width, y), (40, 40, 90), 1)
    if rng.random() < 0.35:
        core = np.zeros_like(picture)
        cv2.ellipse(
            core, (int(rng.integers(width)), height // 2), (width // 4, height // 3), 0, 0, 360, (150, 190, 255), -1
        )
        picture = np.asarray(cv2.add(picture, cv2.GaussianBlur(core, (0, 0), 8)), np.uint8)
    cv2.ellipse(mask, (width // 2, height // 2), (width // 2, height // 2), 0, 0, 360, 255, -1)
    if rng.random() < 0.6:
        cv2.rectangle(mask, (0, height // 6), (width, height), 255, -1)
    return picture, mask


def _grille(rng: np.random.Generator) -> tuple[Image, Image]:
    """Parallel bars, or a mesh."""
    picture, mask = _blank(rng, 0.2, 0.6)
    height, width = mask.shape
    picture[:] = rng.integers(5, 40)
    colour = surroundings.paint(rng).tolist() if rng.random() < 0.5 else [float(rng.integers(120, 240))] * 3
    upright = rng.random() < 0.45
    step = int(rng.integers(6, 20))
    thick = max(1, round(step * float(rng.uniform(0.2, 0.6))))
    mesh = rng.random() < 0.25
    if upright or mesh:
        for x in range(0, width, step):
            cv2.line(picture, (x, 0), (x, height), colour, thick)
    if not upright or mesh:
        for y in range(0, height, step):
            cv2.line(picture, (0, y), (width, y), colour, thick)
    if rng.random() < 0.3:
        cv2.circle(picture, (width // 2, height // 2), height // 3, (200, 200, 200), max(2, height // 14), cv2.LINE_AA)
    mask[:] = 255
    return picture, mask


def _sticker(rng: np.random.Generator) -> tuple[Image, Image]:
    """A bumper sticker: words in one or two colours, in a box that is longer or shorter than a plate."""
    shape = float(rng.uniform(0.12, 0.24) if rng.random() < 0.6 else rng.uniform(0.55, 1.0))
    picture, mask = _blank(rng, shape, shape)
    height, width = mask.shape
    ground, ink = rng.integers(0, 256, 3).astype(float), rng.integers(0, 256, 3).astype(float)
    if abs(float(ground.mean() - ink.mean())) < 70:
        ink = (ground + 128.0) % 256.0
    picture[:] = ground.astype(np.uint8)
    lines = 1 if height < 40 else int(rng.integers(2, 5))
    room = height // lines
    for line in range(lines):
        letters = max(4, round(room * float(rng.uniform(0.3, 0.75))))
        across = round(width * float(rng.uniform(0.5, 0.95)))
        surroundings.write(
            picture,
            # A number alone in a long box would be a plate.
            surroundings.legend(rng, numbers=lines > 1),
            (width - across) // 2,
            line * room + (room - letters) // 2,
            across,
            letters,
            ink.tolist(),
        )
    mask[:] = 255
    return picture, mask


def _badge(rng: np.random.Generator) -> tuple[Image, Image]:
    """Chrome letters on paint: a make, a model, a trim."""
    picture, mask = _blank(rng, 0.14, 0.3)
    height, width = mask.shape
    ink = float(rng.choice((40.0, 170.0, 235.0)))
    letters = round(height * 0.6)
    text, top = surroundings.legend(rng, numbers=False), (height - letters) // 2
    surroundings.write(picture, text, 6, top + 1, width - 12, letters, [ink * 0.4] * 3)
    surroundings.write(picture, text, 5, top, width - 12, letters, [ink] * 3)
    mask[:] = 255
    return picture, np.asarray(cv2.GaussianBlur(mask, (0, 0), 4), np.uint8)


def _sign(rng: np.random.Generator) -> tuple[Image, Image]:
    """A road sign or a house number: a border, words or a number, the colours of signs."""
    picture, mask = _blank(rng, 0.3, 1.1)
    height, width = mask.shape
    ground, ink = (
        ((70, 110, 10), (240, 240, 240)), ((160, 80, 10), (240, 240, 240)), ((235, 235, 235), (20, 20, 20)),
        ((20, 190, 240), (20, 20, 20)), ((235, 235, 235), (40, 30, 190)), ((30, 25, 170), (240, 240, 240)),
    )[int(rng.integers(6))]  # fmt: skip
    picture[:] = ground
    if rng.random() < 0.6:
        cv2.rectangle(picture, (4, 4), (width - 5, height - 5), ink, 2)
    lines = int(rng.integers(2, 4)) if height > 60 else int(rng.integers(1, 3))
    room = (height - 12) // lines
    for line in range(lines):
        across = round(width * float(rng.uniform(0.3, 0.85)))
        letters = max(4, round(room * float(rng.uniform(0.35, 0.7))))
        top = 6 + line * room + (room - letters) // 2
        if rng.random() < 0.25:
            cv2.arrowedLine(picture, (width // 5, top + letters // 2), (4 * width // 5, top + letters // 2), ink, 3)
        else:
            text = surroundings.legend(rng, numbers=lines > 2)
            surroundings.write(picture, text, (width - across) // 2, top, across, letters, ink)
    mask[:] = 255
    return picture, mask


def _recess(rng: np.random.Generator) -> tuple[Image, Image]:
    """The place for a plate, without one."""
    picture, mask = _blank(rng, 0.3, 0.65)
    height, width = mask.shape
    x, y = int(rng.integers(6, 30)), int(rng.integers(4, 16))
    inside = picture[y : height - y, x : width - x]
    cv2.convertScaleAbs(inside, inside, alpha=float(rng.uniform(0.2, 0.8)))
    inside[: max(2, height // 10)] //= 2
    if rng.random() < 0.5:
        for across in (0.25, 0.75):
            cv2.circle(picture, (round(across * width), height // 2), 2, (150, 150, 150), -1)
    mask[:] = 255
    return picture, np.asarray(cv2.GaussianBlur(mask, (0, 0), 5), np.uint8)


def _frame(rng: np.random.Generator) -> tuple[Image, Image]:
    """A dealer's frame with lettering and nothing in it but the vehicle, or an advertisement's plain card."""
    picture, mask = _blank(rng, 0.24, 0.56)
    height, width = mask.shape
    shade = float(rng.choice((20.0, 60.0, 200.0)))
    side, rim = 5, max(5, round(height * 0.15))
    inside = picture[rim : height - rim, side : width - side].copy()
    picture[:] = int(shade)
    picture[rim : height - rim, side : width - side] = inside
    ink = [235.0] * 3 if shade < 100 else [25.0] * 3
    for top in (0, height - rim):
        if rng.random() < 0.7:
            surroundings.write(
                picture, surroundings.legend(rng), width // 5, top + 1, 3 * width // 5, max(3, rim - 3), ink
            )
    mask[:] = 255
    return picture, mask


def _timestamp(scene: Image, rng: np.random.Generator, centre: tuple[float, float], size: float) -> None:
    """A camera's overlay of date and time: not in the world, so neither lit nor turned nor blurred."""
    hour, minute, second = (int(number) for number in rng.integers(0, (24, 60, 60)))
    day = f"{rng.integers(2004, 2030)}-{rng.integers(1, 13):02d}-{rng.integers(1, 29):02d}"
    time = f"{hour:02d}:{minute:02d}:{second:02d}"
    chance = rng.random()
    lines = [day, time] if chance < 0.5 else [f"{day} {time}"] if chance < 0.8 else [time]
    if chance > 0.95:
        lines = [f"CAM {minute:02d}"]
    ink = ((255, 255, 255), (255, 255, 255), (0, 255, 255), (0, 220, 0))[int(rng.integers(4))]
    _write(scene, rng, lines, centre, size, ink, boxed=rng.random() < 0.25, rimmed=rng.random() < 0.6)


def _lettering(scene: Image, rng: np.random.Generator, centre: tuple[float, float], size: float) -> None:
    """A model's or a maker's name on the paint: chrome or dark letters with a shaded rim, and nothing behind them."""
    letters = rng.integers(0, 26, int(rng.integers(4, 10)))
    shade = int(rng.integers(150, 256)) if rng.random() < 0.7 else int(rng.integers(0, 90))
    text = "".join(chr(65 + int(letter)) for letter in letters)
    _write(scene, rng, [text], centre, size, (shade, shade, shade), boxed=False, rimmed=rng.random() < 0.7)


def _write(
    scene: Image,
    rng: np.random.Generator,
    lines: list[str],
    centre: tuple[float, float],
    size: float,
    ink: tuple[int, int, int],
    *,
    boxed: bool,
    rimmed: bool,
) -> None:
    """Write ``lines`` one below the other, the widest ``size`` px wide; on black, or with a dark rim, if so told."""
    font = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_PLAIN)[int(rng.integers(3))]
    sizes = [cv2.getTextSize(line, font, 1.0, 1)[0] for line in lines]
    scale = size / max(width for width, _ in sizes)
    high = scale * sizes[0][1]
    step = high * float(rng.uniform(1.25, 1.7))
    align = float(rng.choice((0.0, 0.5, 1.0)))
    top = centre[1] - (step * (len(lines) - 1) + high) / 2
    if boxed:
        corner = round(centre[0] - size / 2) - 3, round(top) - 3
        far = round(centre[0] + size / 2) + 3, round(top + step * (len(lines) - 1) + 1.2 * high) + 3
        cv2.rectangle(scene, corner, far, (0, 0, 0), -1)
    thick = max(1, round(scale * 1.5))
    for at, (line, (width, _)) in enumerate(zip(lines, sizes, strict=True)):
        left = round(centre[0] - size / 2 + align * (size - scale * width))
        place = left, round(top + at * step + high)
        if rimmed:
            for dx, dy in ((-1, -1), (1, -1), (-1, 1), (1, 1)):
                beside = place[0] + dx, place[1] + dy
                cv2.putText(scene, line, beside, font, scale, (15, 15, 15), thick, cv2.LINE_AA)
        cv2.putText(scene, line, place, font, scale, ink, thick, cv2.LINE_AA)


_DRAWINGS: dict[str, Callable[[np.random.Generator], tuple[Image, Image]]] = {
    "lamp": _lamp,
    "grille": _grille,
    "sticker": _sticker,
    "badge": _badge,
    "sign": _sign,
    "recess": _recess,
    "frame": _frame,
}
_WRITTEN: dict[str, Callable[[Image, np.random.Generator, tuple[float, float], float], None]] = {
    "timestamp": _timestamp,
    "lettering": _lettering,
}
KINDS: tuple[str, ...] = (*_DRAWINGS, *_WRITTEN)
