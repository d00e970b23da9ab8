"""A sound card as blocks of sound, through PortAudio (the extra ``microphone``).

PortAudio hands blocks over on a thread of its own and says how old each block's first sample is; those ages jitter by
milliseconds and only ever make a block look late. The samples themselves come evenly, so the smallest offset between
count and clock over the last seconds is the one to believe, and the spread of the others goes into ``error_ns``.

``blocks`` is iterated by one thread; ``close`` may come from any. A dropped block or a card that falls silent is told,
never papered over: the first starts a new scene, the second raises, and the owner iterates again.
"""

from __future__ import annotations

import queue
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edge_agent.errors import ConfigurationError, SourceError
from edge_agent.records import AudioBlock, CaptureTime
from edge_agent.sources.channels import BestChannel
from edge_wire.clock import Clock

BLOCK_S = 0.1
_SILENT_AFTER_S = 3.0
_QUEUED_BLOCKS = 100  # ten seconds: whoever is later than that has lost sound anyway
_OFFSETS = 100


class SoundStream(Protocol):
    """An open input that calls back; closing it twice does no harm."""

    @property
    def rate_hz(self) -> int:
        """Samples per second that the card really delivers."""
        ...

    def close(self) -> None:
        """Stop calling back and let go of the card."""
        ...


OnBlock = Callable[[NDArray[np.float32], float, bool], None]
"""Called with (n, channels) samples, the age of the first in seconds, and whether samples before it were lost."""

OpenStream = Callable[[str | None, float, OnBlock], SoundStream]
"""Opens a card by name (None: the default) with blocks of so many seconds."""


@dataclass(frozen=True, slots=True)
class _Arrived:
    samples: NDArray[np.float32]
    first_boot_ns: int
    lost_before: bool


class MicrophoneSource:
    """One input of a sound card; implements ``AudioSource``.

    Args:
        microphone: id that the blocks carry.
        device: name or number of the card as PortAudio lists it; None: the default input.
        clock: where capture times come from.
        open_stream: opens the card; tests pass a card of their own.
        silent_after_s: how long to wait for a block before the card counts as gone.
    """

    def __init__(
        self,
        microphone: str,
        device: str | None,
        clock: Clock,
        open_stream: OpenStream | None = None,
        silent_after_s: float = _SILENT_AFTER_S,
    ) -> None:
        self._microphone = microphone
        self._device = device
        self._clock = clock
        self._open_stream = open_stream if open_stream is not None else open_portaudio
        self._silent_after_s = silent_after_s
        self._arrived: queue.Queue[_Arrived | None] = queue.Queue(_QUEUED_BLOCKS)
        self._overflowed = False
        self._closed = False
        self._scene = -1

    def blocks(self) -> Iterator[AudioBlock]:
        """Yield blocks until ``close``.

        Raises:
            ConfigurationError: sound cards cannot be used on this machine at all.
            SourceError: the card cannot be opened, or nothing comes from it any more.
        """
        self._arrived = queue.Queue(_QUEUED_BLOCKS)
        if self._closed:
            return
        stream = self._open_stream(self._device, BLOCK_S, self._on_block)
        try:
            yield from self._continuous(stream.rate_hz)
        finally:
            stream.close()

    def close(self) -> None:
        """Let ``blocks`` end with the block after this one at the latest."""
        self._closed = True
        try:
            self._arrived.put_nowait(None)
        except queue.Full:
            return  # the reader is behind and finds ``_closed`` with its next block

    def _continuous(self, rate_hz: int) -> Iterator[AudioBlock]:
        count, channel = 0, BestChannel()
        offsets: deque[int] = deque(maxlen=_OFFSETS)
        self._scene += 1
        while not self._closed:
            try:
                arrived = self._arrived.get(timeout=self._silent_after_s)
            except queue.Empty:
                raise SourceError(
                    f"microphone {self._microphone!r}: no sound from {self._device or 'the default input'} for "
                    f"{self._silent_after_s:g} s; check the cable, or `python -m sounddevice` for what is there."
                ) from None
            if arrived is None or self._closed:
                return
            if arrived.lost_before:
                self._scene += 1
                count = 0
                offsets.clear()
            played_ns = count * 1_000_000_000 // rate_hz
            offsets.append(arrived.first_boot_ns - played_ns)
            captured = self._captured(min(offsets) + played_ns, max(offsets) - min(offsets))
            count += len(arrived.samples)
            yield AudioBlock(self._microphone, channel.of(arrived.samples), rate_hz, captured, self._scene)

    def _captured(self, boot_ns: int, spread_ns: int) -> CaptureTime:
        since_ns = self._clock.boot_ns() - boot_ns
        return CaptureTime(self._clock.utc_ns() - since_ns, boot_ns, self._clock.error_ns() + spread_ns)

    def _on_block(self, samples: NDArray[np.float32], age_s: float, lost_before: bool) -> None:
        """Take a block on PortAudio's thread, which must never wait."""
        first_boot_ns = self._clock.boot_ns() - round(age_s * 1e9)
        try:
            self._arrived.put_nowait(_Arrived(samples, first_boot_ns, lost_before or self._overflowed))
            self._overflowed = False
        except queue.Full:
            self._overflowed = True


def open_portaudio(device: str | None, block_s: float, on_block: OnBlock) -> SoundStream:
    """Open a sound card at its own rate with all of its channels.

    Raises:
        ConfigurationError: sounddevice or PortAudio is not installed.
        SourceError: there is no such card, or it cannot be opened now.
    """
    try:
        import sounddevice  # an optional extra: a device without microphone does not carry it
    except ImportError as error:
        raise ConfigurationError(
            "microphones need an extra: pip install 'nightjar[microphone]', and libportaudio2 of the system."
        ) from error
    except OSError as error:
        raise ConfigurationError(
            f"microphones need PortAudio ({error}): apt-get install libportaudio2; the Python side, "
            "pip install 'nightjar[microphone]', is there."
        ) from error
    card: int | str | None = int(device) if device is not None and device.isdecimal() else device

    def called_back(indata: NDArray[np.float32], frames: int, times: _PortAudioTimes, status: _PortAudioStatus) -> None:
        del frames
        on_block(indata.copy(), times.currentTime - times.inputBufferAdcTime, status.input_overflow)

    try:
        found = sounddevice.query_devices(card, "input")
        rate_hz = round(found["default_samplerate"])
        stream = sounddevice.InputStream(
            device=card,
            samplerate=rate_hz,
            channels=found["max_input_channels"],
            dtype="float32",
            blocksize=round(block_s * rate_hz),
            callback=called_back,
        )
        stream.start()
    except (sounddevice.PortAudioError, ValueError) as error:
        raise SourceError(
            f"sound card {device or '(default)'}: cannot be opened ({error}); see `python -m sounddevice` for a list."
        ) from error
    return _PortAudioStream(stream, rate_hz)


class _PortAudioTimes(Protocol):
    currentTime: float  # noqa: N815 - PortAudio's name
    inputBufferAdcTime: float  # noqa: N815 - PortAudio's name


class _PortAudioStatus(Protocol):
    input_overflow: bool


class _Closable(Protocol):
    def close(self) -> None: ...


class _PortAudioStream:
    def __init__(self, stream: _Closable, rate_hz: int) -> None:
        self._stream = stream
        self.rate_hz = rate_hz

    def close(self) -> None:
        self._stream.close()
