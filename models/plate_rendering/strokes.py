"""Strokes: characters written as short paths in a unit box, and drawn as a press would stamp them.

A path is a line of vertices, ``"0,0 1,0o 1,1o 0,1 z"``: x to the right, y down, both from 0 to 1 along the middle of
the stroke; ``w`` for y is the die's waist. A letter behind a vertex rounds it: ``o`` by the die's own corner, ``q`` by
half of that, ``r`` as far as the legs allow, ``e`` by a little; without one it stays sharp. A final ``z`` closes it.

Invariants: everything here is a pure function of its arguments; a mask is exactly as tall as asked, tight in width, and
touches its upper and lower edge wherever a path reaches y = 0 or 1. No thread owns it: only parsed paths are kept.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

Ends = Literal["round", "square"]

# Sub-pixel bits of OpenCV's drawing calls.
_SHIFT = 4
# Characters are drawn this much larger and then brought to size: OpenCV's lines are an even number of pixels wide.
_FINER = 2
# How much wider than asked OpenCV 5 draws what it anti-aliases (measured on upright and diagonal lines and polygons).
_BLEED_PX = 1.4
# Points on a rounded corner; at 160 px more cannot be seen.
_ARC = np.linspace(0.0, 1.0, 9)[:, None]
# A mitre longer than this many half strokes is left to the round joint, except at the upper and lower edge,
# where the die's face cuts it flat (the tops of A, the feet of V).
_MITRE_LIMIT = 2.2


@dataclass(frozen=True, slots=True)
class Pen:
    """How a die's paths become metal; lengths are shares of the character's height.

    Attributes:
        stroke: width of the stroke.
        corner_x: how far a rounded corner begins before it along a horizontal leg.
        corner_y: the same along a vertical leg.
        fullness: 0.55 makes a corner an ellipse, more fills it out towards a square one, less hollows it.
        waist: where 8, B, E and their like are narrowest: a share of the height from above.
        ends: round, or cut square with mitred corners.
        softness: how far the finished outline is rounded off, as a share of half the stroke.
        slant: how far the top leans to the right of the bottom.
    """

    stroke: float
    corner_x: float
    corner_y: float
    fullness: float = 0.55
    waist: float = 0.47
    ends: Ends = "round"
    softness: float = 0.0
    slant: float = 0.0


@lru_cache(maxsize=1024)
def _parsed(path: str) -> tuple[tuple[tuple[float, float | None, str], ...], bool]:
    """Vertices (x, y or None for the waist, corner letter) and whether the path is closed."""
    words = path.split()
    closed = words[-1] == "z"
    vertices: list[tuple[float, float | None, str]] = []
    for word in words[:-1] if closed else words:
        x, _, y = word.partition(",")
        corner = y[-1] if y[-1:] in tuple("oqre") else ""
        ordinate = y[: len(y) - len(corner)]
        try:
            vertices.append((float(x), None if ordinate == "w" else float(ordinate), corner))
        except ValueError:
            raise ValueError(
                f'path "{path}": got vertex "{word}", expected "x,y" or "x,w", then o, q, r, e or nothing'
            ) from None
    return tuple(vertices), closed


def _flattened(path: str, width_px: float, height_px: int, pen: Pen) -> tuple[NDArray[np.float64], bool]:
    """The path as points (n, 2) in pixels, rounded corners as short lines, and whether it is closed."""
    vertices, closed = _parsed(path)
    half = pen.stroke * height_px / 2
    corners = np.array([(x, pen.waist if y is None else y) for x, y, _ in vertices])
    corners = corners * (max(width_px - 2 * half, 1.0), height_px - 2 * half) + half
    kinds = [kind for *_, kind in vertices]
    count = len(corners)
    points: list[NDArray[np.float64]] = []
    for here, kind in enumerate(kinds):
        before, after = here - 1, (here + 1) % count
        if not kind or (not closed and here in (0, count - 1)):
            points.append(corners[here : here + 1])
            continue
        legs = []
        for other in (before, after):
            leg = corners[other] - corners[here]
            length = math.hypot(leg[0], leg[1])
            # An end of an open path has no corner of its own, so the whole leg is free.
            rounded = kinds[other] and (closed or other % count not in (0, count - 1))
            room = length * (0.5 if rounded else 1.0)
            reach = math.hypot(pen.corner_x * leg[0], pen.corner_y * leg[1]) / max(length, 1e-9) * height_px
            reach = {"o": reach, "q": reach / 2, "r": room, "e": 0.7 * half}[kind]
            legs.append(leg / max(length, 1e-9) * min(reach, room))
        start, end = corners[here] + legs[0], corners[here] + legs[1]
        first, second = start - pen.fullness * legs[0], end - pen.fullness * legs[1]
        rest = 1 - _ARC
        points.append(rest**3 * start + 3 * rest**2 * _ARC * first + 3 * rest * _ARC**2 * second + _ARC**3 * end)
    return np.concatenate(points), closed


def _fixed(points: NDArray[np.float64]) -> NDArray[np.int32]:
    """Points in OpenCV's fixed-point form."""
    return np.round(points * (1 << _SHIFT)).astype(np.int32)


def _thickness_px(half: float) -> int:
    """What to ask of OpenCV for a line twice ``half`` wide."""
    return max(2, 2 * round(half - _BLEED_PX / 2))


def _stamp_square(mask: NDArray[np.uint8], points: NDArray[np.float64], closed: bool, half: float) -> None:
    """Draw one path with square ends and mitred corners; what passes the upper or lower edge is cut off there."""
    top, bottom = half + 0.5, mask.shape[0] - half - 1.5
    if closed:
        points = np.concatenate((points, points[:1]))
    # Neighbouring corners may meet in one point, from which no direction follows.
    steps = np.hypot(*np.diff(points, axis=0).T)
    points = points[np.concatenate(([True], steps > 1e-3))]
    legs = np.diff(points, axis=0)
    units = legs / np.hypot(legs[:, 0], legs[:, 1])[:, None]
    metal = half - _BLEED_PX / 2
    across = np.stack((-units[:, 1], units[:, 0]), axis=1) * metal
    # The round ends of the middle of the path lie inside its square ends.
    body = points if closed else points[1:-1]
    if len(body):
        cv2.polylines(mask, [_fixed(body)], False, 255, _thickness_px(half), cv2.LINE_AA, _SHIFT)
    if not closed:
        for end, inner, unit, side in (
            (points[0], points[1], -units[0], across[0]),
            (points[-1], points[-2], units[-1], across[-1]),
        ):
            outer = end + unit * _overrun(end, unit, half, top, bottom)
            _fill(mask, (inner + side, outer + side, outer - side, inner - side))
    follows = np.roll(np.arange(len(units)), -1)[: None if closed else -1]
    cosines = np.sum(units[: len(follows)] * units[follows], axis=1)
    for i in np.flatnonzero(cosines < 0.9):
        joint, follow = points[i + 1], follows[i]
        mitre = 1 / math.sqrt(max((1 + float(cosines[i])) / 2, 1e-3))
        if mitre > _MITRE_LIMIT and top < joint[1] < bottom:
            continue
        turn = units[i][0] * units[follow][1] - units[i][1] * units[follow][0]
        sign = -1.0 if turn > 0 else 1.0
        first, second = across[i] * sign, across[follow] * sign
        middle = first + second
        tip = middle / max(float(np.hypot(*middle)), 1e-9) * metal * min(mitre, 6.0)
        _fill(mask, (joint, joint + first, joint + tip, joint + second))


def _fill(mask: NDArray[np.uint8], corners: tuple[NDArray[np.float64], ...]) -> None:
    """Fill a convex polygon."""
    cv2.fillConvexPoly(mask, _fixed(np.array(corners)), 255, cv2.LINE_AA, _SHIFT)


def _overrun(end: NDArray[np.float64], unit: NDArray[np.float64], half: float, top: float, bottom: float) -> float:
    """How far a square end reaches beyond its vertex: to the edge of the face, or not at all inside it."""
    if abs(unit[1]) > 0.3 and (end[1] <= top or end[1] >= bottom):
        return 2.4 * half / math.sqrt(abs(unit[1]))
    return half if abs(unit[0]) > 0.9 else 0.0


def stamp(paths: tuple[str, ...], width: float, height_px: int, pen: Pen) -> NDArray[np.uint8]:
    """Draw a character.

    Args:
        paths: its strokes, in the language of this module.
        width: the character's outer width as a share of its height; no less than one stroke is drawn.
        height_px: its height.
        pen: the die's stroke.

    Returns:
        Opacity, (height_px, w) uint8; w is tight.

    Raises:
        ValueError: a path that cannot be parsed.
    """
    fine_px = _FINER * height_px
    half = pen.stroke * fine_px / 2
    margin = _FINER * math.ceil(2 * pen.stroke * height_px + abs(pen.slant) * height_px)
    width_px = max(width, pen.stroke) * fine_px
    mask = np.zeros((fine_px, _FINER * math.ceil(width_px / _FINER) + 2 * margin), np.uint8)
    # OpenCV counts from the middle of a pixel.
    offset = np.array((margin - 0.5, -0.5))
    for path in paths:
        points, closed = _flattened(path, width_px, fine_px, pen)
        points = points + offset
        if pen.ends == "square":
            _stamp_square(mask, points, closed, half)
        else:
            cv2.polylines(mask, [_fixed(points)], closed, 255, _thickness_px(half), cv2.LINE_AA, _SHIFT)
    size = (mask.shape[1] // _FINER, height_px)
    mask = np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    if pen.softness > 0:
        # Blur and a steep threshold round every corner by the same radius, as drawn metal is.
        framed = cv2.copyMakeBorder(mask, margin, margin, 0, 0, cv2.BORDER_CONSTANT, value=0)
        sigma_px = max(0.5, half / _FINER * pen.softness)
        soft = cv2.GaussianBlur(framed, (0, 0), sigma_px)[margin:-margin]
        mask = np.clip((soft.astype(np.float32) - 128.0) * 6.0 + 128.0, 0, 255).astype(np.uint8)
    if pen.slant:
        lean = np.array(((1.0, -pen.slant, pen.slant * height_px / 2), (0.0, 1.0, 0.0)))
        mask = np.asarray(cv2.warpAffine(mask, lean, (mask.shape[1], height_px)), dtype=np.uint8)
    return tight(mask)


def tight(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Cut empty columns off both sides of a mask (h, w) that has something in it."""
    columns = np.flatnonzero(mask.max(axis=0) > 16)
    return mask[:, columns[0] : columns[-1] + 1]
