"""How far confidences are from what they promise: expected calibration error, its interval, tables and the diagram."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BINS = 15
DRAWS = 1000


@dataclass(frozen=True, slots=True)
class Bin:
    """Readings of about one confidence: how many, what they promise on average, and the share that is right."""

    count: int
    promised: float
    right: float


def bins(confidence: NDArray[np.float64], right: NDArray[np.bool_], count: int = BINS) -> list[Bin]:
    """Sort readings by confidence into ``count`` bins of equal size (none empty)."""
    order = np.argsort(confidence, kind="stable")
    parts = [part for part in np.array_split(order, count) if len(part)]
    return [Bin(len(part), float(confidence[part].mean()), float(right[part].mean())) for part in parts]


def calibration_error(confidence: NDArray[np.float64], right: NDArray[np.bool_], count: int = BINS) -> float:
    """Return the expected calibration error over equal-mass bins (Naeini et al., 2015)."""
    found = bins(confidence, right, count)
    return sum(b.count * abs(b.promised - b.right) for b in found) / len(confidence)


def interval(
    confidence: NDArray[np.float64],
    right: NDArray[np.bool_],
    plates: NDArray[np.str_],
    count: int = BINS,
    draws: int = DRAWS,
) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of the calibration error, drawing whole plates with all their views."""
    rng = np.random.default_rng(2026)
    _, plate = np.unique(plates, return_inverse=True)
    views = [np.flatnonzero(plate == p) for p in range(int(plate.max()) + 1)]
    errors = []
    for _ in range(draws):
        drawn = np.concatenate([views[p] for p in rng.integers(0, len(views), len(views))])
        errors.append(calibration_error(confidence[drawn], right[drawn], count))
    low, high = np.percentile(errors, [2.5, 97.5])
    return float(low), float(high)


def diagram(panels: list[tuple[str, list[Bin], list[Bin]]]) -> str:
    """Draw promised against right as SVG: per panel a title, the raw bins and the calibrated ones."""
    side, margin, gap = 260, 46, 40
    width = margin + len(panels) * (side + gap)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {side + 92}" font-family="sans-serif" '
        'font-size="12">',
        f'<rect width="{width}" height="{side + 92}" fill="#fff"/>',
    ]
    for at, (title, raw, fitted) in enumerate(panels):
        left, top = margin + at * (side + gap), 34
        out.append(f'<text x="{left}" y="20" font-weight="bold">{title}</text>')
        out.append(f'<rect x="{left}" y="{top}" width="{side}" height="{side}" fill="none" stroke="#999"/>')
        out.append(f'<path d="M{left} {top + side}L{left + side} {top}" stroke="#999" stroke-dasharray="4 4"/>')
        for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
            x, y = left + tick * side, top + side - tick * side
            out.append(f'<text x="{x:.0f}" y="{top + side + 16}" text-anchor="middle" fill="#444">{tick:g}</text>')
            out.append(f'<text x="{left - 6}" y="{y + 4:.0f}" text-anchor="end" fill="#444">{tick:g}</text>')
        out.append(f'<text x="{left + side / 2:.0f}" y="{top + side + 34}" text-anchor="middle">confidence</text>')
        for found, fill, stroke in ((raw, "none", "#c33"), (fitted, "#06c", "#06c")):
            for b in found:
                x, y = left + b.promised * side, top + side - b.right * side
                out.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{fill}" stroke="{stroke}"/>')
    middle = 34 + side / 2
    out.append(f'<text transform="rotate(-90 12 {middle:.0f})" x="12" y="{middle:.0f}" text-anchor="middle">')
    out.append("share that is right</text>")
    legend = side + 84
    out.append(f'<circle cx="{margin + 4}" cy="{legend - 4}" r="4" fill="none" stroke="#c33"/>')
    out.append(f'<text x="{margin + 14}" y="{legend}">raw</text>')
    out.append(f'<circle cx="{margin + 64}" cy="{legend - 4}" r="4" fill="#06c" stroke="#06c"/>')
    out.append(f'<text x="{margin + 74}" y="{legend}">calibrated, out of fold; each dot as many readings</text>')
    out.append("</svg>\n")
    return "\n".join(out)
