"""The pictures of a pass: of each text that was read, the sharpest look, kept raw only for as long as there is room.

A picture whose own reading contradicts the vote is a wrong picture to whoever compares the two, and the vote may change
its mind, so the best look is kept for each of the last few texts. Encoding costs as much as reading a plate, so it
waits until a look is published or its raw frame is in the way of newer ones.

Invariants: crop, frame, capture time and box of a look are of the same frame; a frame is encoded once, for however many
passes. Memory of one ``Darkroom``: at most ``MAX_RAW_FRAMES`` raw frames, and of one ``Looks`` at most ``MAX_TEXTS``
encoded looks. Owned by one voter.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from edge_agent.plates.pictures import crop_picture, frame_picture, sharpness
from edge_agent.plates.reader import DEFAULT_PAD, cut, padded
from edge_agent.records import CaptureTime, Frame, Picture, PlateCandidate

MAX_RAW_FRAMES = 4
MAX_TEXTS = 3

# A picture that has been sent is only replaced by a clearly better one.
_CLEARLY_SHARPER = 1.5


@dataclass(slots=True, eq=False)
class Look:
    """One frame's view of a plate: raw until ``Darkroom.develop``, encoded afterwards."""

    captured: CaptureTime
    candidate: PlateCandidate
    sharpness: float
    frame: Frame | None
    pictures: tuple[Picture, Picture] | None = None


class Looks:
    """The best look of one pass for each text that it was read as lately."""

    def __init__(self) -> None:
        self._by_text: dict[str, Look] = {}
        self.sent: Look | None = None

    def __iter__(self) -> Iterator[Look]:
        return iter(self._by_text.values())

    def add(self, look: Look, voted: str) -> bool:
        """Keep ``look`` if it is the sharpest of its text; of too many texts the dullest but ``voted`` goes."""
        text = look.candidate.reading.text
        before = self._by_text.get(text)
        if before is not None:
            enough = before.sharpness * (_CLEARLY_SHARPER if before is self.sent else 1.0)
            if look.sharpness <= enough:
                return False
        self._by_text[text] = look
        if len(self._by_text) > MAX_TEXTS:
            self._by_text.pop(min((t for t in self._by_text if t != voted), key=lambda t: self._by_text[t].sharpness))
        return text in self._by_text

    def best(self, voted: str) -> Look:
        """Return the look that agrees with the vote, or the sharpest where none does. At least one was added."""
        return self._by_text.get(voted) or max(self._by_text.values(), key=lambda look: look.sharpness)


class Darkroom:
    """Makes pictures of looks, and keeps the number of raw frames small.

    Args:
        crop_pad: by how much of its own size a box is widened for the crop's picture; what the OCR was shown.
    """

    def __init__(self, crop_pad: float = DEFAULT_PAD) -> None:
        self._crop_pad = crop_pad
        # The newest frame's picture: passes side by side are mostly published from the same frame.
        self._encoded: tuple[CaptureTime, int, Picture] | None = None

    def look(self, frame: Frame, candidate: PlateCandidate) -> Look:
        """Take ``candidate`` as ``frame`` shows it."""
        height_px, width_px = frame.image.shape[:2]
        detail = sharpness(cut(frame.image, padded(candidate.box, self._crop_pad, width_px, height_px)))
        return Look(frame.captured, candidate, detail, frame)

    def develop(self, look: Look) -> tuple[Picture, Picture]:
        """Return a look's crop and frame; encoded at the first call, which lets go of the raw frame."""
        if look.pictures is None:
            assert look.frame is not None
            image, scene = look.frame.image, look.frame.scene
            if self._encoded is None or self._encoded[:2] != (look.captured, scene):
                self._encoded = (look.captured, scene, frame_picture(image))
            wide = padded(look.candidate.box, self._crop_pad, image.shape[1], image.shape[0])
            look.pictures = (crop_picture(cut(image, wide)), self._encoded[2])
            look.frame = None
        return look.pictures

    def tidy(self, looks: Iterable[Look]) -> None:
        """Encode the oldest of ``looks``, all those of the camera, until few raw frames are left."""
        raw = [look for look in looks if look.frame is not None]
        newest = sorted({look.captured.boot_ns for look in raw})[-MAX_RAW_FRAMES:]
        for look in raw:
            if look.captured.boot_ns not in newest:
                self.develop(look)
