"""Draws docs/matching.svg: recall over false hits, from what ``score_match.py --json`` prints.

python models/plate_matching/curve.py SHIPPED.json OUT-OF-FOLD.json > docs/matching.svg
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

WIDTH, HEIGHT, LEFT, TOP = 640, 380, 60, 20
MOST_FALSE, LEAST_RECALL, MOST_RECALL = 400.0, 0.6, 0.95
GREEN, BLUE, GREY = "#1b7f5c", "#2a5db0", "#666"


def across(false: float) -> float:
    """Return where so many false hits stand; 0 has a place of its own at the left."""
    return LEFT + (WIDTH - LEFT - 30) * (math.log10(max(false, 0.1)) + 1) / (math.log10(MOST_FALSE) + 1)


def down(recall: float) -> float:
    """Return where a recall stands."""
    return TOP + (HEIGHT - TOP - 50) * (MOST_RECALL - recall) / (MOST_RECALL - LEAST_RECALL)


def line(found: dict[str, Any], colour: str, dash: str) -> list[str]:
    """Return one curve with its thresholds."""
    points = [
        (across(at["false_per_1000"]), down(at["recall"]), threshold)
        for threshold, at in found["matcher"].items()
        if at["recall"] >= LEAST_RECALL
    ]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in points)
    drawn = [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/>']
    drawn += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y, _ in points]
    if not dash:
        drawn += [
            f'<text x="{x + 7:.1f}" y="{y + 4:.1f}" fill="{colour}">{threshold}</text>' for x, y, threshold in points
        ]
    return drawn


def main() -> None:
    """Print the drawing."""
    shipped, left_out = (json.loads(Path(name).read_text(encoding="utf-8")) for name in sys.argv[1:3])
    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
    ]
    for false in (0.1, 1, 10, 100):
        label = "0 to 0.1" if false == 0.1 else f"{false:g}"
        drawn.append(f'<path d="M{across(false):.1f} {TOP}V{HEIGHT - 50}" stroke="#ddd"/>')
        drawn.append(f'<text x="{across(false):.1f}" y="{HEIGHT - 32}" text-anchor="middle">{label}</text>')
    for tenth in range(60, 100, 5):
        drawn.append(f'<path d="M{LEFT} {down(tenth / 100):.1f}H{WIDTH - 30}" stroke="#ddd"/>')
        drawn.append(f'<text x="{LEFT - 8}" y="{down(tenth / 100) + 4:.1f}" text-anchor="end">{tenth} %</text>')
    drawn += line(left_out, BLUE, "5 4") + line(shipped, GREEN, "")
    for name in ("exact", "folded", "edit1"):
        x, y = across(shipped[name]["false_per_1000"]), down(shipped[name]["recall"])
        said = {"exact": "exact", "folded": "0/O and 1/I folded", "edit1": "one edit"}[name]
        anchor = "end" if name == "edit1" else "start"
        drawn.append(f'<rect x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8" fill="{GREY}"/>')
        drawn.append(f'<text x="{x + 8:.1f}" y="{y + 16:.1f}" fill="{GREY}" text-anchor="{anchor}">{said}</text>')
    end, legend = f'x="{WIDTH - 40}" text-anchor="end"', HEIGHT - 90
    what = "false hits per 1,000 reads, a million entries"
    drawn += [
        f'<text x="{WIDTH / 2}" y="{HEIGHT - 10}" text-anchor="middle">{what}</text>',
        f'<text {end} y="{legend}" fill="{GREEN}">as shipped, with thresholds</text>',
        f'<text {end} y="{legend + 20}" fill="{BLUE}">five-fold: plates that no fit saw</text>',
        "</svg>",
    ]
    print("\n".join(drawn))


if __name__ == "__main__":
    main()
