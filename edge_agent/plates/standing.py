"""Standing plates that have had their read, so that they get no second one.

A pass of a plate that stood ends when there is no more room for it, or when the stream breaks off and comes back. The
plate may still be there. It is remembered by its place and its text; a candidate at that place that reads the same, or
cannot be read, is that plate and begins no pass. One that reads something else is another car at the same kerb, and one
that reads the same elsewhere is a car that drove off: both begin a pass.

Pure: times are the boot clock's of capture. Memory: at most ``MAX_REMEMBERED`` entries. Owned by one voter.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge_agent.plates.tracking import iou, similarity
from edge_agent.records import Box

MAX_REMEMBERED = 256
# A place that nobody was seen at for so long is free.
FORGET_NS = 900_000_000_000

_SAME_PLACE_IOU = 0.4
_SAME_TEXT = 0.8


@dataclass(slots=True)
class _Standing:
    box: Box
    text: str
    seen_ns: int


class StandingPlates:
    """What stands in view of one camera and was published."""

    def __init__(self) -> None:
        self._plates: list[_Standing] = []

    def __len__(self) -> int:
        return len(self._plates)

    def remember(self, box: Box, text: str, seen_ns: int) -> None:
        """Keep a plate that stood at ``box`` when it was last seen; the one seen longest ago gives way."""
        self._plates.append(_Standing(box, text, seen_ns))
        if len(self._plates) > MAX_REMEMBERED:
            self._plates.remove(min(self._plates, key=lambda p: p.seen_ns))

    def recognise(self, box: Box, text: str, at_ns: int) -> bool:
        """Whether the candidate at ``box`` that reads ``text`` (empty: unreadable) is a remembered plate."""
        self._plates = [p for p in self._plates if 0 <= at_ns - p.seen_ns <= FORGET_NS]
        for plate in self._plates:
            if iou(plate.box, box) >= _SAME_PLACE_IOU and (not text or similarity(plate.text, text) >= _SAME_TEXT):
                plate.seen_ns = at_ns
                return True
        return False
