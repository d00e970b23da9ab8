"""Which card a name means, and PortAudio where it is not installed."""

import importlib.util
import sys
from collections.abc import Callable, Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edge_agent.errors import ConfigurationError, SourceError
from edge_agent.sources import sound_cards
from edge_agent.sources.sound_cards import SoundCard, choose, open_portaudio, plausible_age_s

ONBOARD = SoundCard(0, "HDA Intel PCH: ALC256 Analog (hw:0,0)", 2, 48_000)
FIRST = SoundCard(1, "USB PnP Sound Device: Audio (hw:1,0)", 1, 48_000)
SECOND = SoundCard(2, "USB PnP Sound Device: Audio (hw:2,0)", 1, 48_000)
LINKS = {
    "/dev/snd/by-id/usb-C-Media_USB_PnP_Sound_Device-00": "/dev/snd/controlC1",
    "/dev/snd/by-path/pci-0000:00:14.0-usb-0:2:1.0": "/dev/snd/controlC2",
}


def chosen(cards: list[SoundCard], wanted: str) -> SoundCard:
    return choose(cards, wanted, lambda path: LINKS.get(path, path))


def test_pains_23_a_part_of_its_name_finds_a_card_whatever_number_it_has_now() -> None:
    """pains-23: after it was plugged in again it is another number in ALSA and in PortAudio's list."""
    again = SoundCard(7, "USB PnP Sound Device: Audio (hw:4,0)", 1, 48_000)
    assert chosen([ONBOARD, FIRST], "USB PnP") == FIRST
    assert chosen([ONBOARD, again], "USB PnP") == again
    assert chosen([again, ONBOARD], "pnp usb") == again


def test_pains_23_two_cards_of_one_name_are_refused_with_the_list_and_the_way_out() -> None:
    """pains-23: whichever came first at this start would be the other at the next."""
    with pytest.raises(SourceError, match=r"fits 2 inputs.*1: USB PnP.*hw:1,0.*2: USB PnP.*hw:2,0.*by-path"):
        chosen([ONBOARD, FIRST, SECOND], "USB PnP")


@pytest.mark.parametrize(("path", "card"), list(zip(LINKS, (FIRST, SECOND), strict=True)))
def test_pains_23_two_cards_of_one_name_are_told_apart_by_serial_number_or_socket(path: str, card: SoundCard) -> None:
    assert chosen([ONBOARD, FIRST, SECOND], path) == card


def test_a_whole_name_goes_before_others_that_contain_it() -> None:
    longer = SoundCard(3, f"{FIRST.name} Pro", 1, 48_000)
    assert chosen([longer, FIRST], FIRST.name) == FIRST


def test_a_number_is_that_of_the_list() -> None:
    assert chosen([ONBOARD, FIRST], "1") == FIRST


@pytest.mark.parametrize("wanted", ["RODE", "9", "/dev/snd/by-id/usb-gone-00", "/dev/snd/controlC9"])
def test_a_card_that_is_not_there_is_told_with_what_is(wanted: str) -> None:
    with pytest.raises(SourceError, match=r"not there.*0: HDA Intel"):
        chosen([ONBOARD, FIRST], wanted)
    with pytest.raises(SourceError, match="Inputs: none"):
        chosen([], wanted)


def test_ages_that_cannot_be_are_taken_for_the_least_possible() -> None:
    assert plausible_age_s(0.113, 0.1) == 0.113
    # A first sample at 0 of the stream's clock is hours old, one of another clock in the future.
    assert [plausible_age_s(age_s, 0.1) for age_s in (7_200.0, -3.0, 0.0)] == [0.1] * 3


class FakePortAudio(ModuleType):
    """The module ``sounddevice`` with what of it is used, on a machine whose cards a test plugs in and out."""

    class PortAudioError(Exception):
        pass

    def __init__(self) -> None:
        super().__init__("sounddevice")
        self.plugged: list[SoundCard] = [ONBOARD, FIRST]
        self.listed: list[SoundCard] = []
        self.open: list[Any] = []
        self.broken = self.stuck = False
        self._initialized = 1  # by its import

    def _terminate(self) -> None:
        assert not self.open, "would pull the card from under a stream"
        assert self._initialized
        self._initialized -= 1
        self.listed = []

    def _initialize(self) -> None:
        if self.broken:
            raise self.PortAudioError("Error initializing PortAudio")
        self._initialized += 1
        self.listed = list(self.plugged)

    def query_devices(self, device: None = None, kind: str | None = None) -> Any:
        cards = [
            {
                "index": card.index,
                "name": card.name,
                "max_input_channels": card.channels,
                "default_samplerate": float(card.rate_hz),
            }
            for card in self.listed
        ]
        return cards[0] if kind else cards

    def InputStream(self, **settings: Any) -> Any:  # noqa: N802 - its name there
        if settings["device"] not in [card.index for card in self.plugged]:
            raise self.PortAudioError("Device unavailable")
        stream: Any = SimpleNamespace(**settings, start=self._start, close=lambda: self.open.remove(stream))
        self.open.append(stream)
        return stream

    def _start(self) -> None:
        if self.stuck:
            raise self.PortAudioError("Unanticipated host error")


@pytest.fixture
def portaudio(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakePortAudio]:
    fake = FakePortAudio()
    monkeypatch.setitem(sys.modules, "sounddevice", fake)  # the seam: it is imported where a card is opened
    yield fake
    assert not sound_cards._streams


def nothing(samples: Any, age_s: float, lost: bool) -> None:
    pass


def test_a_card_that_was_plugged_in_again_is_found_by_its_name(portaudio: FakePortAudio) -> None:
    stream = open_portaudio("USB PnP", 0.1, nothing)
    stream.close()
    stream.close()
    portaudio.plugged = [ONBOARD, SECOND]
    stream = open_portaudio("USB PnP", 0.1, nothing)
    assert [each.device for each in portaudio.open] == [2]
    assert stream.rate_hz == 48_000
    stream.close()


def test_a_sound_system_that_was_gone_for_a_while_is_used_again(portaudio: FakePortAudio) -> None:
    portaudio.broken = True
    for _ in range(2):
        with pytest.raises(SourceError, match="Error initializing PortAudio"):
            open_portaudio("USB PnP", 0.1, nothing)
    portaudio.broken = False
    open_portaudio("USB PnP", 0.1, nothing).close()


def test_the_list_is_not_made_anew_under_an_open_stream(portaudio: FakePortAudio) -> None:
    streams = [open_portaudio(name, 0.1, nothing) for name in ("USB PnP", "HDA", None)]
    assert [each.device for each in portaudio.open] == [1, 0, 0]
    for stream in streams:
        stream.close()


def test_a_card_that_does_not_open_is_an_error_that_names_it(portaudio: FakePortAudio) -> None:
    streams = [open_portaudio("HDA", 0.1, nothing)]
    portaudio.plugged = [ONBOARD]
    with pytest.raises(SourceError, match=r"USB PnP: cannot be opened \(Device unavailable\)"):
        open_portaudio("USB PnP", 0.1, nothing)
    streams[0].close()


def test_a_card_that_opens_and_does_not_start_is_let_go(portaudio: FakePortAudio) -> None:
    portaudio.stuck = True
    with pytest.raises(SourceError, match="Unanticipated host error"):
        open_portaudio("USB PnP", 0.1, nothing)
    assert not portaudio.open


def test_blocks_come_with_their_age_and_whether_some_were_lost(portaudio: FakePortAudio) -> None:
    heard: list[tuple[tuple[int, ...], float, bool]] = []
    on_block: Callable[..., None] = lambda samples, age_s, lost: heard.append((samples.shape, age_s, lost))  # noqa: E731
    stream = open_portaudio("HDA", 0.1, on_block)
    (opened,) = portaudio.open
    assert (opened.blocksize, opened.channels, opened.dtype) == (4_800, 2, "float32")
    times = SimpleNamespace(currentTime=5.125, inputBufferAdcTime=5.0)
    opened.callback(np.zeros((4_800, 2), np.float32), 4_800, times, SimpleNamespace(input_overflow=True))
    assert heard == [((4_800, 2), 0.125, True)]
    stream.close()


def test_without_portaudio_the_error_says_what_to_install() -> None:
    if importlib.util.find_spec("sounddevice") is not None:
        try:
            import sounddevice  # noqa: F401 - only whether it can be loaded matters
        except OSError:
            pass
        else:
            pytest.skip("PortAudio is installed here; remove libportaudio2 to run this test")
    with pytest.raises(ConfigurationError, match=r"nightjar\[microphone\].*libportaudio2|libportaudio2.*nightjar\["):
        open_portaudio(None, 0.1, nothing)
