"""Recordings as blocks of sound, and the one function that opens whatever a microphone's configuration names.

A recording's samples are captured at ``starts_at`` plus their place in it, to the sample. Each recording of a folder is
a scene of its own; they follow each other without a pause. A recording of a folder that cannot be read is named,
counted and skipped: one bad file does not cost the others.

Iterated by one thread; ``close`` may come from any.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import soundfile
import structlog
from numpy.typing import NDArray

from edge_agent.errors import ConfigurationError, SourceError
from edge_agent.records import AudioBlock, SampleTiming
from edge_agent.sources.channels import BestChannel
from edge_agent.sources.microphone import MicrophoneSource
from edge_agent.sources.pacing import Pace, Pacing
from edge_wire.clock import Clock

AUDIO_SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf", ".w64"})
DEFAULT_BLOCK_S = 0.25
MINIMUM_RATE_HZ = 4_000  # telephone sound; below, a bang is a thump like any other
MAXIMUM_RATE_HZ = 384_000  # the fastest converters; a header may claim billions, and memory would be made for them
_LOUDEST = 100.0  # floating point may go a little beyond full scale; squares of more would overflow
# Its samples are as evenly spaced as they were recorded; what is uncertain is when it began.
_TIMING = SampleTiming(clock_source="recording")
_log = structlog.get_logger()


def list_recordings(folder: Path) -> list[Path]:
    """Return the recordings in ``folder`` and below, sorted.

    Raises:
        ConfigurationError: there are none, or a folder in it cannot be listed.
    """
    try:
        recordings = sorted(p for p in folder.rglob("*") if p.suffix.lower() in AUDIO_SUFFIXES and p.is_file())
    except OSError as error:
        raise ConfigurationError(f"{folder}: cannot be listed ({error.strerror}).") from error
    if not recordings:
        raise ConfigurationError(f"{folder}: holds no recordings; expected {', '.join(sorted(AUDIO_SUFFIXES))}.")
    return recordings


def log_skipped(path: Path, error: SourceError) -> None:
    """Log a recording that was skipped."""
    _log.warning("recording skipped", path=str(path), reason=str(error))


def read_blocks(
    path: Path, block_s: float = DEFAULT_BLOCK_S, channel: BestChannel | None = None
) -> Iterator[tuple[int, int, NDArray[np.float32]]]:
    """Yield a recording block by block.

    Args:
        path: the recording.
        block_s: seconds a block.
        channel: chooses the channel; whoever wants to know which one brings their own.

    Yields:
        Number of the block's first sample, samples per second, and the samples, (n,) float32 of the best channel.

    Raises:
        SourceError: the file is missing, damaged, empty, or no recording.
    """
    try:
        with soundfile.SoundFile(path) as file:
            if not MINIMUM_RATE_HZ <= file.samplerate <= MAXIMUM_RATE_HZ:
                raise SourceError(
                    f"{path}: got {file.samplerate} samples a second, expected {MINIMUM_RATE_HZ} to {MAXIMUM_RATE_HZ}."
                )
            first, best = 0, channel or BestChannel()
            for block in file.blocks(max(1, round(block_s * file.samplerate)), dtype="float32", always_2d=True):
                highest = float(np.abs(block).max())
                if not highest <= _LOUDEST:  # so it is, too, with what is no number
                    raise SourceError(f"{path}: got {highest:g} after sample {first}, expected numbers from -1 to 1.")
                yield first, file.samplerate, best.of(block, file.samplerate)
                first += len(block)
            if first == 0:
                raise SourceError(f"{path}: holds no samples.")
    except soundfile.LibsndfileError as error:
        # libsndfile says "System error." of everything that the operating system refused.
        refused = _refusal(path)
        if refused:
            raise SourceError(f"{path}: cannot be read ({refused}).") from error
        raise SourceError(f"{path}: cannot be read as a recording ({error.error_string}).") from error
    except (OSError, ValueError, TypeError) as error:
        raise SourceError(f"{path}: cannot be read ({error}).") from error


def _refusal(path: Path) -> str:
    """Why the operating system does not open ``path``; empty if it does."""
    try:
        path.open("rb").close()
    except OSError as error:
        return error.strerror or type(error).__name__
    return ""


class RecordingsSource:
    """Recordings in the order given; implements ``AudioSource``.

    Args:
        microphone: id that the blocks carry.
        paths: the files, at least one.
        pacing: turns media time into capture time; each file begins where the one before it ended.
        on_skipped: is told each file that could not be read; None: the first such file ends the source.
        block_s: seconds a block.

    Attributes:
        skipped: how many files could not be read so far.
    """

    def __init__(
        self,
        microphone: str,
        paths: Sequence[Path],
        pacing: Pacing,
        *,
        on_skipped: Callable[[Path, SourceError], None] | None = None,
        block_s: float = DEFAULT_BLOCK_S,
    ) -> None:
        self._microphone = microphone
        self._paths = tuple(paths)
        self._pacing = pacing
        self._on_skipped = on_skipped
        self._block_s = block_s
        self.skipped = 0
        self._channel = BestChannel()

    def condition(self) -> str:
        """Why what is heard cannot be believed as it should; empty if it can."""
        return self._channel.condition

    def blocks(self) -> Iterator[AudioBlock]:
        """Yield the recordings' blocks; in pace ``realtime`` each when its last sample has been played.

        Raises:
            SourceError: a file cannot be read, unless those are skipped.
        """
        begin_ns = 0
        for scene, path in enumerate(self._paths):
            end_ns = begin_ns
            self._channel = best = BestChannel()
            try:
                for first, rate_hz, samples in read_blocks(path, self._block_s, best):
                    media_ns = begin_ns + first * 1_000_000_000 // rate_hz
                    end_ns = begin_ns + (first + len(samples)) * 1_000_000_000 // rate_hz
                    if not self._pacing.wait_until(end_ns):
                        return
                    captured = self._pacing.captured(media_ns)
                    yield AudioBlock(
                        self._microphone, samples, rate_hz, captured, scene, path.name, best.channel, _TIMING
                    )
            except SourceError as error:
                if self._on_skipped is None:
                    raise
                self.skipped += 1
                self._on_skipped(path, error)
            begin_ns = end_ns

    def close(self) -> None:
        """Let ``blocks`` end soon."""
        self._pacing.close()


def open_audio_source(
    source: str | Path,
    *,
    microphone: str,
    clock: Clock,
    pace: Pace = Pace.REALTIME,
    starts_at_utc_ns: int | None = None,
    latency_ns: int = 0,
    on_skipped: Callable[[Path, SourceError], None] = log_skipped,
) -> MicrophoneSource | RecordingsSource:
    """Return the source that ``source`` names; microphones and recordings are opened when iterated.

    Args:
        source: ``device``, ``device:NAME`` (a sound card; see ``sound_cards``), a recording, or a folder of recordings.
        microphone: id that the blocks carry.
        clock: where capture times come from.
        pace: for recordings: in the time that they took, or as fast as they can be read.
        starts_at_utc_ns: for recordings: UTC nanoseconds of the first sample; None: now.
        latency_ns: for sound cards: from the membrane to the sample; taken off.
        on_skipped: for folders: is told each recording that could not be read.

    Raises:
        ConfigurationError: ``source`` names nothing that can be opened, or a folder without recordings.
    """
    text = str(source)
    if text == "device" or text.startswith("device:"):
        device = text.removeprefix("device").removeprefix(":") or None
        return MicrophoneSource(microphone, device, clock, latency_ns=latency_ns)
    path = Path(text)
    pacing = Pacing(clock, pace, starts_at_utc_ns)
    try:
        if path.is_dir():
            return RecordingsSource(microphone, list_recordings(path), pacing, on_skipped=on_skipped)
        found = path.is_file()
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be looked at ({error.strerror}).") from error
    if not found:
        raise ConfigurationError(
            f"{path}: no such file or folder; expected device, device:NAME, a recording or a folder of recordings."
        )
    return RecordingsSource(microphone, [path], pacing)
