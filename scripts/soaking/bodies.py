"""What a soaking trailer detects: passes of vehicles with revisions and crops, and shots, all from one seed.

Every detection carries a token of its own in its ``deployment``, so that the same detection stored under two
identities is seen. Crops and frames are real JPEGs, each made its own by a comment (ITU-T T.81, marker COM).
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass

from edge_agent.outbox import EvidenceFile
from edge_wire.messages import Part, PixelBox, PlateRead, Position, ShotArrival

LISTED = tuple(f"HOT{number:04d}" for number in range(60))
"""The plates of the hotlist that the driver imports."""

_LISTED_SHARE = 0.2
_SHOT_SHARE = 0.04
_LETTERS = "ABCDEFGHJKLMNPRSTUVWXYZ"
_START_OF_IMAGE = b"\xff\xd8"
_COMMENT = b"\xff\xfe"


@dataclass(frozen=True, slots=True)
class Detection:
    """One message to put, with its files."""

    token: str
    body: PlateRead | ShotArrival
    files: tuple[EvidenceFile, ...] = ()


class Bodies:
    """An endless street.

    Args:
        device: whose detections these are.
        run: tells one start of the trailer from the others.
        seed: of everything random in it.
        picture: a JPEG.
    """

    def __init__(self, device: str, run: str, seed: int, picture: bytes) -> None:
        self._name = f"{device}.{run}"
        self._random = random.Random(seed)
        self._picture = picture
        self._number = 0
        self._where = Position(400_000_000 + 2_000_000 * (seed % 50), -800_000_000, 250)

    def passes(self) -> Iterator[list[Detection]]:
        """Yield what belongs together: the revisions of one pass, or one shot."""
        track = 0
        while True:
            if self._random.random() < _SHOT_SHARE:
                yield [self._shot()]
            else:
                track += 1
                yield list(self._pass(track))

    def _pass(self, track: int) -> Iterator[Detection]:
        listed = self._random.random() < _LISTED_SHARE
        text = self._random.choice(LISTED) if listed else self._plate()
        revisions = self._random.choice((0, 0, 1, 2))
        for revision in range(revisions + 1):
            # The vote has one character wrong at first, now and then: alerts are revised too.
            first_guess = revision < revisions and self._random.random() < 0.3
            yield self._read(track, revision, text[:-1] + "8" if first_guess else text, final=revision == revisions)

    def _read(self, track: int, revision: int, text: str, *, final: bool) -> Detection:
        token = self._token()
        crop, frame = self._jpeg(f"{token} crop", 1), self._jpeg(f"{token} frame", 3)
        body = PlateRead(
            track=track,
            revision=revision,
            final=final,
            text=text,
            slots=tuple(((character, 0.97),) for character in text),
            calibration="soak",
            camera="lane-1",
            role="lpr",
            deployment=token,
            frame_sha256=hashlib.sha256(frame).digest(),
            crop_sha256=hashlib.sha256(crop).digest(),
            box=PixelBox(10, 10, 110, 40),
            detection_score=0.9,
            frames=4 + revision,
            lane=1,
            direction="N",
            face="rear",
        )
        return Detection(token, body, (EvidenceFile(Part.CROP, crop), EvidenceFile(Part.FRAME, frame)))

    def _shot(self) -> Detection:
        token = self._token()
        certainty = self._random.choice((0.3, 0.8, 0.97))
        body = ShotArrival(
            microphone="mast",
            deployment=token,
            onset_error_ns=400_000,
            classes=(("gunshot", certainty), ("fireworks", 0.9 - 0.9 * certainty)),
            model="soak",
            peak_cdbfs=-310,
            rms_cdbfs=-1_450,
            clipped=False,
            rate_hz=48_000,
            position=self._where,
            clock_source="kernel",
        )
        return Detection(token, body)

    def _token(self) -> str:
        self._number += 1
        return f"{self._name}.{self._number}"

    def _plate(self) -> str:
        letters = "".join(self._random.choices(_LETTERS, k=3))
        return f"{self._random.randrange(10)}{letters}{self._random.randrange(1_000):03d}"

    def _jpeg(self, comment: str, times: int) -> bytes:
        # Longer by repeating the comment: a frame weighs more than a crop.
        content = (comment * (100 * times)).encode()
        segment = _COMMENT + (len(content) + 2).to_bytes(2, "big") + content
        return _START_OF_IMAGE + segment + self._picture[len(_START_OF_IMAGE) :]
