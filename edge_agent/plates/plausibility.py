"""Whether the number of passes that a camera reports can be true: cobwebs, swaying signs, flickering parked cars.

Fed with every pass when it is over; looks back over an hour. Four things are beyond what traffic does:

- more passes than a lane can carry, most of which were never read the same twice. A freeway lane carries at most about
  2,400 vehicles an hour (Highway Capacity Manual, base conditions), one every 1.5 s; a camera may see several lanes, so
  the number alone is no proof, and a vehicle is in view for many frames, so that real ones are read the same twice;
- more passes than four such lanes carry, however well they read;
- many passes of which hardly any was ever read the same twice: what changes its text from frame to frame is no plate;
- the same text again and again, or a text that never moves at the same spot again and again: a sign, or a parked car
  that comes and goes behind leaves.

A doubted camera's reads still flow. What its lone looks are worth is what share of its passes was read the same twice
(``agreed_share``); the voter lowers their probabilities by it.

Pure: times are the boot clock's of capture. Memory: at most ``MAX_PASSES`` small tuples. Owned by one voter.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import NamedTuple

from edge_agent.records import Box

HOUR_NS = 3_600_000_000_000
MAX_PASSES = 12_000
LANE_PER_HOUR = 2_400
MAX_LANES = 4
# Fewer passes than these say nothing yet.
_MIN_PASSES = 60
_HARDLY_ANY = 0.2
_MOST = 0.5
# A bus line or a guard's round passes a camera a few times an hour; no vehicle passes every other minute.
_SAME_TEXT = 30
# Cars that stop at the same line do move before or after; sixty that never did are one thing that flickers.
_SAME_SPOT = 60
# Reckoning through the hour at each frame would cost more than it is worth.
_STALE_NS = 10_000_000_000


class _Pass(NamedTuple):
    at_ns: int
    text: str
    spot: tuple[int, int]
    agreed: bool
    stood: bool


class Plausibility:
    """The passes of one camera within the last hour, and whether to believe them.

    Attributes:
        doubt: why they cannot all be true, with figures, for people; empty if they can. Other threads may read it.
    """

    def __init__(self) -> None:
        self._passes: deque[_Pass] = deque(maxlen=MAX_PASSES)
        self.doubt = ""
        self._reckoned_ns: int | None = None

    def note(self, at_ns: int, text: str, box: Box, *, agreed: bool, stood: bool) -> None:
        """Count one pass.

        Args:
            at_ns: when it was over, boot clock; ascending.
            text: what it reads.
            box: where it was.
            agreed: whether two frames read the same.
            stood: whether it was seen long enough to tell, and ended where it began.
        """
        size_px = box.x2 - box.x1
        spot = ((box.x1 + box.x2) // 2 // size_px, (box.y1 + box.y2) // 2 // size_px)
        self._passes.append(_Pass(at_ns, text, spot, agreed, stood))
        while self._passes[0].at_ns <= at_ns - HOUR_NS:
            self._passes.popleft()

    @property
    def agreed_share(self) -> float:
        """Which part of the hour's passes was read the same twice; of the first few, nearer to all than it was."""
        return (sum(p.agreed for p in self._passes) + 1) / (len(self._passes) + 1)

    def reckon(self, at_ns: int) -> None:
        """Renew ``doubt`` for ``at_ns`` of the boot clock; does nothing when that was done seconds ago."""
        if self._reckoned_ns is None or not 0 <= at_ns - self._reckoned_ns < _STALE_NS:
            self._reckoned_ns, self.doubt = at_ns, self._reckon(at_ns)

    def _reckon(self, at_ns: int) -> str:
        while self._passes and self._passes[0].at_ns <= at_ns - HOUR_NS:
            self._passes.popleft()
        count = len(self._passes)
        if count < _SAME_TEXT:
            return ""
        so_many = f"{count:,} passes in an hour" if count < MAX_PASSES else f"more than {count:,} passes in an hour"
        agreed = sum(p.agreed for p in self._passes) / count
        twice = f"{agreed * 100:.0f} in 100 read the same twice"
        look = "look at the picture"
        if count > MAX_LANES * LANE_PER_HOUR:
            return f"{so_many}, more than {MAX_LANES} full lanes; {twice}: {look}"
        if count >= _MIN_PASSES and (agreed < _HARDLY_ANY or (count > LANE_PER_HOUR and agreed < _MOST)):
            return f"{so_many}, {twice}: a cobweb, rain or a sign? {look}"
        text, times = Counter(p.text for p in self._passes).most_common(1)[0]
        if times >= _SAME_TEXT:
            return f"{text} passed {times:,} times in an hour: a sign or a parked car? {look}"
        still = Counter(p.spot for p in self._passes if p.stood)
        if still and (times := still.most_common(1)[0][1]) >= _SAME_SPOT:
            return f"{times:,} passes in an hour at one spot that never moved: a sign, a cobweb or a parked car? {look}"
        return ""
