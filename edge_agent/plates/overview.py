"""The overview camera's frame that shows the vehicle whose plate the other camera read.

A plate camera sees a plate and little else; its paired overview camera sees the vehicle. ``RecentFrames`` remembers the
last seconds of such a camera; ``OverviewPicker`` chooses from them the frame nearest in time to the one that was read.

``RecentFrames`` is filled by the overview camera's thread and asked by others; a picker belongs to the thread of its
plate camera. Memory: at most ``KEPT_FRAMES`` frames a camera, as they were decoded, and one picture an open pass.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from edge_agent.plates.pictures import frame_picture
from edge_agent.plates.stage import PlateStage
from edge_agent.records import CaptureTime, Frame, Picture, VotedRead

# A look is at most half a second old when its pass is first published, and two seconds when it is closed.
_KEPT_NS = 3_000_000_000
# Half of it is what a choice can be off by: at 130 km/h not two metres.
_SPACING_NS = 100_000_000
KEPT_FRAMES = _KEPT_NS // _SPACING_NS + 1
# Further off, it is another vehicle's picture.
_FURTHEST_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class OverviewPicture:
    """A frame of the overview camera.

    Attributes:
        camera: the overview camera's id.
        picture: the frame as it is stored and hashed.
        captured: when it was exposed.
    """

    camera: str
    picture: Picture
    captured: CaptureTime


class RecentFrames:
    """The last seconds of one overview camera.

    Args:
        camera: its id.
    """

    def __init__(self, camera: str) -> None:
        self.camera = camera
        self._frames: deque[Frame] = deque(maxlen=KEPT_FRAMES)
        self._lock = threading.Lock()

    def keep(self, frame: Frame) -> None:
        """Remember ``frame``, unless one was remembered a moment ago."""
        with self._lock:
            newest = self._frames[-1] if self._frames else None
            if newest is not None and newest.scene != frame.scene:
                self._frames.clear()  # another clock may lie behind its times
                newest = None
            if newest is None or frame.captured.boot_ns - newest.captured.boot_ns >= _SPACING_NS:
                self._frames.append(frame.apart())  # whoever reads plates in it makes pixels of twice the size

    def nearest(self, captured: CaptureTime) -> Frame | None:
        """Return the frame nearest in time to ``captured``, or None if all are further off than a second."""
        with self._lock:
            best = min(self._frames, key=lambda f: abs(f.captured.utc_ns - captured.utc_ns), default=None)
        if best is None or abs(best.captured.utc_ns - captured.utc_ns) > _FURTHEST_NS:
            return None
        return best


class OverviewPicker:
    """Chooses for each read of one plate camera the overview that goes with it.

    Args:
        recent: the paired overview camera's frames.
    """

    def __init__(self, recent: RecentFrames) -> None:
        self._recent = recent
        self._chosen: dict[int, tuple[CaptureTime, OverviewPicture]] = {}

    def pick(self, read: VotedRead) -> OverviewPicture | None:
        """Return the overview of the frame that ``read`` shows, the same one as long as that frame is the same.

        Where no overview of that moment is left, the pass keeps the one that it had: its time says how far off it is.
        """
        before = self._chosen.pop(read.track, None)
        chosen = before
        if before is None or before[0] != read.captured:
            frame = self._recent.nearest(read.captured)
            if frame is not None:
                picture = OverviewPicture(self._recent.camera, frame_picture(frame.image), frame.captured)
                chosen = (read.captured, picture)
        if chosen is None:
            return None
        if not read.final:
            self._chosen[read.track] = chosen
        return chosen[1]


class OverviewStage:
    """What an overview camera's frames go through: remembered, and read for plates where that is wanted too.

    Args:
        recent: remembers them.
        plates: reads them; None where they are only to be shown.
    """

    def __init__(self, recent: RecentFrames, plates: PlateStage | None) -> None:
        self._recent = recent
        self._plates = plates

    def observe(self, frame: Frame) -> Sequence[VotedRead]:
        """Remember one frame; return what is to be published now."""
        self._recent.keep(frame)
        return () if self._plates is None else self._plates.observe(frame)

    def tick(self, now_boot_ns: int) -> Sequence[VotedRead]:
        """Return what is due by the clock."""
        return () if self._plates is None else self._plates.tick(now_boot_ns)

    def close(self) -> Sequence[VotedRead]:
        """End all passes and return their last publications."""
        return () if self._plates is None else self._plates.close()
