"""Sound cards through PortAudio (the extra ``microphone``), and which one a configuration means.

``device:NAME`` names a card so that it is found again after it was unplugged and after a restart:

- a part of its name as PortAudio lists it, such as ``USB PnP Sound Device``: all words of it, in any case;
- a path of ``/dev/snd/by-id`` or ``by-path``: the serial number or the socket, which tells two cards of one kind apart;
- its number in PortAudio's list, for a trial at the desk.

A name that fits several cards is refused with the list of them: whichever was found first at this start would be
another at the next. The number that ALSA gives a card (``hw:1,0``) changes with the order in which cards are found, so
it is no part of a name that lasts.

PortAudio lists the cards when it is first asked and never again, so the list is made anew before a card is opened, as
long as none is open. One lock covers both.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import structlog
from numpy.typing import NDArray

from edge_agent.errors import ConfigurationError, SourceError

_LOCK = threading.Lock()
_ALSA_NUMBER = re.compile(r"\(hw:(\d+),\d+\)")
_CONTROL = re.compile(r"controlC(\d+)")
_OLDEST_S = 2.0
_streams = 0
_log = structlog.get_logger()


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
class SoundCard:
    """An input as PortAudio lists it.

    Attributes:
        index: its number there.
        name: such as ``USB PnP Sound Device: Audio (hw:1,0)``.
        channels: how many inputs it has.
        rate_hz: its usual sample rate.
    """

    index: int
    name: str
    channels: int
    rate_hz: int

    def __str__(self) -> str:
        return f"{self.index}: {self.name} ({self.channels} in, {self.rate_hz} Hz)"


def choose(cards: Sequence[SoundCard], wanted: str, resolve: Callable[[str], str] = os.path.realpath) -> SoundCard:
    """Return the one card that ``wanted`` names.

    Args:
        cards: the inputs there are.
        wanted: a part of a name, a path below ``/dev/snd``, or a number of the list.
        resolve: follows links of the file system.

    Raises:
        SourceError: none fits, or several; the text lists what there is.
    """
    if wanted.startswith("/"):
        control = _CONTROL.fullmatch(os.path.basename(resolve(wanted)))
        number = control and control[1]
        fitting = [c for c in cards if number is not None and number in _ALSA_NUMBER.findall(c.name)]
        fitting = fitting[:1]  # several inputs of one card: its first
    elif wanted.isdecimal():
        fitting = [card for card in cards if card.index == int(wanted)]
    else:
        exact = [card for card in cards if card.name.lower() == wanted.lower()]
        words = wanted.lower().split()
        fitting = exact or [card for card in cards if all(word in card.name.lower() for word in words)]
    if len(fitting) == 1:
        return fitting[0]
    listing = "; ".join(str(card) for card in fitting or cards) or "none"
    if not fitting:
        raise SourceError(f"sound card {wanted!r}: not there; check the cable. Inputs: {listing}.")
    raise SourceError(
        f"sound card {wanted!r}: fits {len(fitting)} inputs, expected one: {listing}. Name more of it, or its path "
        "below /dev/snd/by-id or /dev/snd/by-path, which stays the same when it is plugged in again."
    )


def plausible_age_s(age_s: float, block_s: float) -> float:
    """Return the age of a block's first sample as PortAudio has it, or what it is at least where that cannot be.

    Some backends leave the time of the first sample at 0, or take it from another clock.
    """
    return age_s if block_s / 2 <= age_s <= block_s + _OLDEST_S else block_s


def open_portaudio(device: str | None, block_s: float, on_block: OnBlock) -> SoundStream:
    """Open a sound card at its own rate with all of its channels.

    Args:
        device: as ``choose`` takes it; None: the default input.
        block_s: seconds a block.
        on_block: called on PortAudio's thread, which must never wait.

    Raises:
        ConfigurationError: sounddevice or PortAudio is not installed.
        SourceError: there is no such card, several fit, or it cannot be opened now.
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

    def called_back(indata: NDArray[np.float32], frames: int, times: _PortAudioTimes, status: _PortAudioStatus) -> None:
        del frames
        age_s = plausible_age_s(times.currentTime - times.inputBufferAdcTime, block_s)
        on_block(indata.copy(), age_s, status.input_overflow)

    global _streams  # the library is one per program, and so is what is open in it
    with _LOCK:
        try:
            if not _streams:
                # The library's own functions, though private: it offers no other way to look for cards again.
                while sounddevice._initialized:
                    sounddevice._terminate()
                sounddevice._initialize()
            card = _chosen(sounddevice, device)
            stream = sounddevice.InputStream(
                device=card.index,
                samplerate=card.rate_hz,
                channels=card.channels,
                dtype="float32",
                blocksize=round(block_s * card.rate_hz),
                callback=called_back,
            )
            try:
                stream.start()
            except sounddevice.PortAudioError:
                stream.close()  # or nobody could open the card again while another one is in use
                raise
        except (sounddevice.PortAudioError, ValueError) as error:
            raise SourceError(
                f"sound card {device or '(default)'}: cannot be opened ({error}); see `python -m sounddevice`."
            ) from error
        _streams += 1
    _log.info("sound card", wanted=device or "the default input", opened=str(card))
    return _PortAudioStream(stream, card.rate_hz)


def _chosen(sounddevice: _SoundDevice, device: str | None) -> SoundCard:
    if device is None:
        found = sounddevice.query_devices(None, "input")
        return _card(found)
    return choose([_card(each) for each in sounddevice.query_devices() if each["max_input_channels"]], device)


def _card(found: Mapping[str, Any]) -> SoundCard:
    return SoundCard(found["index"], found["name"], found["max_input_channels"], round(found["default_samplerate"]))


class _SoundDevice(Protocol):
    def query_devices(self, device: None = None, kind: str | None = None) -> Any: ...


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
        self._open = True
        self.rate_hz = rate_hz

    def close(self) -> None:
        global _streams  # as where it is opened
        with _LOCK:
            if self._open:
                self._open = False
                _streams -= 1
                self._stream.close()
