"""What the stage made of a sequence, against its truth.

The stage runs on a clock of its own: each frame reaches it ``delay_ns`` after its capture, and between frames it is
ticked every 100 ms, as the agent does. So every figure is independent of how fast this machine is.

Whose a read is: the vehicle whose true plate its box overlaps (IoU at least 0.3), or which is the only one wholly in a
box at most six times as large, in the very frame that its capture time names. A read is a *wrong picture* when

- no frame has its capture time, or no vehicle's plate is where its box is, although its text is a vehicle's; or
- its text is another vehicle's of the sequence (within one edit, and nearer than to the vehicle in the picture); or
- nothing was found at that box in that frame; or
- its attached frame is not that frame's pixels, or its crop is not to be found around its box.

A track none of whose reads lies on a vehicle, and whose text is no vehicle's, is a *false track*: lettering, a web.

The single frames that the vote is measured against, among all of a vehicle's candidates that were not rejected: the
*sharpest* by the product's own measure of sharpness, and the *surest* by the confidence of its reading.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from collections.abc import Sequence as Listing
from dataclasses import dataclass

import cv2
import numpy as np

from edge_agent.plates.motion import MotionGate
from edge_agent.plates.pictures import sharpness
from edge_agent.plates.reader import DEFAULT_PAD, cut, padded
from edge_agent.plates.stage import PlateStage
from edge_agent.plates.tracking import iou
from edge_agent.records import Box, CaptureTime, Frame, PlateCandidate, VotedRead
from rendered.camera import decode
from rendered.replay import Candidates, Replay
from rendered.scenes import Sequence
from rendered.vehicles import Image

TICK_NS = 100_000_000
_AFTER_NS = 3_000_000_000
_EPOCH_NS = 1_795_256_000_000_000_000
_BOOT_NS = 1_000_000_000_000
_OVERLAP = 0.3
# A box that holds a plate may be this many times as large as the plate.
_LOOSE = 6.0
_MAX_DIFFERENCE = 12.0
_MIN_CORRELATION = 0.7


class SceneClock:
    """The ``Clock`` port, moved by the sequence."""

    def __init__(self) -> None:
        self.now_ns = _BOOT_NS

    def utc_ns(self) -> int:
        """UTC that belongs to ``now_ns``."""
        return _EPOCH_NS - _BOOT_NS + self.now_ns

    def boot_ns(self) -> int:
        """The boot clock."""
        return self.now_ns

    def error_ns(self) -> int:
        """A millisecond."""
        return 1_000_000


@dataclass(frozen=True, slots=True)
class Published:
    """A read and when it came out, by the simulated boot clock."""

    read: VotedRead
    at_ns: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one vehicle.

    Attributes:
        kind: of the sequence.
        sequence: its name.
        source: the file that the plate is from.
        truth: its text.
        readable: whether its close-up reads exactly that, 0 and O merged.
        text: of the final read with the most frames; empty where nothing was published.
        confidence: of that.
        sharpest: what the sharpest frame reads.
        surest: what the surest frame reads.
        frames_right: share of its candidates that read exactly right, 0 and O merged.
        width_px: the widest plate that was found.
        tracks: how many tracks published it.
        revisions: messages in all, without the first of each track.
        delay_ms: first publication after the capture of what the product calls the first readable frame; None: none.
        right_delay_ms: the same after the first frame that reads exactly right.
        travel: whether the final's direction is the true one; None where it names none.
    """

    kind: str
    sequence: str
    source: str
    truth: str
    readable: bool
    text: str
    confidence: float
    sharpest: str
    surest: str
    frames_right: float
    width_px: int
    tracks: int
    revisions: int
    delay_ms: float | None
    right_delay_ms: float | None
    travel: bool | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one sequence.

    Attributes:
        kind: of the sequence.
        sequence: its name.
        answers: one for each vehicle.
        false_tracks: tracks that belong to no vehicle.
        mixed_tracks: tracks that belong to more than one.
        wrong_pictures: what is wrong with the pictures of which reads.
        messages: how many reads were published.
    """

    kind: str
    sequence: str
    answers: tuple[Answer, ...]
    false_tracks: tuple[str, ...]
    mixed_tracks: tuple[str, ...]
    wrong_pictures: tuple[str, ...]
    messages: int


def merged(text: str) -> str:
    """Count 0 and O as one: the labels of the photographs do not tell them apart."""
    return text.replace("O", "0")


def play(sequence: Sequence, candidates: Candidates, delay_ns: int, *, gated: bool = False) -> list[Published]:
    """Run the product's stage over ``sequence``.

    Args:
        sequence: what is seen.
        candidates: what was found in its pictures.
        delay_ns: from the capture of a frame until the stage has it.
        gated: whether frames in which nothing moved are left unread, as the agent does.

    Returns:
        What was published, in order.
    """
    clock, reader = SceneClock(), Replay()
    pixels = [_pixels(jpeg) for jpeg in sequence.pictures]
    stage = PlateStage(reader, clock, gate=MotionGate if gated else None)
    published: list[Published] = []

    def until(due_ns: int) -> None:
        while clock.now_ns + TICK_NS < due_ns:
            clock.now_ns += TICK_NS
            published.extend(Published(read, clock.now_ns) for read in stage.tick(clock.now_ns))
        clock.now_ns = due_ns

    for frame in sequence.frames:
        captured = CaptureTime(_EPOCH_NS + frame.at_ns, _BOOT_NS + frame.at_ns, 1_000_000)
        until(captured.boot_ns + delay_ns)
        reader.candidates = candidates[frame.picture]
        shown = Frame("rendered", pixels[frame.picture], captured, 0)
        published.extend(Published(read, clock.now_ns) for read in stage.observe(shown))
    until(clock.now_ns + _AFTER_NS)
    published.extend(Published(read, clock.now_ns) for read in stage.close())
    return published


def score(sequence: Sequence, candidates: Candidates, published: Listing[Published]) -> Outcome:
    """Compare what was published with the truth."""
    frames = {_BOOT_NS + f.at_ns: f for f in sequence.frames}
    texts = [merged(v.text) for v in sequence.vehicles]
    wrong: list[str] = []
    nowhere: list[tuple[int, str]] = []
    owners: dict[int, list[int]] = {}
    for out in published:
        read = out.read
        frame = frames.get(read.captured.boot_ns)
        pictured = None if frame is None else _owner(read.box, frame.plates)
        named = _named(read.reading.text, texts, pictured)
        where = f"{sequence.name} track {read.track} revision {read.revision} {read.reading.text}"
        owners.setdefault(read.track, [])
        if frame is None:
            wrong.append(f"{where}: no frame was captured then")
            continue
        if named is not None and pictured != named:
            what = "no plate" if pictured is None else sequence.vehicles[pictured].text
            wrong.append(f"{where}: the picture shows {what}")
        elif pictured is not None:
            found = [c.box for c in candidates[frame.picture]]
            fault = _picture_fault(read, decode(sequence.pictures[frame.picture]), found)
            wrong += [f"{where}: {fault}"] if fault else []
        else:
            nowhere.append((read.track, f"{where}: the picture shows no plate"))
        owner = named if named is not None else pictured
        if owner is not None:
            owners[read.track].append(owner)
    of_track = {track: max(set(found), key=found.count) for track, found in owners.items() if found}
    false = tuple(
        f"{sequence.name} {next(o.read.reading.text for o in reversed(published) if o.read.track == track)}"
        for track in owners
        if track not in of_track
    )
    wrong += [what for track, what in nowhere if track in of_track]
    mixed = tuple(f"{sequence.name} track {track}" for track, found in owners.items() if len(set(found)) > 1)
    answers = tuple(
        _answer(sequence, candidates, v, [o for o in published if of_track.get(o.read.track) == v])
        for v in range(len(sequence.vehicles))
    )
    return Outcome(sequence.kind, sequence.name, answers, false, mixed, tuple(wrong), len(published))


def edits(a: str, b: str) -> int:
    """Return how many insertions, deletions and substitutions lead from one text to the other."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        diagonal, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (x != y))
    return row[-1]


def _pixels(jpeg: bytes) -> Callable[[], Image]:
    # A night shows the same few pictures thousands of times.
    return functools.cache(lambda: decode(jpeg))


def _owner(box: Box, plates: Listing[Box | None]) -> int | None:
    overlaps = [0.0 if plate is None else iou(box, plate) for plate in plates]
    best = int(np.argmax(overlaps))
    if overlaps[best] >= _OVERLAP:
        return best
    # A loose box around a whole plate shows that plate, if it shows no other.
    within = [i for i, plate in enumerate(plates) if plate is not None and _lies_in(plate, box)]
    return within[0] if len(within) == 1 and overlaps[within[0]] * _LOOSE >= 1 else None


def _lies_in(plate: Box, box: Box) -> bool:
    return plate.x1 >= box.x1 and plate.y1 >= box.y1 and plate.x2 <= box.x2 and plate.y2 <= box.y2


def _named(text: str, texts: Listing[str], pictured: int | None) -> int | None:
    """Return which vehicle ``text`` speaks of, where it tells; the one in the picture where it may be that."""
    distances = [edits(merged(text), truth) for truth in texts]
    best = int(np.argmin(distances))
    if pictured is not None and distances[pictured] <= distances[best]:
        return pictured
    return best if distances[best] <= 1 else None


def _picture_fault(read: VotedRead, pixels: Image, found: Listing[Box]) -> str | None:
    """Say what is wrong with the pictures of a read whose frame is known, or None."""
    if read.box not in found:
        return "nothing was found there in that frame"
    attached = decode(read.frame.jpeg)
    if attached.shape != pixels.shape or float(cv2.absdiff(attached, pixels).mean()) > _MAX_DIFFERENCE:
        return "the attached frame is another one"
    around = cut(pixels, padded(read.box, 0.6, pixels.shape[1], pixels.shape[0]))
    crop = decode(read.crop.jpeg)
    fits = crop.shape[0] <= around.shape[0] and crop.shape[1] <= around.shape[1]
    if fits and float(cv2.matchTemplate(around, crop, cv2.TM_CCOEFF_NORMED).max()) < _MIN_CORRELATION:
        return "the crop is not of that place"
    return None


def _answer(sequence: Sequence, candidates: Candidates, vehicle: int, published: Listing[Published]) -> Answer:
    truth = sequence.vehicles[vehicle]
    looks: list[tuple[int, PlateCandidate]] = []
    sharpest, surest = (0.0, ""), (0.0, "")
    first_right_ns: int | None = None
    judged: set[tuple[int, Box]] = set()
    for frame in sequence.frames:
        plate = frame.plates[vehicle]
        seen = [c for c in candidates[frame.picture] if c.rejected is None and c.reading.text and plate is not None]
        seen = [c for c in seen if _owner(c.box, frame.plates) == vehicle]
        for candidate in seen[:1]:
            right = merged(candidate.reading.text) == merged(truth.text)
            if right and first_right_ns is None:
                first_right_ns = _BOOT_NS + frame.at_ns
            if (frame.picture, candidate.box) in judged:
                continue
            judged.add((frame.picture, candidate.box))
            looks.append((frame.picture, candidate))
            image = decode(sequence.pictures[frame.picture])
            detail = sharpness(cut(image, padded(candidate.box, DEFAULT_PAD, image.shape[1], image.shape[0])))
            sharpest = max(sharpest, (detail, candidate.reading.text))
            surest = max(surest, (candidate.reading.confidence, candidate.reading.text))
    near = candidates[len(sequence.pictures) + vehicle]
    finals = [o.read for o in published if o.read.final]
    final = max(finals, key=lambda read: read.frames, default=None)
    first = published[0] if published else None
    delay_ms = None if first is None else (first.at_ns - first.read.first_readable.boot_ns) / 1e6
    right_delay_ms = None if first is None or first_right_ns is None else (first.at_ns - first_right_ns) / 1e6
    tracks = len({o.read.track for o in published})
    return Answer(
        kind=sequence.kind,
        sequence=sequence.name,
        source=truth.source,
        truth=truth.text,
        readable=any(merged(c.reading.text) == merged(truth.text) for c in near),
        text=final.reading.text if final is not None else "",
        confidence=final.reading.confidence if final is not None else 0.0,
        sharpest=sharpest[1],
        surest=surest[1],
        frames_right=float(np.mean([merged(c.reading.text) == merged(truth.text) for _, c in looks])) if looks else 0.0,
        width_px=max((c.box.x2 - c.box.x1 for _, c in looks), default=0),
        tracks=tracks,
        revisions=len(published) - tracks,
        delay_ms=delay_ms,
        right_delay_ms=right_delay_ms,
        travel=None if final is None or final.travel is None else final.travel in truth.travels,
    )
