"""The stage that the agent drives: frames in, reads to publish out.

Owned by one thread, which also calls ``tick``; ``doubt``, ``frames_read`` and ``frames_gated`` may be asked by another.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from edge_agent.plates.passes import PassVoter
from edge_agent.plates.reader import DEFAULT_PAD
from edge_agent.ports import PlateReader
from edge_agent.records import Frame, VotedRead
from edge_wire.clock import Clock

# What stands may be read better in another light. A look every two seconds would be a fifth of an idle road's cost.
LOOK_AGAIN_NS = 10_000_000_000


class Gate(Protocol):
    """Says whether it is worth reading a frame of one camera."""

    def changed(self, frame: Frame) -> bool:
        """Whether anything moved since the last frame of which this was said; asked once for each frame, in order."""
        ...


@dataclass(slots=True)
class _Camera:
    voter: PassVoter
    gate: Gate | None
    scene: int | None = None
    read_ns: int = 0


class PlateStage:
    """Reads the plates of each frame and votes over the frames of each pass, for any number of cameras.

    Args:
        reader: detector and OCR.
        clock: what the deadlines of publication go by.
        stills: whether each frame is a pass of its own, published at once (a folder of photographs).
        crop_pad: by how much of its own size the box is widened for the crop's picture; as the reader widens it.
        gate: makes what says for one camera whether a frame is worth reading; without it, and for stills, all are.
        look_again_ns: for how long at most, by capture time, a gate keeps frames from being read.
    """

    def __init__(
        self,
        reader: PlateReader,
        clock: Clock,
        *,
        stills: bool = False,
        crop_pad: float = DEFAULT_PAD,
        gate: Callable[[], Gate] | None = None,
        look_again_ns: int = LOOK_AGAIN_NS,
    ) -> None:
        self._reader = reader
        self._clock = clock
        self._stills = stills
        self._crop_pad = crop_pad
        self._gate = None if stills else gate
        self._look_again_ns = look_again_ns
        self._cameras: dict[str, _Camera] = {}
        self._busy_ns = 0
        self.frames_read = 0
        self.frames_gated = 0

    def observe(self, frame: Frame) -> list[VotedRead]:
        """Read one frame, unless nothing moved and nothing is unsettled; return what is to be published now."""
        camera = self._camera(frame.camera)
        at_ns = frame.captured.boot_ns
        changed = camera.gate is None or camera.gate.changed(frame)
        due = frame.scene != camera.scene or not 0 <= at_ns - camera.read_ns < self._look_again_ns
        if not (changed or due or camera.voter.unsettled):
            return self.observe_unchanged(frame)
        camera.scene, camera.read_ns = frame.scene, at_ns
        self.frames_read += 1
        began_ns = self._clock.boot_ns()
        candidates = self._reader.read(frame.image)
        now_ns = self._clock.boot_ns()
        # The next one takes as long as this one, or as those before it, which had to wait for their turn.
        self._busy_ns = max(now_ns - began_ns, self._busy_ns * 3 // 4)
        return camera.voter.observe(frame, candidates, now_ns, self._busy_ns)

    def observe_unchanged(self, frame: Frame) -> list[VotedRead]:
        """Take in a frame without reading it, because nothing moved since the one before; return what is due.

        Whatever was seen in that one is taken to stand there still. The pixels are not touched.
        """
        self.frames_gated += 1
        return self._camera(frame.camera).voter.observe_unchanged(frame, self._clock.boot_ns())

    def tick(self, now_boot_ns: int) -> list[VotedRead]:
        """Return what is due by the clock; call it at least every 100 ms while no frame comes."""
        return [read for camera in self._cameras.values() for read in camera.voter.tick(now_boot_ns)]

    def close(self) -> list[VotedRead]:
        """End all passes and return their last publications."""
        return [read for camera in self._cameras.values() for read in camera.voter.close()]

    @property
    def unsettled(self) -> bool:
        """Whether a pass of any camera is new, not yet published, or just lost from sight, so that frames count."""
        return any(camera.voter.unsettled for camera in list(self._cameras.values()))

    def doubt(self) -> str:
        """Return why a camera's passes cannot all be true, for people; empty if they can."""
        reasons = ((name, camera.voter.doubt) for name, camera in list(self._cameras.items()))
        told = [(name, reason) for name, reason in reasons if reason]
        return "; ".join(reason if len(self._cameras) == 1 else f"{name}: {reason}" for name, reason in told)

    def _camera(self, name: str) -> _Camera:
        camera = self._cameras.get(name)
        if camera is None:
            voter = PassVoter(name, stills=self._stills, crop_pad=self._crop_pad)
            camera = _Camera(voter, None if self._gate is None else self._gate())
            self._cameras[name] = camera
        return camera
