"""Which candidate of a new frame belongs to which vehicle's pass.

A candidate joins a track by where the track's plate should be now and by what it reads. Position alone would hand one
car's pass to the next in its lane, and text alone would tear a pass apart at its first misread; so each may overrule
the other where it is strong: at the same spot a third of a second later it is the same plate whatever was read, unless
both are sure of different texts; and the very same text is the same plate wherever it stands.

What cannot be read says nothing about whose plate it is, so it joins only what was seen just before, where it should
be: otherwise the next car, still too far away to be read, would carry on the pass of the one before.

A pole or another car hides part of a plate, and the detector then finds one piece or two. A piece is known by a box
narrower than the plate was and by a text that the plate's contains (``is_piece``).

Pure: no clock, no pixels. Times are boot-clock nanoseconds of capture. Owned by whoever owns the track.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from edge_agent.plates.travel import Way
from edge_agent.records import Box, PlateCandidate, PlateMark

# No vehicle gives its place to another within this time.
_SAME_SPOT_NS = 300_000_000
_SAME_SPOT_IOU = 0.4
# How far from the expected place a plate may be, in its own widths, at once and for each second since it was seen.
_REACH_WIDTHS = 1.0
_REACH_WIDTHS_PER_S = 4.0
# For how long it can be foretold where a plate is, one that cannot be read and one that can.
_UNREAD_NS = 600_000_000
_FORETOLD_NS = 2_000_000_000
# A plate of another size is another plate: within two seconds none doubles its width.
_MAX_SIZE_RATIO = 2.5
_UNREAD_SIZE_RATIO = 1.5
# What a candidate is worth that cannot be read, or stands before a track that could not be: less than any likeness.
_UNREAD = 0.3
_ALIKE = 0.5
_NEARLY_SAME = 0.8
# A text that is nearly the same is looked for this many times as far away.
_ALIKE_REACH = 3
# A garbled look is not sure of itself; one that is, and reads another text, is another plate. What is cut off may be
# sure of anything.
SURE_OF_ANOTHER = 0.5
# A vehicle that moves like this, seen at so many places, does not go back by a plate's width within two seconds.
_MOVING_WIDTHS_PER_S = 0.5
_TELLING_PLACES = 4
# Shorter texts are equal by chance.
_TELLING_LENGTH = 4
_PIECE_LENGTH = 2
_PIECE_ALIKE = 0.65
_PIECE_WIDTH = 0.8
_NESTED = 0.7
# How much of its width a track keeps at each look, as long as looks are narrower: a plate that drives away shrinks.
_SPAN_KEPT = 0.95
# Weight of the newest step in the velocity: detectors' boxes tremble by a pixel or two.
_VELOCITY_GAIN = 0.5
# A plate that stayed within this many of its widths for this long stands.
_STANDING_WIDTHS = 0.5
_STANDING_NS = 3_000_000_000


@dataclass(slots=True)
class PlateTrack:
    """Where a plate was last seen and how it moves.

    Attributes:
        box: its latest place.
        seen_ns: capture time of that, boot clock.
        text: what it reads; empty before it was readable.
        sure: whether several frames agree on ``text``.
        velocity_x: pixels a nanosecond, to the right.
        velocity_y: pixels a nanosecond, downwards.
        way: where it went.
        span_px: how wide the whole plate is by now.
        looks_here: how often it was seen about where it is now.
    """

    box: Box
    seen_ns: int
    text: str = ""
    sure: bool = False
    velocity_x: float = 0.0
    velocity_y: float = 0.0
    way: Way = field(default_factory=Way)
    span_px: float = 0.0
    looks_here: int = 0
    _moving: bool = False
    _stood_at: Box | None = None
    _stood_from_ns: int = 0

    def expected(self, at_ns: int) -> Box:
        """Return where the plate should be at ``at_ns`` if it went on as it did."""
        dx, dy = (round(v * (at_ns - self.seen_ns)) for v in (self.velocity_x, self.velocity_y))
        return Box(self.box.x1 + dx, self.box.y1 + dy, self.box.x2 + dx, self.box.y2 + dy)

    def follow(self, candidate: PlateCandidate, at_ns: int) -> None:
        """Take ``candidate`` as the plate at ``at_ns``."""
        box, gap_ns = candidate.box, at_ns - self.seen_ns
        width_px = box.x2 - box.x1
        self.span_px = max(width_px, _SPAN_KEPT * self.span_px)
        whole = width_px >= _PIECE_WIDTH * self.span_px
        # The middle of a piece says nothing about how fast the plate moves.
        if gap_ns > 0 and whole:
            # The first step is all that is known of the velocity.
            gain = _VELOCITY_GAIN if self._moving else 1.0
            step_x = (box.x1 + box.x2 - self.box.x1 - self.box.x2) / 2 / gap_ns
            step_y = (box.y1 + box.y2 - self.box.y1 - self.box.y2) / 2 / gap_ns
            self.velocity_x += gain * (step_x - self.velocity_x)
            self.velocity_y += gain * (step_y - self.velocity_y)
            self._moving = True
        self.box, self.seen_ns = box, at_ns
        if whole and PlateMark.CUT_OFF not in candidate.marks:
            self.way.follow(box, at_ns)
        if self._stood_at is None or _away(self._stood_at, box) > _STANDING_WIDTHS * width_px:
            self._stood_at, self._stood_from_ns, self.looks_here = box, at_ns, 0
        self.looks_here += 1

    def stays(self, at_ns: int) -> None:
        """Take in that nothing moved until ``at_ns``, so that the plate is where it was."""
        self.seen_ns = at_ns
        self.velocity_x = self.velocity_y = 0.0
        self.way.stays(at_ns)

    def resume(self, later: PlateTrack) -> None:
        """Go on where ``later``, which turned out to be this plate, was seen last."""
        self.box, self.seen_ns = later.box, later.seen_ns
        self.velocity_x, self.velocity_y = later.velocity_x, later.velocity_y
        self.span_px = later.span_px
        self._stood_at, self._stood_from_ns = later._stood_at, later._stood_from_ns
        self.looks_here = later.looks_here

    @property
    def standing(self) -> bool:
        """Whether it stood where it was when it was last seen."""
        return self._stood_at is not None and self.seen_ns - self._stood_from_ns >= _STANDING_NS


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
        if (score := _affinity(track, candidate, texts[c], at_ns)) is not None
    ]
    paired: dict[int, int] = {}
    for _, c, t in sorted(pairs, key=lambda pair: -pair[0]):
        if c not in paired and t not in paired.values():
            paired[c] = t
    return paired


def is_torn_off(elder: PlateTrack, younger: PlateTrack, began: Box, began_ns: int, *, sure: bool) -> bool:
    """Whether a track that began lately, as ``began`` at ``began_ns``, turns out to be part of an elder one.

    It began with a look that was too garbled to tell, and now reads the same or a piece of it, where it could be; the
    ``sure``r it is of its own text, the more must be the same. The caller sees to it that the two were never seen in
    one frame.
    """
    if not (elder.text and younger.text):
        return False
    another = sure and elder.sure and not is_piece(elder, younger.box, younger.text)
    if _likeness(elder, younger.text) < (_NEARLY_SAME if another else _PIECE_ALIKE * _NEARLY_SAME):
        return False
    if elder.seen_ns < began_ns:
        if younger.text != elder.text and _turns_back(elder, began):
            return False
        gap_ns, away_px = began_ns - elder.seen_ns, _away(elder.expected(began_ns), began)
    else:
        gap_ns, away_px = elder.seen_ns - younger.seen_ns, _away(younger.expected(elder.seen_ns), elder.box)
    if not 0 < gap_ns <= _FORETOLD_NS:
        return False
    reach_widths = _REACH_WIDTHS + _REACH_WIDTHS_PER_S * gap_ns / 1e9
    return away_px <= reach_widths * max(elder.span_px, younger.span_px)


def similarity(a: str, b: str) -> float:
    """Return 1 for equal texts, less by each insertion, deletion and substitution, 0 for nothing in common."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        diagonal, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (x != y))
    return 1.0 - row[-1] / max(len(a), len(b), 1)


def is_piece(track: PlateTrack, box: Box, text: str) -> bool:
    """Whether a readable candidate shows only a piece of the track's plate, because the rest is hidden or cut off."""
    return (
        _PIECE_LENGTH <= len(text) < len(track.text)
        and box.x2 - box.x1 < _PIECE_WIDTH * track.span_px
        and _contained(text, track.text) >= _PIECE_ALIKE
    )


def is_second_find(track: PlateTrack, box: Box, text: str, at_ns: int) -> bool:
    """Whether a candidate that joined no track is ``track``'s plate found twice: a piece, or a box around it."""
    if at_ns - track.seen_ns > _SAME_SPOT_NS:
        return False
    if is_piece(track, box, text):
        return _away(track.expected(at_ns), box) <= track.span_px
    within = max(_share_within(box, track.box), _share_within(track.box, box))
    return within >= _NESTED and bool(text) and similarity(track.text, text) >= _NEARLY_SAME


def iou(a: Box, b: Box) -> float:
    """Return the intersection of two boxes over their union."""
    width, height = min(a.x2, b.x2) - max(a.x1, b.x1), min(a.y2, b.y2) - max(a.y1, b.y1)
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / ((a.x2 - a.x1) * (a.y2 - a.y1) + (b.x2 - b.x1) * (b.y2 - b.y1) - shared)


def _contained(part: str, whole: str) -> float:
    """Return 1 where ``part`` stands somewhere in ``whole``, less by each edit that it takes."""
    row = list(range(len(part) + 1))
    best = row[-1]
    for x in whole:
        diagonal, row[0] = row[0], 0
        for j, y in enumerate(part, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (x != y))
        best = min(best, row[-1])
    return 1.0 - best / len(part)


def _affinity(track: PlateTrack, candidate: PlateCandidate, text: str, at_ns: int) -> float | None:
    """Return how well the candidate continues the track, or None if it cannot."""
    box, gap_ns = candidate.box, at_ns - track.seen_ns
    telling = len(text) >= _TELLING_LENGTH
    overlap = _overlap(track, box, at_ns)
    if telling and text == track.text:
        return 3.0 + overlap
    same_spot = overlap >= _SAME_SPOT_IOU and gap_ns <= _SAME_SPOT_NS
    widths = sorted((track.box.x2 - track.box.x1, box.x2 - box.x1))
    reach_widths = _REACH_WIDTHS + _REACH_WIDTHS_PER_S * gap_ns / 1e9
    away_widths = _away(track.expected(at_ns), box) / max(widths[1], track.span_px)
    unread = not (text and track.text)
    if gap_ns > (_UNREAD_NS if unread else _FORETOLD_NS):
        # Only what stood is where it was so long ago, and whatever stands there unread is it.
        away_widths = 0.0
        if not track.standing or iou(track.box, box) < _SAME_SPOT_IOU:
            return None
    elif away_widths > _ALIKE_REACH * reach_widths:
        return None
    elif unread and same_spot:
        return 2.0 + overlap
    if not same_spot and widths[1] > (_UNREAD_SIZE_RATIO if unread else _MAX_SIZE_RATIO) * widths[0]:
        return None
    # The costliest question comes last.
    alike = _UNREAD if unread else _likeness(track, text)
    if not unread and track.sure and _is_sure(candidate):
        # Neighbours in a series are half the same; the next car in the lane, or at the kerb, may be one.
        needed = _ALIKE if same_spot or is_piece(track, box, text) else _NEARLY_SAME
        if alike < needed:
            return None
    if same_spot:
        return 2.0 + max(alike, overlap)
    if _turns_back(track, box):
        return None
    if telling and not unread and alike >= _NEARLY_SAME:
        reach_widths *= _ALIKE_REACH
    if away_widths > reach_widths or (alike < _ALIKE and not unread):
        return None
    return alike + overlap - away_widths / reach_widths


def _is_sure(candidate: PlateCandidate) -> bool:
    return candidate.reading.confidence >= SURE_OF_ANOTHER and PlateMark.CUT_OFF not in candidate.marks


def _turns_back(track: PlateTrack, box: Box) -> bool:
    """Whether ``box`` lies behind a track that moves, as the next car in its lane does."""
    speed = math.hypot(track.velocity_x, track.velocity_y)
    if track.way.places < _TELLING_PLACES or speed * 1e9 < _MOVING_WIDTHS_PER_S * track.span_px:
        return False
    dx, dy = (box.x1 + box.x2 - track.box.x1 - track.box.x2) / 2, (box.y1 + box.y2 - track.box.y1 - track.box.y2) / 2
    return (dx * track.velocity_x + dy * track.velocity_y) / speed < -track.span_px


def _likeness(track: PlateTrack, text: str) -> float:
    alike = similarity(track.text, text)
    pieces = ((text, track.text), (track.text, text)) if alike < _NEARLY_SAME else ()
    for part, whole in pieces:
        if _PIECE_LENGTH <= len(part) < len(whole) and _contained(part, whole) >= _PIECE_ALIKE:
            # A piece of it, or the whole after a piece.
            return max(alike, _contained(part, whole) * _NEARLY_SAME)
    return alike


def _overlap(track: PlateTrack, box: Box, at_ns: int) -> float:
    # A car that brakes is where it was, not where it should be.
    places = (track.expected(at_ns), track.box)
    if box.x2 - box.x1 < _PIECE_WIDTH * track.span_px:
        return max(_share_within(box, place) for place in places)
    return max(iou(place, box) for place in places)


def _share_within(box: Box, place: Box) -> float:
    """Return which part of ``box`` lies in ``place``."""
    width, height = min(place.x2, box.x2) - max(place.x1, box.x1), min(place.y2, box.y2) - max(place.y1, box.y1)
    return max(width, 0) * max(height, 0) / ((box.x2 - box.x1) * (box.y2 - box.y1))


def _away(a: Box, b: Box) -> float:
    """Return how far apart the middles of two boxes are, in pixels."""
    return math.hypot((a.x1 + a.x2 - b.x1 - b.x2) / 2, (a.y1 + a.y2 - b.y1 - b.y2) / 2)
