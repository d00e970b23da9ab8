"""One microphone's detector at work: as a stage, and what comes of it in the outbox.

Invariants:

- The only sound that leaves the detector's memory is that of a ``KeptClip``, and it goes into the evidence folder.
- A clip names the arrivals that it holds by their sequences, so it is put after them; one whose arrivals were all
  refused by the outbox has nobody to belong to and is dropped.
- What is told about the clock is told of what was heard, not of the moment when somebody asks.
- A shot waits for the second that follows it, but not for a microphone that has fallen silent: whoever shoots at a
  trailer may hit it.

Both classes belong to the thread that drives the stage.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import structlog

from edge_agent.bodies import as_shot_arrival, as_shot_clip
from edge_agent.config import Place
from edge_agent.gunshots.detector import ShotDetector
from edge_agent.outbox import Entry, EvidenceFile
from edge_agent.records import AudioBlock, HeardShot, KeptClip
from edge_agent.sending import Identity
from edge_wire.messages import Part
from edge_wire.timing import TIMING_LIMIT_NS, combined_ns

_UNFIT_AFTER_NS = 5_000_000_000  # a sample clock is unsure of itself in its first second
_SILENT_AFTER_NS = 3_000_000_000
_REMEMBERED = 1_000  # a clip is whole seconds after its shots
_log = structlog.get_logger()


class ShotStage:
    """A ``ShotDetector`` as a stage."""

    def __init__(self, detector: ShotDetector) -> None:
        self._detector = detector
        self._silent_since_boot_ns: int | None = None
        self._unfit_since_boot_ns: int | None = None
        self._clock_doubt = ""

    def observe(self, block: AudioBlock) -> Sequence[HeardShot | KeptClip]:
        """Return the shots and clips that this block completes."""
        self._silent_since_boot_ns = None
        self._judge_clock(block)
        return self._detector.hear(block)

    def tick(self, now_boot_ns: int) -> Sequence[HeardShot | KeptClip]:
        """Return what still waits for sound, once none has come for three seconds."""
        if self._silent_since_boot_ns is None:
            self._silent_since_boot_ns = now_boot_ns
        if now_boot_ns - self._silent_since_boot_ns < _SILENT_AFTER_NS:
            return ()
        return self._detector.finish()

    def close(self) -> Sequence[HeardShot | KeptClip]:
        """Return what was still waiting."""
        return self._detector.finish()

    def doubt(self) -> str:
        """Why what it hears, or when, cannot be believed; empty if it can."""
        return "; ".join(reason for reason in (self._detector.condition, self._clock_doubt) if reason)

    def _judge_clock(self, block: AudioBlock) -> None:
        error_ns = combined_ns(block.captured.error_ns, block.timing.fit_error_ns)
        if error_ns <= TIMING_LIMIT_NS:
            self._unfit_since_boot_ns, self._clock_doubt = None, ""
            return
        if self._unfit_since_boot_ns is None:
            self._unfit_since_boot_ns = block.captured.boot_ns
        if block.captured.boot_ns - self._unfit_since_boot_ns >= _UNFIT_AFTER_NS:
            self._clock_doubt = f"clock not good enough for location: {_duration(error_ns)}; {_WITHOUT_LOCATION}"


_WITHOUT_LOCATION = "takes part in classification only; `edge-agent doctor` says what to do"


def _duration(ns: int) -> str:
    return f"{ns / 1e9:.0f} s" if ns >= 1_000_000_000 else f"{ns / 1e6:.0f} ms"


class ShotsKept:
    """Puts one microphone's shots and clips where they are kept.

    Args:
        keep: puts one detection with its files into the outbox; None when that could not take it.
        deployment: which site, aim and period the device stands in.
        place: where the microphone stands, if that is known.
    """

    def __init__(
        self, keep: Callable[[Entry, Sequence[EvidenceFile]], Identity | None], deployment: str, place: Place | None
    ) -> None:
        self._keep = keep
        self._deployment = deployment
        self._place = place
        self._sequences: dict[int, int] = {}

    def deliver(self, heard: Sequence[HeardShot | KeptClip]) -> None:
        """Keep what the detector handed out, in order."""
        for item in heard:
            if isinstance(item, HeardShot):
                self._keep_shot(item)
            else:
                self._keep_clip(item)

    def _keep_shot(self, shot: HeardShot) -> None:
        identity = self._keep(Entry(as_shot_arrival(shot, self._deployment, self._place), shot.captured), ())
        if identity is not None:
            self._sequences[shot.number] = identity.sequence
        while len(self._sequences) > _REMEMBERED:
            del self._sequences[next(iter(self._sequences))]

    def _keep_clip(self, clip: KeptClip) -> None:
        arrivals = [self._sequences[number] for number in clip.shots if number in self._sequences]
        if not arrivals:
            _log.error("a clip was dropped: none of its shots was kept", microphone=clip.microphone)
            return
        files = [EvidenceFile(Part.CLIP, clip.clip), EvidenceFile(Part.RECORDING, clip.recording)]
        self._keep(Entry(as_shot_clip(clip, arrivals), clip.captured), files)
