"""The stage that the agent drives: frames in, reads to publish out.

Owned by one thread, which also calls ``tick``.
"""

from __future__ import annotations

from edge_agent.plates.passes import PassVoter
from edge_agent.plates.reader import DEFAULT_PAD
from edge_agent.ports import PlateReader
from edge_agent.records import Frame, VotedRead
from edge_wire.clock import Clock


class PlateStage:
    """Reads the plates of each frame and votes over the frames of each pass, for any number of cameras.

    Args:
        reader: detector and OCR.
        clock: what the deadlines of publication go by.
        stills: whether each frame is a pass of its own, published at once (a folder of photographs).
        crop_pad: by how much of its own size the box is widened for the crop's picture; as the reader widens it.
    """

    def __init__(
        self, reader: PlateReader, clock: Clock, *, stills: bool = False, crop_pad: float = DEFAULT_PAD
    ) -> None:
        self._reader = reader
        self._clock = clock
        self._stills = stills
        self._crop_pad = crop_pad
        self._cameras: dict[str, PassVoter] = {}

    def observe(self, frame: Frame) -> list[VotedRead]:
        """Read one frame; return what is to be published now."""
        voter = self._cameras.get(frame.camera)
        if voter is None:
            voter = PassVoter(frame.camera, stills=self._stills, crop_pad=self._crop_pad)
            self._cameras[frame.camera] = voter
        candidates = self._reader.read(frame.image)
        return voter.observe(frame, candidates, self._clock.boot_ns())

    def tick(self, now_boot_ns: int) -> list[VotedRead]:
        """Return what is due by the clock; call it at least every 100 ms while no frame comes."""
        return [read for voter in self._cameras.values() for read in voter.tick(now_boot_ns)]

    def close(self) -> list[VotedRead]:
        """End all passes and return their last publications."""
        return [read for voter in self._cameras.values() for read in voter.close()]
