"""What is around a plate, and on it: the vehicle, a recess, a holder or a dealer's frame, screws, dirt.

A plate is mounted seen straight on; whoever shows it turns the whole. Colours are BGR. All chance comes from the
generator that is passed in. Used by whichever thread or process renders; nothing here is changed after it was made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from models.plate_rendering.stamping import stamp

Image = NDArray[np.uint8]

# Width by height from which a plate is a long one, as in Europe; squarer ones are American (2:1) or have two rows.
_LONG = 2.9

# Cars' paints, the frequent ones several times.
_PAINTS = np.array(
    [
        (18, 18, 18), (18, 18, 18), (30, 28, 28), (30, 28, 28), (55, 52, 50), (90, 88, 86), (125, 122, 120),
        (160, 158, 156), (190, 190, 188), (225, 226, 226), (225, 226, 226), (238, 240, 240),
        (110, 60, 30), (70, 35, 20), (150, 95, 50), (35, 25, 140), (30, 20, 95), (45, 60, 35), (120, 150, 170),
        (60, 85, 110), (40, 130, 190), (40, 190, 215),
    ],
    np.float32,
)  # fmt: skip

_LEGENDS = 96
_LEGEND_PX = 26


@dataclass(frozen=True, slots=True, eq=False)
class Mounted:
    """A plate where it belongs, seen straight on.

    Attributes:
        image: (H, W, 3) uint8 BGR.
        left: of the plate's own outline, px; likewise top, width, height.
        top: see ``left``.
        width: see ``left``.
        height: see ``left``.
        fittings: how far a frame or holder reaches beyond the outline, px (left and right, up, down).
    """

    image: Image
    left: int
    top: int
    width: int
    height: int
    fittings: tuple[int, int, int]


def mount(
    face: Image,
    rng: np.random.Generator,
    width_px: int,
    margins: tuple[float, float],
    patches: Sequence[Image] = (),
    colour: NDArray[np.float32] | None = None,
) -> Mounted:
    """Put a plate on a vehicle.

    Args:
        face: the plate, (H, W, 3) uint8 BGR.
        rng: where chance comes from.
        width_px: how wide to show it.
        margins: how much to show beside it, as shares of its width, and above and below, of its height.
        patches: pieces of photographs without plates, to be behind it now and then.
        colour: the vehicle's paint, (3,) BGR; any if None.
    """
    height_px = max(8, round(width_px * face.shape[0] / face.shape[1]))
    left, top = max(2, round(margins[0] * width_px)), max(2, round(margins[1] * height_px))
    canvas = _vehicle(rng, width_px + 2 * left, height_px + 2 * top, patches, paint(rng) if colour is None else colour)
    long = is_long(face)
    if rng.random() < 0.6:
        _recess(canvas, rng, left, top, width_px, height_px)
    fittings = (0, 0, 0)
    if rng.random() < (0.5 if long else 0.12):
        fittings = _holder(canvas, rng, left, top, width_px, height_px)
    elif rng.random() < 0.5:
        _cast_shadow(canvas, rng, left, top, width_px, height_px)
    if rng.random() < 0.3:
        _posts(canvas, rng, left, top, width_px, height_px)
    plate = _worn(face, rng, width_px, height_px)
    fitted(canvas, plate, left, top, round((0.02 if long else 0.045) * width_px * rng.random()))
    if not long and rng.random() < 0.34:
        fittings = _frame(canvas, rng, left, top, width_px, height_px)
    if rng.random() < (0.25 if long else 0.55):
        _screws(canvas, rng, left, top, width_px, height_px, long=long)
    if rng.random() < 0.12:
        _dirt(canvas[top : top + height_px, left : left + width_px], rng)
    if rng.random() < 0.06:
        _lamps(canvas, rng, left, top, width_px, height_px)
    return Mounted(canvas, left, top, width_px, height_px, fittings)


def is_long(face: Image) -> bool:
    """Whether the plate ``face``, (H, W, 3), is of the long shape that sits in plastic holders."""
    return bool(face.shape[1] / face.shape[0] >= _LONG)


def paint(rng: np.random.Generator) -> NDArray[np.float32]:
    """A colour that cars have, (3,) BGR."""
    return np.asarray(_PAINTS[int(rng.integers(len(_PAINTS)))] * (0.75 + 0.4 * rng.random()), np.float32)


def metal(rng: np.random.Generator, width_px: int, height_px: int, colour: NDArray[np.float32]) -> Image:
    """Painted metal, lit unevenly."""
    shade = colour + rng.normal(0, 3.0 + 14.0 * rng.random(), (4, 5, 1)) + rng.normal(0, 2, (4, 5, 3))
    shade += np.linspace(-1, 1, 4)[:, None, None] * float(rng.normal(0, 25))
    # Smooth first, then large: a smooth enlargement of the whole would cost three times as much.
    small = cv2.resize(shade.clip(0, 255).astype(np.uint8), (30, 24), interpolation=cv2.INTER_CUBIC)
    return np.asarray(cv2.resize(small, (width_px, height_px), interpolation=cv2.INTER_LINEAR), np.uint8)


def legend(rng: np.random.Generator, *, numbers: bool = True) -> Image:
    """Lettering that is no plate's: opacity, (26, w) uint8; a quarter telephone numbers if ``numbers``."""
    drawn = _legends()
    return drawn[int(rng.integers(0 if numbers else _LEGENDS // 4, _LEGENDS))]


def write(canvas: Image, letters: Image, left: int, top: int, width: int, height: int, colour: Sequence[float]) -> None:
    """Lay ``letters`` into a box of ``canvas``; what reaches outside the canvas is left out."""
    if width > 1 and height > 1:
        opacity = np.asarray(cv2.resize(letters, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
        stamp(canvas, opacity, left, top, np.asarray(colour, np.float64))


def fitted(canvas: Image, plate: Image, left: int, top: int, radius_px: int) -> None:
    """Lay ``plate`` onto ``canvas`` with round corners."""
    height, width = plate.shape[:2]
    under = canvas[top : top + height, left : left + width]
    radius = min(radius_px, height // 3)
    if radius < 2:
        under[:] = plate
        return
    corner = _corner(radius)
    for rows, down in ((slice(0, radius), False), (slice(height - radius, height), True)):
        for columns, right in ((slice(0, radius), False), (slice(width - radius, width), True)):
            share = corner[:: -1 if down else 1, :: -1 if right else 1, None]
            plate[rows, columns] = under[rows, columns] * (1.0 - share) + plate[rows, columns] * share
    under[:] = plate


def _vehicle(
    rng: np.random.Generator, width: int, height: int, patches: Sequence[Image], colour: NDArray[np.float32]
) -> Image:
    if patches and rng.random() < 0.4:
        patch = patches[int(rng.integers(len(patches)))]
        turned = patch[:, ::-1] if rng.random() < 0.5 else patch
        return np.asarray(cv2.resize(turned, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
    canvas = metal(rng, width, height, colour)
    for _ in range(int(rng.integers(0, 4))):
        # Edges and gaps of the bumper and the boot lid run level.
        top = int(rng.integers(0, height))
        if rng.random() < 0.5:
            shade = colour * (0.15 + 1.1 * rng.random()) + 12.0
            cv2.rectangle(canvas, (0, top), (width, top + int(rng.integers(1, height))), shade.tolist(), -1)
        else:
            shade = colour * (0.1 if rng.random() < 0.6 else 1.6) + 8.0
            cv2.line(canvas, (0, top), (width, top + int(rng.integers(-3, 4))), shade.tolist(), int(rng.integers(1, 4)))
    if rng.random() < 0.15:
        _bars(canvas, rng)
    return canvas


def _bars(canvas: Image, rng: np.random.Generator) -> None:
    """A grille behind the plate."""
    height, width = canvas.shape[:2]
    step = max(3, round(height * float(rng.uniform(0.05, 0.15))))
    shade = paint(rng).tolist()
    for top in range(int(rng.integers(step)), height, step):
        cv2.rectangle(canvas, (0, top), (width, top + step // 2), shade, -1)


def _recess(canvas: Image, rng: np.random.Generator, left: int, top: int, width: int, height: int) -> None:
    """A hollow for the plate, mostly darker than the paint, with a shadow under its upper lip."""
    beside, above, below = rng.random(3) * (0.22 * width, 0.5 * height, 0.4 * height) + 0.02 * width
    x0, y0 = max(0, round(left - beside)), max(0, round(top - above))
    x1, y1 = round(left + width + beside), round(top + height + below)
    hollow = canvas[y0:y1, x0:x1]
    if rng.random() < 0.35:
        hollow[:] = rng.integers(12, 60)
    else:
        cv2.convertScaleAbs(hollow, hollow, alpha=float(rng.triangular(0.2, 0.65, 1.15)))
    lip = max(1, round(0.25 * above))
    hollow[:lip] = hollow[:lip] // 2
    if rng.random() < 0.6:
        glint = canvas[y1 : y1 + max(1, height // 30), x0:x1]
        cv2.convertScaleAbs(glint, glint, alpha=1.3, beta=18)


def _posts(canvas: Image, rng: np.random.Generator, left: int, top: int, width: int, height: int) -> None:
    """Upright edges close beside the plate: a gap, a lip, a seam. None of them is a character."""
    for side in (-1, 1):
        for _ in range(int(rng.integers(0, 3))):
            wide = max(1, round(width * float(rng.uniform(0.006, 0.035))))
            away = round(width * float(rng.triangular(0.0, 0.0, 0.08)))
            x0 = left - away - wide if side < 0 else left + width + away
            over = round(height * float(rng.uniform(-0.25, 0.4)))
            shade = float(rng.integers(4, 50)) if rng.random() < 0.6 else float(rng.integers(120, 250))
            cv2.rectangle(canvas, (x0, top - over), (x0 + wide - 1, top + height + over), [shade] * 3, -1)


def _cast_shadow(canvas: Image, rng: np.random.Generator, left: int, top: int, width: int, height: int) -> None:
    """The plate stands off the body: a dark rim on the side away from the light."""
    off = max(1, round(0.03 * height * (0.4 + rng.random())))
    across = int(rng.integers(-off, off + 1))
    x0, y0 = max(0, left + across), top + off
    rim = canvas[y0 : y0 + height, x0 : x0 + width]
    cv2.convertScaleAbs(rim, rim, alpha=float(rng.uniform(0.25, 0.7)))


def _holder(
    canvas: Image, rng: np.random.Generator, left: int, top: int, width: int, height: int
) -> tuple[int, int, int]:
    """The plastic tray of long plates: a thin rim, and below a strip with a dealer's name."""
    rim = max(1, round(width * float(rng.uniform(0.006, 0.02))))
    strip = round(height * float(rng.uniform(0.1, 0.22))) if rng.random() < 0.6 else rim
    shade = float(rng.integers(10, 60)) if rng.random() < 0.85 else float(rng.integers(150, 230))
    cv2.rectangle(canvas, (left - rim, top - rim), (left + width + rim - 1, top + height + strip - 1), [shade] * 3, -1)
    letters = round(0.62 * strip)
    if strip > rim and letters >= 3:
        text = legend(rng)
        across = min(round(text.shape[1] * letters / _LEGEND_PX), width)
        start = left + round((width - across) * float(rng.uniform(0.2, 0.8)))
        ink = (235.0, 235.0, 235.0) if shade < 100 else (30.0, 30.0, 30.0)
        write(canvas, text, start, top + height + (strip - letters) // 2, across, letters, ink)
    return rim, rim, strip


def _frame(
    canvas: Image, rng: np.random.Generator, left: int, top: int, width: int, height: int
) -> tuple[int, int, int]:
    """A dealer's frame over the rim of a square plate: it hides the state's name, the slogan, or both."""
    side = max(1, round(width * float(rng.uniform(0.008, 0.042))))
    # Plates of two rows have characters up to the rim.
    most = 0.17 if width > 1.7 * height else 0.06
    upper = round(height * float(rng.uniform(0.03, most)))
    lower = round(height * float(rng.uniform(0.03, most)))
    beyond = max(1, round(width * float(rng.uniform(0.005, 0.035))))
    kind = rng.random()
    colour = paint(rng)
    if kind < 0.45:
        colour = np.full(3, 15.0 + 25.0 * rng.random(), np.float32)
    elif kind < 0.8:
        colour = np.full(3, 150.0 + 90.0 * rng.random(), np.float32)
    x0, y0, x1, y1 = left - beyond, top - beyond, left + width + beyond, top + height + beyond
    for box in (
        (x0, y0, x1, top + upper),
        (x0, top + height - lower, x1, y1),
        (x0, y0, left + side, y1),
        (left + width - side, y0, x1, y1),
    ):
        cv2.rectangle(canvas, box[:2], (box[2] - 1, box[3] - 1), colour.tolist(), -1)
    if kind >= 0.45:
        # Chrome and paint catch the sky on their upper edge.
        cv2.line(canvas, (x0, y0), (x1, y0), np.minimum(255, colour + 45).tolist(), 1)
        cv2.line(canvas, (x0, top + upper), (x1, top + upper), (colour * 0.5).tolist(), 1)
    ink = (240.0, 240.0, 240.0) if float(colour.mean()) < 110 else (35.0, 25.0, 25.0)
    for y, room in ((y0, upper + beyond), (top + height - lower, lower + beyond)):
        letters = round(0.68 * room)
        if letters >= 4 and rng.random() < 0.85:
            text = legend(rng)
            across = min(round(text.shape[1] * letters / _LEGEND_PX), round(0.92 * width))
            write(canvas, text, left + (width - across) // 2, y + (room - letters) // 2, across, letters, ink)
    return beyond, beyond, beyond


def _screws(
    canvas: Image, rng: np.random.Generator, left: int, top: int, width: int, height: int, *, long: bool
) -> None:
    radius = width * float(rng.uniform(0.008, 0.022)) * (0.6 if long else 1.0)
    if radius < 0.6:
        return
    shade = float(rng.choice((35.0, 110.0, 190.0)))
    rows = (0.5,) if long else ((0.085, 0.915) if rng.random() < 0.65 else (0.085,))
    inset = float(rng.uniform(0.015, 0.03)) if long else float(rng.uniform(0.2, 0.25))
    for down in rows:
        for across in (inset, 1.0 - inset):
            centre = round(left + across * width), round(top + down * height)
            cv2.circle(canvas, centre, max(1, round(radius)), [shade] * 3, -1, cv2.LINE_AA)
            if radius >= 2:
                cv2.ellipse(canvas, centre, (round(radius), round(radius)), 0, 20, 160, [shade * 0.4] * 3, 1)
                cv2.ellipse(canvas, centre, (round(radius), round(radius)), 0, 200, 340, [min(255, shade + 60)] * 3, 1)


def _lamps(canvas: Image, rng: np.random.Generator, left: int, top: int, width: int, height: int) -> None:
    """The plate's own lamps by night: one or two warm pools of light from above, and dark elsewhere."""
    pools = np.full((12, 24), float(rng.uniform(0.08, 0.35)), np.float32)
    tall, wide = canvas.shape[0] / 12, canvas.shape[1] / 24
    for across in ((0.5,), (0.25, 0.75))[int(rng.integers(2))]:
        middle = round((left + across * width) / wide), round((top + 0.15 * height) / tall)
        reach = max(1, round(0.35 * width / wide)), max(1, round(0.6 * height / tall))
        cv2.ellipse(pools, middle, reach, 0, 0, 360, float(rng.uniform(0.8, 1.5)), -1)
    soft = cv2.resize(cv2.GaussianBlur(pools, (0, 0), 1.6), canvas.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    warm = cv2.merge([soft * np.float32(gain) for gain in (0.75, 0.92, 1.0)])
    cv2.multiply(canvas, warm, dst=canvas, dtype=cv2.CV_8U)


def _worn(face: Image, rng: np.random.Generator, width: int, height: int) -> Image:
    """The plate at its size, its stamped characters' edges catching the light, its paint aged."""
    how = cv2.INTER_AREA if width < 0.7 * face.shape[1] else cv2.INTER_LINEAR
    plate = np.asarray(cv2.resize(face, (width, height), interpolation=how), np.uint8)
    if rng.random() < 0.55:
        off = max(1, round(width / 110))
        grey = cv2.cvtColor(plate, cv2.COLOR_BGR2GRAY)
        slope = np.zeros((height, width), np.int16)
        across = int(rng.integers(-1, 2)) * off
        lower = grey[off:, max(0, across) : width + min(0, across)].astype(np.int16)
        upper = grey[:-off, max(0, -across) : width + min(0, -across)]
        slope[: height - off, max(0, -across) : width + min(0, -across)] = lower - upper
        # Either side: stamped towards the viewer or away, lit from above or below.
        relief = float(rng.uniform(0.08, 0.4)) * (1 if rng.random() < 0.6 else -1)
        plate = np.asarray(cv2.addWeighted(plate, 1.0, cv2.merge([slope] * 3), relief, 0.0, dtype=cv2.CV_8U), np.uint8)
    if rng.random() < 0.25:
        # Sun and brushes take the ink: everything nears the ground's grey.
        cv2.convertScaleAbs(plate, plate, alpha=float(rng.uniform(0.5, 0.9)), beta=float(rng.uniform(10, 80)))
    return plate


def _dirt(plate: Image, rng: np.random.Generator) -> None:
    """Mud, salt or dust: a film in clouds, and splashes."""
    height, width = plate.shape[:2]
    mud = np.array((60, 80, 95), np.float32) * (0.5 + 1.4 * rng.random())
    clouds = rng.random((5, 9)).astype(np.float32) ** 2 + np.linspace(-0.3, 0.5, 5, dtype=np.float32)[:, None]
    film = cv2.resize(clouds * float(rng.uniform(0.1, 0.6)), (width, height), interpolation=cv2.INTER_CUBIC)
    for _ in range(int(rng.integers(0, 25))):
        centre = int(rng.integers(width)), int(rng.integers(height))
        cv2.circle(
            film, centre, max(1, round(width * 0.012 * float(rng.random()))), 0.3 + 0.5 * float(rng.random()), -1
        )
    share = film.clip(0, 0.72)[:, :, None]
    plate[:] = (plate + share * (mud - plate)).clip(0, 255).astype(np.uint8)


@lru_cache(maxsize=32)
def _corner(radius_px: int) -> NDArray[np.float32]:
    """Opacity of an upper left corner."""
    big = np.zeros((4 * radius_px, 4 * radius_px), np.uint8)
    cv2.circle(big, (4 * radius_px, 4 * radius_px), 4 * radius_px, 255, -1)
    return np.asarray(
        cv2.resize(big, (radius_px, radius_px), interpolation=cv2.INTER_AREA) / np.float32(255), np.float32
    )


@lru_cache(maxsize=1)
def _legends() -> tuple[Image, ...]:
    """Words that nobody has: what frames and stickers say must not be what a reader knows by heart."""
    rng = np.random.default_rng(11)
    fonts = (
        cv2.FONT_HERSHEY_SIMPLEX,
        cv2.FONT_HERSHEY_DUPLEX,
        cv2.FONT_HERSHEY_TRIPLEX,
        cv2.FONT_HERSHEY_SCRIPT_COMPLEX,
    )
    drawn = []
    for number in range(_LEGENDS):
        words = ["".join(rng.choice(list("AEIOUBCDFGHKLMNPRSTVWY"), int(rng.integers(3, 8)))) for _ in range(2)]
        text = " ".join(words) if number >= _LEGENDS // 4 else f"{rng.integers(100, 999)}-{rng.integers(1000, 9999)}"
        font = fonts[int(rng.integers(4))]
        text = text.title() if font == fonts[3] else text
        (width, height), below = cv2.getTextSize(text, font, 1.4, 3)
        picture = np.zeros((height + below + 6, width + 6), np.uint8)
        cv2.putText(picture, text, (3, height + 3), font, 1.4, 255, 3, cv2.LINE_AA)
        across = max(4, round(picture.shape[1] * _LEGEND_PX / picture.shape[0]))
        drawn.append(np.asarray(cv2.resize(picture, (across, _LEGEND_PX), interpolation=cv2.INTER_AREA), np.uint8))
    return tuple(drawn)
