"""The brush: draws polygons, lines, ellipses and letters into one box of a canvas, in shares of that box."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from models.plate_rendering import fonts
from models.plate_rendering.looks import Art, colour_of
from models.plate_rendering.stamping import stamp

Canvas = NDArray[np.uint8]
"""(H, W, 3) uint8 BGR, drawn into in place."""
Bgr = tuple[int, int, int]
Points = Sequence[tuple[float, float]]


class Brush:
    """Draws into one box of a canvas, with the box's own coordinates from 0 to 1.

    Attributes:
        colours: the art's colours, BGR.
    """

    def __init__(self, canvas: Canvas, art: Art, box: tuple[float, float, float, float]) -> None:
        """Aim at ``box``: left, top, width and height in pixels of ``canvas``."""
        self._canvas = canvas
        self._left, self._top, self.width_px, self.height_px = box
        self.colours: tuple[Bgr, ...] = tuple(colour_of(code) for code in art.colours)

    def colour(self, index: int) -> Bgr:
        """Return the colour of that number; the last one stands for those that are not given."""
        return self.colours[min(index, len(self.colours) - 1)]

    def _at(self, points: Points) -> NDArray[np.int32]:
        places = np.asarray(points, np.float64) * (self.width_px, self.height_px) + (self._left, self._top)
        return np.asarray(np.rint(places), np.int32)

    def polygon(self, points: Points, colour: Bgr) -> None:
        """Fill a polygon."""
        cv2.fillPoly(self._canvas, [self._at(points)], colour, cv2.LINE_AA)

    def line(self, points: Points, colour: Bgr, thickness: float, closed: bool = False) -> None:
        """Draw a polyline; ``thickness`` as a share of the box's height."""
        thickness_px = max(1, round(thickness * self.height_px))
        cv2.polylines(self._canvas, [self._at(points)], closed, colour, thickness_px, cv2.LINE_AA)

    def ellipse(
        self,
        centre: tuple[float, float],
        radii: tuple[float, float],
        colour: Bgr,
        thickness: float = -1,
        arc: tuple[float, float] = (0, 360),
    ) -> None:
        """Draw an ellipse, ``radii`` being shares of width and height: filled, or a line (a share of the height)."""
        (x, y) = self._at([centre])[0].tolist()
        axes = (max(1, round(radii[0] * self.width_px)), max(1, round(radii[1] * self.height_px)))
        line_px = -1 if thickness < 0 else max(1, round(thickness * self.height_px))
        cv2.ellipse(self._canvas, (x, y), axes, 0, arc[0], arc[1], colour, line_px, cv2.LINE_AA)

    def write(self, text: str, box: tuple[float, float, float, float], colour: Bgr) -> None:
        """Print ``text`` so that it fills left, top, right and bottom of ``box``."""
        (left, top), (right, bottom) = self._at([box[:2], box[2:]]).tolist()
        width_px, height_px = max(2, right - left), max(2, bottom - top)
        drawn = fonts.lettering(text, "sans", 40)
        letters = np.asarray(cv2.resize(drawn, (width_px, height_px), interpolation=cv2.INTER_AREA), np.uint8)
        stamp(self._canvas, letters, left, top, np.asarray(colour, np.float64))
