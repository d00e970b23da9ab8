"""From candidates to published reads: when a pass is said to be read, revised, and over.

Publications of one track, in order:

- Revision 0 when the vote settles: three frames agree and are sure together, or ``SETTLE_NS`` have passed since the
  plate was first readable, by capture time or by the clock. With a tick at least every 100 ms that is well within
  PROTOCOL's 700 ms.
- At most two revisions, 1 and 2, at least ``SETTLE_NS`` apart, when the text, the probability class (below 0.5, 0.9,
  0.99, or above) or the best crop changed. The second is kept for a change of the text, so that a better picture never
  uses up the right to correct a misread.
- One last with ``final``, numbered one after its predecessor (so at most 3), when the plate has not been seen for
  ``LOST_NS``, the scene changes, or the source ends. It carries what the vote says by then. A pass that is over before
  its vote settled has only this one, as revision 0. A plate that was never readable has none.

Stills (``stills=True``): each picture is a pass of its own, published at once as revision 0 and ``final``.

Each picture is that of one frame in which this track's plate was read, with that frame's capture time and box.

Memory: at most ``MAX_OPEN`` passes, each with constant state, at most two encoded pictures and one raw frame; the raw
frame goes when it has been encoded. No clock and no thread of its own: ``observe``, ``tick`` and ``close`` are called
by one thread.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from edge_agent.plates.pictures import crop_picture, frame_picture, sharpness
from edge_agent.plates.reader import DEFAULT_PAD, cut, padded
from edge_agent.plates.tracking import PlateTrack, assign
from edge_agent.plates.voting import Vote, is_readable
from edge_agent.records import CaptureTime, Frame, Picture, PlateCandidate, Reading, VotedRead

SETTLE_NS = 500_000_000
LOST_NS = 2_000_000_000
MAX_OPEN = 32
MAX_REVISIONS = 2

_AGREEING_FRAMES = 3
_SURE = 0.9
_CLASSES = (0.5, 0.9, 0.99)
_CLEARLY_SHARPER = 1.5

# Track numbers are unique within the process, whatever camera they come from.
_NUMBERS = itertools.count(1)


def probability_class(confidence: float) -> int:
    """Return which of the classes below 0.5, below 0.9, below 0.99, or above a confidence falls into: 0 to 3."""
    return sum(confidence >= bound for bound in _CLASSES)


@dataclass(frozen=True, slots=True)
class _Look:
    """One frame's view of the plate, raw."""

    frame: Frame
    candidate: PlateCandidate
    sharpness: float


@dataclass(frozen=True, slots=True)
class _Evidence:
    """The pictures of one look, encoded."""

    captured: CaptureTime
    candidate: PlateCandidate
    sharpness: float
    crop: Picture
    frame: Picture


@dataclass(slots=True)
class _Pass:
    """One vehicle's pass while it is open."""

    number: int
    track: PlateTrack
    vote: Vote = field(default_factory=Vote)
    first_readable: CaptureTime | None = None
    settle_by_ns: int = 0
    seen_by_clock_ns: int = 0
    agreeing: int = 0
    better: _Look | None = None
    evidence: _Evidence | None = None
    published: VotedRead | None = None
    published_at_ns: int = 0
    published_by_clock_ns: int = 0


class PassVoter:
    """The passes of one camera.

    Args:
        camera: the camera's id, which its reads carry.
        stills: whether each frame is a pass of its own.
        crop_pad: by how much of its own size the box is widened for the crop's picture; what the OCR was shown.
        numbers: where track numbers come from.
    """

    def __init__(
        self,
        camera: str,
        *,
        stills: bool = False,
        crop_pad: float = DEFAULT_PAD,
        numbers: Iterator[int] = _NUMBERS,
    ) -> None:
        self._camera = camera
        self._stills = stills
        self._crop_pad = crop_pad
        self._numbers = numbers
        self._open: list[_Pass] = []
        self._scene: int | None = None
        self._latest_ns = 0

    def observe(self, frame: Frame, candidates: Sequence[PlateCandidate], now_boot_ns: int) -> list[VotedRead]:
        """Take in the plates of one frame.

        Args:
            frame: the frame, in capture order within its scene.
            candidates: what was found in it.
            now_boot_ns: the boot clock now; what ``tick`` is given later is compared with it.

        Returns:
            What is to be published now, in order.
        """
        at_ns = frame.captured.boot_ns
        reads = self.close() if frame.scene != self._scene else []
        self._scene = frame.scene
        # What was due before this frame is published with what was known before it.
        reads += self._due(at_ns, now_boot_ns)
        texts = [c.reading.text if is_readable(c.reading) else "" for c in candidates]
        paired = assign([p.track for p in self._open], candidates, texts, at_ns)
        seen = {c: self._open[t] for c, t in paired.items()}
        for c, current in seen.items():
            current.track.follow(candidates[c].box, at_ns, texts[c])
        for c, candidate in enumerate(candidates):
            if c not in seen:
                reads += self._make_room()
                seen[c] = _Pass(next(self._numbers), PlateTrack(candidate.box, at_ns, texts[c]))
                self._open.append(seen[c])
            seen[c].seen_by_clock_ns = now_boot_ns
            if texts[c]:
                self._count(seen[c], frame, candidate, now_boot_ns)
        self._latest_ns = at_ns
        if self._stills:
            return reads + self.close()
        for current in self._open:
            reads += self._publish_if_settled(current, at_ns, now_boot_ns)
        return reads

    def tick(self, now_boot_ns: int) -> list[VotedRead]:
        """Publish and close what is due by the clock although no frame came; call it at least every 100 ms."""
        return self._due(self._latest_ns, now_boot_ns)

    def close(self) -> list[VotedRead]:
        """End all passes, at a change of scene or at the end of the source."""
        reads = [read for p in self._open for read in self._final(p)]
        self._open.clear()
        return reads

    def _count(self, current: _Pass, frame: Frame, candidate: PlateCandidate, now_boot_ns: int) -> None:
        if current.first_readable is None:
            current.first_readable = frame.captured
            # For a live camera the time that the frame took to get here counts; for a replay it means nothing.
            age_ns = now_boot_ns - frame.captured.boot_ns
            current.settle_by_ns = now_boot_ns + SETTLE_NS - (age_ns if 0 <= age_ns <= SETTLE_NS else 0)
        text_before = current.vote.fused().text if current.vote.frames else ""
        current.vote.add(candidate.reading, candidate.box.x2 - candidate.box.x1)
        agrees = current.vote.fused().text == text_before == candidate.reading.text
        current.agreeing = current.agreeing + 1 if agrees else 1
        height_px, width_px = frame.image.shape[:2]
        detail = sharpness(cut(frame.image, padded(candidate.box, self._crop_pad, width_px, height_px)))
        # A picture that has been sent is only replaced by a clearly better one.
        to_beat = current.evidence.sharpness * _CLEARLY_SHARPER if current.evidence is not None else 0.0
        if detail > max(to_beat, current.better.sharpness if current.better is not None else 0.0):
            current.better = _Look(frame, candidate, detail)

    def _due(self, captured_ns: int, now_boot_ns: int) -> list[VotedRead]:
        reads: list[VotedRead] = []
        for current in list(self._open):
            if current.first_readable is not None and current.published is None:
                late = captured_ns - current.first_readable.boot_ns >= SETTLE_NS or now_boot_ns >= current.settle_by_ns
                if late:
                    reads.append(self._publish(current, captured_ns, now_boot_ns, final=False))
            by_capture = captured_ns - current.track.seen_ns >= LOST_NS
            if by_capture or now_boot_ns - current.seen_by_clock_ns >= LOST_NS:
                self._open.remove(current)
                reads += self._final(current)
        return reads

    def _publish_if_settled(self, current: _Pass, at_ns: int, now_boot_ns: int) -> list[VotedRead]:
        if current.vote.frames == 0:
            return []
        reading = current.vote.fused()
        before = current.published
        if before is None:
            sure = current.agreeing >= _AGREEING_FRAMES and reading.confidence >= _SURE
            return [self._publish(current, at_ns, now_boot_ns, final=False)] if sure else []
        text_changed = reading.text != before.reading.text
        class_changed = probability_class(reading.confidence) != probability_class(before.reading.confidence)
        if before.revision >= (MAX_REVISIONS if text_changed else MAX_REVISIONS - 1):
            return []
        if not (text_changed or class_changed or current.better is not None):
            return []
        by_capture = at_ns - current.published_at_ns >= SETTLE_NS
        if not (by_capture or now_boot_ns - current.published_by_clock_ns >= SETTLE_NS):
            return []
        return [self._publish(current, at_ns, now_boot_ns, final=False)]

    def _final(self, current: _Pass) -> list[VotedRead]:
        if current.first_readable is None:
            return []
        return [self._publish(current, self._latest_ns, 0, final=True)]

    def _publish(self, current: _Pass, at_ns: int, now_boot_ns: int, *, final: bool) -> VotedRead:
        assert current.first_readable is not None
        evidence = self._evidence(current)
        reading: Reading = current.vote.fused()
        read = VotedRead(
            camera=self._camera,
            track=current.number,
            revision=0 if current.published is None else current.published.revision + 1,
            final=final,
            captured=evidence.captured,
            first_readable=current.first_readable,
            reading=reading,
            box=evidence.candidate.box,
            detection_score=evidence.candidate.detection_score,
            frames=current.vote.frames,
            crop=evidence.crop,
            frame=evidence.frame,
        )
        current.published, current.published_at_ns, current.published_by_clock_ns = read, at_ns, now_boot_ns
        return read

    def _evidence(self, current: _Pass) -> _Evidence:
        """Encode the best look, unless what was encoded before is still the best."""
        look = current.better
        if look is not None:
            image = look.frame.image
            wide = padded(look.candidate.box, self._crop_pad, image.shape[1], image.shape[0])
            current.evidence = _Evidence(
                look.frame.captured,
                look.candidate,
                look.sharpness,
                crop_picture(cut(image, wide)),
                frame_picture(image),
            )
            current.better = None
        assert current.evidence is not None
        return current.evidence

    def _make_room(self) -> list[VotedRead]:
        """End the pass that was not seen for longest, when there are too many."""
        if len(self._open) < MAX_OPEN:
            return []
        oldest = min(self._open, key=lambda p: p.track.seen_ns)
        self._open.remove(oldest)
        return self._final(oldest)
