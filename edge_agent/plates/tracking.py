"""Which candidate of a new frame belongs to which vehicle's pass.

A candidate joins a track by where the track's plate should be now and by what it reads. Position alone would hand one
car's pass to the next in its lane, and text alone would tear a pass apart at its first misread; so each may overrule
the other where it is strong: at the same spot a third of a second later it is the same plate whatever was read, and
the very same text is the same plate wherever it stands.

Pure: no clock, no pixels. Times are boot-clock nanoseconds of capture. Owned by whoever owns the track.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edge_agent.records import Box, PlateCandidate

# No vehicle gives its place to another within this time.
_SAME_SPOT_NS = 300_000_000
_SAME_SPOT_IOU = 0.4
# How far from the expected centre a plate may be, in its own widths, at once and for each second since it was seen.
_REACH_WIDTHS = 1.0
_REACH_WIDTHS_PER_S = 4.0
# A plate of another size is another plate: within two seconds none doubles its width.
_MAX_SIZE_RATIO = 2.5
_ALIKE = 0.5
_NEARLY_SAME = 0.8
# Shorter texts are equal by chance.
_TELLING_LENGTH = 4
# Weight of the newest step in the velocity: detectors' boxes tremble by a pixel or two.
_VELOCITY_GAIN = 0.5


@dataclass(slots=True)
class PlateTrack:
    """Where a plate was last seen and how it moves.

    Attributes:
        box: its latest place.
        seen_ns: capture time of that, boot clock.
        text: what it was last read as; empty before it was readable.
        velocity_x: pixels a nanosecond, to the right.
        velocity_y: pixels a nanosecond, downwards.
    """

    box: Box
    seen_ns: int
    text: str = ""
    velocity_x: float = 0.0
    velocity_y: float = 0.0

    def expected(self, at_ns: int) -> Box:
        """Return where the plate should be at ``at_ns`` if it went on as it did."""
        dx, dy = (round(v * (at_ns - self.seen_ns)) for v in (self.velocity_x, self.velocity_y))
        return Box(self.box.x1 + dx, self.box.y1 + dy, self.box.x2 + dx, self.box.y2 + dy)

    def follow(self, box: Box, at_ns: int, text: str) -> None:
        """Take ``box`` as the plate's place at ``at_ns``; ``text`` is empty where it could not be read."""
        gap_ns = at_ns - self.seen_ns
        if gap_ns > 0:
            step_x = (box.x1 + box.x2 - self.box.x1 - self.box.x2) / 2 / gap_ns
            step_y = (box.y1 + box.y2 - self.box.y1 - self.box.y2) / 2 / gap_ns
            self.velocity_x += _VELOCITY_GAIN * (step_x - self.velocity_x)
            self.velocity_y += _VELOCITY_GAIN * (step_y - self.velocity_y)
        self.box, self.seen_ns = box, at_ns
        self.text = text or self.text


def assign(
    tracks: Sequence[PlateTrack], candidates: Sequence[PlateCandidate], texts: Sequence[str], at_ns: int
) -> Mapping[int, int]:
    """Pair candidates with tracks, one to one, the likeliest pair first.

    Args:
        tracks: the open tracks of this camera and scene.
        candidates: the plates of one frame.
        texts: what each candidate reads; empty where it is not readable.
        at_ns: the frame's capture time, boot clock.

    Returns:
        Index of the track by index of the candidate; candidates that belong to none are left out.
    """
    pairs = [
        (score, c, t)
        for c, candidate in enumerate(candidates)
        for t, track in enumerate(tracks)
        if (score := _affinity(track, candidate.box, texts[c], at_ns)) is not None
    ]
    paired: dict[int, int] = {}
    for _, c, t in sorted(pairs, key=lambda pair: -pair[0]):
        if c not in paired and t not in paired.values():
            paired[c] = t
    return paired


def similarity(a: str, b: str) -> float:
    """Return 1 for equal texts, less by each insertion, deletion and substitution, 0 for nothing in common."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        diagonal, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (x != y))
    return 1.0 - row[-1] / max(len(a), len(b), 1)


def iou(a: Box, b: Box) -> float:
    """Return the intersection of two boxes over their union."""
    width, height = min(a.x2, b.x2) - max(a.x1, b.x1), min(a.y2, b.y2) - max(a.y1, b.y1)
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / ((a.x2 - a.x1) * (a.y2 - a.y1) + (b.x2 - b.x1) * (b.y2 - b.y1) - shared)


def _affinity(track: PlateTrack, box: Box, text: str, at_ns: int) -> float | None:
    """Return how well the candidate continues the track, or None if it cannot."""
    gap_ns = at_ns - track.seen_ns
    alike = similarity(track.text, text) if track.text and text else None
    telling = len(text) >= _TELLING_LENGTH
    if telling and alike == 1.0:
        return 3.0 + _overlap(track, box, at_ns)
    widths = sorted((track.box.x2 - track.box.x1, box.x2 - box.x1))
    if widths[1] > _MAX_SIZE_RATIO * widths[0]:
        return None
    overlap = _overlap(track, box, at_ns)
    if overlap >= _SAME_SPOT_IOU and gap_ns <= _SAME_SPOT_NS:
        return 2.0 + overlap
    expected = track.expected(at_ns)
    dx, dy = (expected.x1 + expected.x2 - box.x1 - box.x2) / 2, (expected.y1 + expected.y2 - box.y1 - box.y2) / 2
    away_widths = math.hypot(dx, dy) / widths[1]
    reach_widths = _REACH_WIDTHS + _REACH_WIDTHS_PER_S * gap_ns / 1e9
    if telling and alike is not None and alike >= _NEARLY_SAME:
        reach_widths *= 3
    if away_widths > reach_widths or (alike is not None and alike < _ALIKE):
        return None
    return (alike if alike is not None else _ALIKE) + overlap - away_widths / reach_widths


def _overlap(track: PlateTrack, box: Box, at_ns: int) -> float:
    # A car that brakes is where it was, not where it should be.
    return max(iou(track.expected(at_ns), box), iou(track.box, box))
