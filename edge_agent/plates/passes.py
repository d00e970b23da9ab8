"""From candidates to published reads: when a pass is said to be read, revised, and over.

Publications of one track, in order:

- Revision 0 when the vote settles: three frames agree and are sure together, or ``SETTLE_NS`` have passed since the
  plate was first readable, by capture time or by the clock. With a tick at least every 100 ms that is well within
  PROTOCOL's 700 ms. While a frame is read there is no tick: what would be late after the next one is published before.
- At most two revisions, 1 and 2, at least ``SETTLE_NS`` apart, when the text, the probability class (below 0.5, 0.9,
  0.99, or above) or the best crop changed. The second is kept for a change of the text, so that a better picture never
  uses up the right to correct a misread.
- One last with ``final``, numbered one after its predecessor (so at most 3), when the plate has not been seen for
  ``LOST_NS``, the scene changes, or the source ends. It carries what the vote says by then. A pass that is over before
  its vote settled has only this one, as revision 0. A plate that was never readable has none.

A plate that stood when it was last seen is waited for ``STANDING_LOST_NS`` long: traffic hides parked cars. One whose
pass ended although it may still stand there (another connection, more plates than passes can be open, or hidden for
longer) is remembered by its place and text and gets no second pass there (``standing.py``).

Stills (``stills=True``): each picture is a pass of its own, published at once as revision 0 and ``final``.

Each picture is that of one frame in which this track's plate was read, with that frame's capture time and box; the
frame reads what the vote says, wherever one of those kept does (``looks.py``).

A camera whose passes cannot all be true (``plausibility.py``) goes on, but what nothing confirms is believed less: the
probabilities of a pass that was never read the same twice are lowered by the share of passes that were.

Memory: at most ``MAX_OPEN`` passes, each with constant state and at most three encoded looks; a few raw frames for all
of them. No clock and no thread of its own: ``observe``, ``observe_unchanged``, ``tick`` and ``close`` are called by one
thread.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from edge_agent.plates.looks import Darkroom, Looks
from edge_agent.plates.plausibility import Plausibility
from edge_agent.plates.reader import DEFAULT_PAD
from edge_agent.plates.standing import StandingPlates
from edge_agent.plates.tracking import SURE_OF_ANOTHER, PlateTrack, assign, is_piece, is_second_find, is_torn_off
from edge_agent.plates.voting import Vote, is_readable, lowered
from edge_agent.records import Box, CaptureTime, Frame, PlateCandidate, PlateMark, Reading, VotedRead

SETTLE_NS = 500_000_000
LOST_NS = 2_000_000_000
STANDING_LOST_NS = 600_000_000_000
MAX_OPEN = 32
MAX_REVISIONS = 2

_AGREEING_FRAMES = 3
_SURE = 0.9
_CLASSES = (0.5, 0.9, 0.99)
# A new plate, and one that was just lost from sight, are looked for in every frame for this long.
_UNSETTLED_NS = 700_000_000
# By so much a first publication may come after ``SETTLE_NS``: with a frame's distance that is within PROTOCOL's 700 ms.
_LATE_NS = 100_000_000
# No live picture is older when it has been read; what is, is a replay, whose age means nothing.
_OLDEST_LIVE_NS = 5_000_000_000
# A pass that was seen this lately does not give way to another one.
_IN_VIEW_NS = 1_000_000_000

# Track numbers are unique within the process, whatever camera they come from.
_NUMBERS = itertools.count(1)


def probability_class(confidence: float) -> int:
    """Return which of the classes below 0.5, below 0.9, below 0.99, or above a confidence falls into: 0 to 3."""
    return sum(confidence >= bound for bound in _CLASSES)


@dataclass(slots=True)
class _Pass:
    """One vehicle's pass while it is open."""

    number: int
    track: PlateTrack
    began: Box
    began_ns: int
    vote: Vote = field(default_factory=Vote)
    looks: Looks = field(default_factory=Looks)
    first_readable: CaptureTime | None = None
    settle_by_ns: int = 0
    seen_by_clock_ns: int = 0
    agreeing: int = 0
    agreed: bool = False
    beside: set[int] = field(default_factory=set)
    published: VotedRead | None = None
    published_at_ns: int = 0
    published_by_clock_ns: int = 0

    @property
    def sure(self) -> bool:
        """Whether what it reads, of which there is at least one look, is no garbled piece."""
        return self.vote.fused().confidence >= SURE_OF_ANOTHER and PlateMark.CUT_OFF not in self.vote.marks


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
        self._numbers = numbers
        self._darkroom = Darkroom(crop_pad)
        self._plausibility = Plausibility()
        self._standing = StandingPlates()
        self._open: list[_Pass] = []
        self._scene: int | None = None
        self._latest_ns = 0

    @property
    def unsettled(self) -> bool:
        """Whether a pass is new, not yet published, or just lost from sight, so that every frame counts."""
        return any(
            (p.first_readable is not None and p.published is None)
            or self._latest_ns - p.began_ns < _UNSETTLED_NS
            or 0 < self._latest_ns - p.track.seen_ns < _UNSETTLED_NS
            for p in self._open
        )

    @property
    def doubt(self) -> str:
        """Why this camera's passes cannot all be true, for people; empty if they can. Other threads may ask."""
        return self._plausibility.doubt

    def observe(
        self, frame: Frame, candidates: Sequence[PlateCandidate], now_boot_ns: int, busy_ns: int = 0
    ) -> list[VotedRead]:
        """Take in the plates of one frame.

        Args:
            frame: the frame, in capture order within its scene.
            candidates: what was found in it; rejected ones are ignored.
            now_boot_ns: the boot clock now; what ``tick`` is given later is compared with it.
            busy_ns: for how long reading the next frame will let no ``tick`` through.

        Returns:
            What is to be published now, in order.
        """
        at_ns = frame.captured.boot_ns
        reads = self.close() if frame.scene != self._scene else []
        self._scene = frame.scene
        # What was due before this frame is published with what was known before it.
        reads += self._due(at_ns, now_boot_ns)
        candidates = [c for c in candidates if c.rejected is None]
        texts = [c.reading.text if is_readable(c.reading) else "" for c in candidates]
        paired = assign([p.track for p in self._open], candidates, texts, at_ns)
        for c, t in paired.items():
            self._see(self._open[t], frame, candidates[c], texts[c], now_boot_ns)
        for c, candidate in enumerate(candidates):
            if c in paired or self._is_known(candidate, texts[c], at_ns):
                continue
            reads += self._make_room(at_ns, bool(texts[c]))
            if len(self._open) < MAX_OPEN:
                current = _Pass(next(self._numbers), PlateTrack(candidate.box, at_ns), candidate.box, at_ns)
                self._open.append(current)
                self._see(current, frame, candidate, texts[c], now_boot_ns)
        self._latest_ns = at_ns
        if self._stills:
            return reads + self.close()
        self._join_torn(at_ns)
        for current in self._open:
            reads += self._publish_if_settled(current, at_ns, now_boot_ns, busy_ns)
        self._darkroom.tidy(look for p in self._open for look in p.looks)
        return reads

    def observe_unchanged(self, frame: Frame, now_boot_ns: int) -> list[VotedRead]:
        """Take in that nothing moved since the frame before: what was seen in it stands where it stood.

        Adds nothing to any vote and does not touch the pixels. Times as for ``observe``.
        """
        at_ns = frame.captured.boot_ns
        reads = self.close() if frame.scene != self._scene else []
        self._scene = frame.scene
        for current in self._open:
            if current.track.seen_ns == self._latest_ns:
                current.track.stays(at_ns)
                current.seen_by_clock_ns = now_boot_ns
        self._latest_ns = at_ns
        return reads + self._due(at_ns, now_boot_ns)

    def tick(self, now_boot_ns: int) -> list[VotedRead]:
        """Publish and close what is due by the clock although no frame came; call it at least every 100 ms."""
        return self._due(self._latest_ns, now_boot_ns)

    def close(self) -> list[VotedRead]:
        """End all passes, at a change of scene or at the end of the source."""
        reads = [read for p in self._open for read in self._end(p)]
        self._open.clear()
        return reads

    def _see(
        self, current: _Pass, frame: Frame, candidate: PlateCandidate, readable_text: str, now_boot_ns: int
    ) -> None:
        current.track.follow(candidate, frame.captured.boot_ns)
        current.seen_by_clock_ns = now_boot_ns
        if not readable_text or is_piece(current.track, candidate.box, readable_text):
            return
        if current.first_readable is None:
            current.first_readable = frame.captured
            # For a live camera the time that the frame took to get here counts; for a replay it means nothing.
            age_ns = now_boot_ns - frame.captured.boot_ns
            spent_ns = min(age_ns, SETTLE_NS) if 0 <= age_ns <= _OLDEST_LIVE_NS else 0
            current.settle_by_ns = now_boot_ns + SETTLE_NS - spent_ns
        text_before = current.vote.fused().text if current.vote.frames else ""
        current.vote.add(candidate, current.track.looks_here)
        text = current.vote.fused().text
        agrees = text == text_before == candidate.reading.text
        current.agreeing = current.agreeing + 1 if agrees else 1
        current.agreed |= agrees
        current.track.text, current.track.sure = text, current.agreeing >= _AGREEING_FRAMES
        current.looks.add(self._darkroom.look(frame, candidate), text)

    def _join_torn(self, at_ns: int) -> None:
        """Give what turns out to belong to another pass to that, as long as nothing was published of it."""
        seen = {p.number for p in self._open if p.track.seen_ns == at_ns}
        for current in self._open:
            if current.published is None and current.number in seen:
                # Only open passes are asked about; what is never readable stands beside many that are over.
                current.beside = seen | current.beside.intersection(p.number for p in self._open)
        for younger in [p for p in self._open if p.published is None and p.vote.frames]:
            for elder in self._open:
                if elder.number >= younger.number or {elder.number, younger.number} <= younger.beside:
                    continue
                if is_torn_off(elder.track, younger.track, younger.began, younger.began_ns, sure=younger.sure):
                    self._open.remove(younger)
                    self._join(elder, younger)
                    break

    @staticmethod
    def _join(elder: _Pass, younger: _Pass) -> None:
        elder.vote.merge(younger.vote)
        text = elder.vote.fused().text
        for look in younger.looks:
            elder.looks.add(look, text)
        if elder.track.seen_ns < younger.track.seen_ns:
            elder.track.resume(younger.track)
        elder.track.text = text
        elder.seen_by_clock_ns = max(elder.seen_by_clock_ns, younger.seen_by_clock_ns)
        elder.agreed |= younger.agreed
        elder.beside |= younger.beside
        assert elder.first_readable is not None
        assert younger.first_readable is not None
        if elder.first_readable.boot_ns > younger.first_readable.boot_ns:
            elder.first_readable, elder.settle_by_ns = younger.first_readable, younger.settle_by_ns

    def _due(self, captured_ns: int, now_boot_ns: int) -> list[VotedRead]:
        self._plausibility.reckon(captured_ns)
        reads: list[VotedRead] = []
        for current in list(self._open):
            if current.first_readable is not None and current.published is None:
                late = captured_ns - current.first_readable.boot_ns >= SETTLE_NS or now_boot_ns >= current.settle_by_ns
                if late:
                    reads.append(self._publish(current, captured_ns, now_boot_ns, final=False))
            lost_ns = STANDING_LOST_NS if current.track.standing else LOST_NS
            by_capture = captured_ns - current.track.seen_ns >= lost_ns
            if by_capture or now_boot_ns - current.seen_by_clock_ns >= lost_ns:
                self._open.remove(current)
                reads += self._end(current)
        return reads

    def _publish_if_settled(self, current: _Pass, at_ns: int, now_boot_ns: int, busy_ns: int) -> list[VotedRead]:
        if current.vote.frames == 0:
            return []
        reading = self._believed(current)
        before = current.published
        if before is None:
            sure = current.agreeing >= _AGREEING_FRAMES and reading.confidence >= _SURE
            too_late = now_boot_ns + max(busy_ns - _LATE_NS, 0) >= current.settle_by_ns
            return [self._publish(current, at_ns, now_boot_ns, final=False)] if sure or too_late else []
        text_changed = reading.text != before.reading.text
        class_changed = probability_class(reading.confidence) != probability_class(before.reading.confidence)
        if before.revision >= (MAX_REVISIONS if text_changed else MAX_REVISIONS - 1):
            return []
        if not (text_changed or class_changed or current.looks.best(reading.text) is not current.looks.sent):
            return []
        by_capture = at_ns - current.published_at_ns >= SETTLE_NS
        if not (by_capture or now_boot_ns - current.published_by_clock_ns >= SETTLE_NS):
            return []
        return [self._publish(current, at_ns, now_boot_ns, final=False)]

    def _end(self, current: _Pass) -> list[VotedRead]:
        """Publish the last of a pass that is no longer open."""
        if current.first_readable is None:
            return []
        track = current.track
        if not self._stills:
            stood = track.way.stood
            self._plausibility.note(self._latest_ns, track.text, track.box, agreed=current.agreed, stood=stood)
            if track.standing:
                self._standing.remember(track.box, track.text, track.seen_ns)
        return [self._publish(current, self._latest_ns, 0, final=True)]

    def _believed(self, current: _Pass) -> Reading:
        """Return what the vote says, as far as this camera can be believed."""
        reading = current.vote.fused()
        return lowered(reading, self._plausibility.agreed_share) if self.doubt and not current.agreed else reading

    def _publish(self, current: _Pass, at_ns: int, now_boot_ns: int, *, final: bool) -> VotedRead:
        assert current.first_readable is not None
        reading = self._believed(current)
        look = current.looks.best(reading.text)
        current.looks.sent = look
        crop, picture = self._darkroom.develop(look)
        read = VotedRead(
            camera=self._camera,
            track=current.number,
            revision=0 if current.published is None else current.published.revision + 1,
            final=final,
            captured=look.captured,
            first_readable=current.first_readable,
            reading=reading,
            box=look.candidate.box,
            detection_score=look.candidate.detection_score,
            frames=current.vote.frames,
            crop=crop,
            frame=picture,
            marks=current.vote.marks,
            travel=current.track.way.travel,
        )
        current.published, current.published_at_ns, current.published_by_clock_ns = read, at_ns, now_boot_ns
        return read

    def _is_known(self, candidate: PlateCandidate, readable_text: str, at_ns: int) -> bool:
        """Whether a candidate that joined no pass needs none: a plate found twice, or one that had its pass."""
        if any(is_second_find(p.track, candidate.box, readable_text, at_ns) for p in self._open):
            return True
        return self._standing.recognise(candidate.box, readable_text, at_ns)

    def _make_room(self, at_ns: int, readable: bool) -> list[VotedRead]:
        """End one pass when there are too many, if one can be spared; then what begins anew has to wait for a frame.

        A pass that is in view is only spared if it stands and was published, because it is then remembered, or if it
        could never be read and what begins anew can. Any other would begin again in the next frame and end the next
        one, and the one after that.
        """
        if len(self._open) < MAX_OPEN:
            return []
        gone = [p for p in self._open if at_ns - p.track.seen_ns >= _IN_VIEW_NS]
        spared = gone or [p for p in self._open if p.track.standing and p.published is not None]
        if not spared and readable:
            spared = [p for p in self._open if p.first_readable is None]
        if not spared:
            return []
        oldest = min(spared, key=lambda p: p.track.seen_ns)
        self._open.remove(oldest)
        return self._end(oldest)
