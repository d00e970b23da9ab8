"""A sound card as blocks of sound, through PortAudio (the extra ``microphone``).

PortAudio hands blocks over on a thread of its own and says how old each block's first sample is. When a sample was
captured follows from its number, by a clock that is fitted to those ages (``sample_clock``), less the latency that the
configuration knows of.

``blocks`` is iterated by one thread; ``close`` may come from any. A dropped block or a card that falls silent is told,
never papered over: the first starts a new scene, the second raises, and the owner iterates again.
"""

from __future__ import annotations

import itertools
import queue
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_agent.errors import SourceError
from edge_agent.records import AudioBlock, SampleTiming
from edge_agent.sources.channels import BestChannel
from edge_agent.sources.sample_clock import SampleClock
from edge_agent.sources.sound_cards import OpenStream, open_portaudio
from edge_wire.clock import Clock
from edge_wire.timing import clock_source

BLOCK_S = 0.1
_SILENT_AFTER_S = 3.0
_QUEUED_BLOCKS = 100  # ten seconds: whoever is later than that has lost sound anyway
_ASK_EVERY = 100  # blocks
# Each run of samples is a scene of its own, also when the card is opened anew by another source.
_SCENES = itertools.count()


@dataclass(frozen=True, slots=True)
class _Arrived:
    samples: NDArray[np.float32]
    first_boot_ns: int
    lost_before: bool


class MicrophoneSource:
    """One input of a sound card; implements ``AudioSource``.

    Args:
        microphone: id that the blocks carry.
        device: the card, as ``sound_cards.choose`` takes it; None: the default input.
        clock: where capture times come from.
        latency_ns: from the membrane to the sample; taken off.
        open_stream: opens the card; tests pass a card of their own.
        silent_after_s: how long to wait for a block before the card counts as gone.
    """

    def __init__(
        self,
        microphone: str,
        device: str | None,
        clock: Clock,
        *,
        latency_ns: int = 0,
        open_stream: OpenStream = open_portaudio,
        silent_after_s: float = _SILENT_AFTER_S,
    ) -> None:
        self._microphone = microphone
        self._device = device
        self._clock = clock
        self._latency_ns = latency_ns
        self._open_stream = open_stream
        self._silent_after_s = silent_after_s
        self._arrived: queue.Queue[_Arrived | None] = queue.Queue(_QUEUED_BLOCKS)
        self._overflowed = False
        self._closed = False
        self._channel = BestChannel()

    def condition(self) -> str:
        """Why what is heard cannot be believed as it should; empty if it can."""
        return self._channel.condition

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
        self._channel = BestChannel()
        scene, count, sample_clock = next(_SCENES), 0, SampleClock(rate_hz, self._clock, self._latency_ns)
        for number in itertools.count():
            arrived = self._next()
            if arrived is None:
                return
            if arrived.lost_before:
                scene, count, sample_clock = next(_SCENES), 0, SampleClock(rate_hz, self._clock, self._latency_ns)
            if number % _ASK_EVERY == 0:
                disciplined_by = clock_source()
            captured, fit_error_ns = sample_clock.capture(count, arrived.first_boot_ns)
            timing = SampleTiming(fit_error_ns, self._latency_ns, disciplined_by)
            samples = self._channel.of(arrived.samples, rate_hz)
            yield AudioBlock(
                self._microphone, samples, rate_hz, captured, scene, channel=self._channel.channel, timing=timing
            )
            count += len(samples)

    def _next(self) -> _Arrived | None:
        """Wait for a block; None after ``close``."""
        try:
            arrived = self._arrived.get(timeout=self._silent_after_s)
        except queue.Empty:
            raise SourceError(
                f"microphone {self._microphone!r}: no sound from {self._device or 'the default input'} for "
                f"{self._silent_after_s:g} s; check the cable, or `python -m sounddevice` for what is there."
            ) from None
        return None if self._closed else arrived

    def _on_block(self, samples: NDArray[np.float32], age_s: float, lost_before: bool) -> None:
        """Take a block on PortAudio's thread, which must never wait."""
        first_boot_ns = self._clock.boot_ns() - round(age_s * 1e9)
        try:
            self._arrived.put_nowait(_Arrived(samples, first_boot_ns, lost_before or self._overflowed))
            self._overflowed = False
        except queue.Full:
            self._overflowed = True
