"""What the edge's stages hand to each other: plain frozen values, independent of the wire.

Pixels are BGR as OpenCV has them, sound is mono float32 in [-1, 1]. Times are integer UTC nanoseconds together with
the boot clock and a bound on the UTC error, because a detection is only as good as the time it carries.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class CaptureTime:
    """When the light or the sound reached the sensor.

    Attributes:
        utc_ns: UTC nanoseconds since 1970.
        boot_ns: CLOCK_BOOTTIME at the same instant, in nanoseconds.
        error_ns: how far ``utc_ns`` may be off, one sigma or a bound, in nanoseconds.
    """

    utc_ns: int
    boot_ns: int
    error_ns: int

    def shifted(self, by_ns: int) -> CaptureTime:
        """Return the instant ``by_ns`` nanoseconds later (negative: earlier), equally uncertain."""
        return CaptureTime(self.utc_ns + by_ns, self.boot_ns + by_ns, self.error_ns)


class Frame:
    """One picture of one camera.

    Converting a decoded picture to BGR costs as much as decoding it, and most frames of an empty road are looked at in
    grey and small. So a source may hand over how to make the pixels instead of the pixels; they are made at the first
    use, by whichever thread asks (two that ask at once may both make them; the result is the same).

    Attributes:
        camera: the camera's configured id.
        captured: when it was exposed.
        scene: changes when this frame cannot show the same vehicles as the one before it (each still of a folder is
            a scene of its own; a video or a camera stays in one scene). Tracks never cross scenes.
        name: the file it came from, if any, for messages.
    """

    __slots__ = ("_image", "_luma", "camera", "captured", "name", "scene")

    def __init__(
        self,
        camera: str,
        image: NDArray[np.uint8] | Callable[[], NDArray[np.uint8]],
        captured: CaptureTime,
        scene: int,
        name: str | None = None,
        *,
        luma: Callable[[], NDArray[np.uint8]] | None = None,
    ) -> None:
        self.camera = camera
        self._image = image
        self._luma = luma
        self.captured = captured
        self.scene = scene
        self.name = name

    @property
    def image(self) -> NDArray[np.uint8]:
        """The pixels, (H, W, 3) uint8 BGR; not to be written to."""
        image = self._image  # once: another thread may put the pixels there between two looks
        if callable(image):
            self._image = image = image()
        return image

    def apart(self) -> Frame:
        """Return the same frame anew: pixels that are made of this one from now on do not stay with that one."""
        return Frame(self.camera, self._image, self.captured, self.scene, self.name, luma=self._luma)

    @property
    def luma(self) -> NDArray[np.uint8]:
        """The brightness alone, (H, W) uint8: the decoder's own plane where there is one, else made of ``image``."""
        if self._luma is not None:
            return self._luma()
        import cv2  # takes a fifth of a second, which commands that only know these records should not pay

        return np.asarray(cv2.cvtColor(self.image, cv2.COLOR_BGR2GRAY), np.uint8)


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels of the frame: left, top, right, bottom; right and bottom are exclusive."""

    x1: int
    y1: int
    x2: int
    y2: int


@dataclass(frozen=True, slots=True)
class Reading:
    """The OCR's full answer for one crop: a distribution per character slot, and for the region.

    Attributes:
        alphabet: the characters of the last axis, in order.
        pad: the character that stands for "no character in this slot".
        probabilities: (slots, len(alphabet)) float32, rows sum to 1.
        regions: probability by ISO 3166 code ("US-TX", "US", "RO"), likeliest first; empty without a region head.
        calibration: the id of the calibration that these probabilities went through.
    """

    alphabet: str
    pad: str
    probabilities: NDArray[np.float32]
    regions: Mapping[str, float]
    calibration: str

    @property
    def text(self) -> str:
        """The likeliest character of each slot, padding left out."""
        best = self.probabilities.argmax(axis=1)
        return "".join(self.alphabet[i] for i in best).replace(self.pad, "")

    @property
    def confidence(self) -> float:
        """The probability of ``text`` as a whole: the product over the slots, so one bad character shows."""
        return float(np.prod(self.probabilities.max(axis=1)))


class PlateMark(StrEnum):
    """What makes a plate harder to read than others, so that whoever sees the read knows it."""

    INFRARED = "infrared"
    TWO_LINE = "two-line"
    STACKED = "stacked"
    SMALL = "small"
    BLURRED = "blurred"
    GLARE = "glare"
    CUT_OFF = "cut-off"


@dataclass(frozen=True, slots=True)
class PlateCandidate:
    """One plate in one frame.

    Attributes:
        box: where the detector found it, clipped to the frame.
        detection_score: the detector's own score in [0, 1]; not a calibrated probability.
        reading: what the OCR made of the crop, calibrated.
        marks: what makes it hard to read.
        rejected: why this is no number plate (lettering, a badge, overlay text), for people; None if it is one.
            Rejected candidates are shown by diagnostics and take no part in tracks.
    """

    box: Box
    detection_score: float
    reading: Reading
    marks: frozenset[PlateMark] = frozenset()
    rejected: str | None = None


class Travel(StrEnum):
    """How a plate moved through the picture during its pass."""

    APPROACHING = "approaching"
    RECEDING = "receding"
    LEFT = "left"
    RIGHT = "right"
    STANDING = "standing"


@dataclass(frozen=True, slots=True)
class Picture:
    """A JPEG as it is stored and hashed; never re-encoded afterwards."""

    jpeg: bytes
    sha256: bytes
    width_px: int
    height_px: int


@dataclass(frozen=True, slots=True)
class VotedRead:
    """What the vote says of one vehicle's pass, at one moment: revisions 0 to 2, and one closing message.

    Attributes:
        camera: the camera's id.
        track: number of the pass, unique within the process.
        revision: 0 for the first publication, then counted up.
        final: whether the pass is over; nothing follows.
        captured: capture time of the frame that ``crop`` and ``frame`` come from.
        first_readable: capture time of the first frame in which the plate could be read.
        reading: the fused distributions.
        box: the plate in ``frame``.
        detection_score: the detector's score on that frame.
        frames: how many frames were fused.
        crop: the sharpest crop, at most 12 KB.
        frame: the frame that the crop was cut from.
        marks: what made most of the fused frames hard to read.
        travel: how it moved so far; None while too little was seen to tell.
    """

    camera: str
    track: int
    revision: int
    final: bool
    captured: CaptureTime
    first_readable: CaptureTime
    reading: Reading
    box: Box
    detection_score: float
    frames: int
    crop: Picture
    frame: Picture
    marks: frozenset[PlateMark] = frozenset()
    travel: Travel | None = None


@dataclass(frozen=True, slots=True)
class SampleTiming:
    """How the samples of a microphone are timed, beside the clock's own error.

    Attributes:
        fit_error_ns: one-sigma error of the fit of the sample clock against UTC; 0 for recordings.
        latency_ns: from the membrane to the sample; taken off ``captured`` already.
        clock_source: what disciplines the clock, such as ``kernel``, ``unsynchronised`` or ``recording``.
    """

    fit_error_ns: int = 0
    latency_ns: int = 0
    clock_source: str = "unsynchronised"


@dataclass(frozen=True, slots=True)
class AudioBlock:
    """A run of consecutive samples of one microphone.

    Attributes:
        microphone: the microphone's configured id.
        samples: (n,) float32 in [-1, 1], mono: the best channel.
        rate_hz: samples per second.
        captured: capture time of the first sample.
        scene: changes when this block does not continue the one before (another file, a reconnected device).
        name: the file it came from, if any.
        channel: which input the samples are of, from 0.
        timing: how well the samples are timed.
    """

    microphone: str
    samples: NDArray[np.float32]
    rate_hz: int
    captured: CaptureTime
    scene: int
    name: str | None = None
    channel: int = 0
    timing: SampleTiming = SampleTiming()


@dataclass(frozen=True, slots=True)
class OtherOnset:
    """Another onset that may be of the same shot.

    Attributes:
        offset_ns: after the arrival.
        wave: ``shock-wave``, ``muzzle-blast``, ``echo`` or ``unknown``.
        level_db: how much louder than the arrival.
    """

    offset_ns: int
    wave: str
    level_db: float


@dataclass(frozen=True, slots=True)
class HeardShot:
    """One shot as one microphone heard it.

    Attributes:
        microphone: the microphone's id.
        captured: when the shot's sound arrived; ``error_ns`` is the clock's share only.
        onset_error_ns: one-sigma error of the onset picked in the samples.
        probability: the gun classes taken together.
        classes: probability by class, likeliest first.
        peak_dbfs: highest sample after the onset, relative to full scale.
        rms_dbfs: root mean square over 50 ms after the onset.
        clipped: whether samples stood at full scale.
        model: name of the classifier.
        rate_hz: the microphone's sample rate.
        at_s: onset within the file or since the source began, in seconds.
        number: the detector's own number of the shot, which ``KeptClip`` refers to.
        snr_db: the first 50 ms over the noise before them.
        wave: which wave the onset is of: ``muzzle-blast``, ``shock-wave`` or ``unknown``.
        others: other onsets that may be of the same shot, in order of time.
        burst: the microphone's number of the burst that it belongs to.
        round: which round of it, from 1.
        rounds: how many were heard so far.
        fire: ``single``, ``burst`` or ``automatic``, as far as was heard so far.
        marks: what was wrong with the sound: ``clipped``, ``wind``, ``agc``.
        channel: which input it was picked on.
        timing: how well the samples are timed.
    """

    microphone: str
    captured: CaptureTime
    onset_error_ns: int
    probability: float
    classes: Mapping[str, float]
    peak_dbfs: float
    rms_dbfs: float
    clipped: bool
    model: str
    rate_hz: int
    at_s: float
    number: int
    snr_db: float
    wave: str
    others: tuple[OtherOnset, ...]
    burst: int
    round: int
    rounds: int
    fire: str
    marks: frozenset[str]
    channel: int
    timing: SampleTiming


@dataclass(frozen=True, slots=True)
class KeptClip:
    """The seconds around one or several shots: the only sound that leaves the detector.

    Attributes:
        microphone: the microphone's id.
        captured: of the first sample.
        shots: the numbers of the shots that it holds.
        duration_ms: how long it is.
        clip: as people listen to it, Ogg Opus.
        recording: the same seconds as they were heard, FLAC.
    """

    microphone: str
    captured: CaptureTime
    shots: tuple[int, ...]
    duration_ms: int
    clip: bytes
    recording: bytes
