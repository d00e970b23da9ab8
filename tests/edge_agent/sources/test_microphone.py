import importlib.util
from collections.abc import Callable

import numpy as np
import pytest
from support import FakeClock

from edge_agent.errors import ConfigurationError, SourceError
from edge_agent.sources.microphone import MicrophoneSource, OnBlock, open_portaudio

RATE_HZ = 48_000
BLOCK = 4800


class FakeCard:
    """A sound card whose blocks a test delivers by hand, before the source begins to wait for them."""

    rate_hz = RATE_HZ

    def __init__(self, play: Callable[[OnBlock], None]) -> None:
        self._play = play
        self.closed = 0

    def open(self, device: str | None, block_s: float, on_block: OnBlock) -> "FakeCard":
        assert (device, round(block_s * RATE_HZ)) == ("usb", BLOCK)
        self._play(on_block)
        return self

    def close(self) -> None:
        self.closed += 1


def block(level: float = 0.1, channels: int = 1) -> np.ndarray:
    return np.full((BLOCK, channels), level, np.float32)


def source_of(clock: FakeClock, play: Callable[[OnBlock], None]) -> tuple[MicrophoneSource, FakeCard]:
    card = FakeCard(play)
    return MicrophoneSource("m", "usb", clock, card.open, silent_after_s=0.01), card


def test_capture_times_come_from_the_sample_count_and_the_promptest_block(clock: FakeClock) -> None:
    began = clock.boot_ns()

    def play(on_block: OnBlock) -> None:
        for late_ms in (9, 2, 30):
            clock.advance(100_000_000)
            on_block(block(), 0.1 - late_ms / 1000, False)

    source, _ = source_of(clock, play)
    blocks = source.blocks()
    heard = [next(blocks) for _ in range(3)]
    # The second is the promptest (2 ms): from there on every block stands on its line, 100 ms apart.
    assert [b.captured.boot_ns - began for b in heard] == [9_000_000, 102_000_000, 202_000_000]
    assert heard[2].captured.utc_ns - heard[2].captured.boot_ns == clock.utc_ns() - clock.boot_ns()
    assert heard[2].captured.error_ns == clock.error_ns() + 28_000_000
    assert {(b.scene, b.rate_hz, len(b.samples)) for b in heard} == {(0, RATE_HZ, BLOCK)}


def test_lost_samples_begin_a_new_scene(clock: FakeClock) -> None:
    def play(on_block: OnBlock) -> None:
        for lost in (False, False, True, False):
            clock.advance(100_000_000)
            on_block(block(), 0.1, lost)

    source, _ = source_of(clock, play)
    blocks = source.blocks()
    assert [next(blocks).scene for _ in range(4)] == [0, 0, 1, 1]


def test_a_card_that_falls_silent_is_an_error_and_can_be_iterated_again(clock: FakeClock) -> None:
    source, card = source_of(clock, lambda on_block: on_block(block(), 0.1, False))
    for scene in (0, 1):
        blocks = source.blocks()
        assert next(blocks).scene == scene
        with pytest.raises(SourceError, match="no sound from usb"):
            next(blocks)
    assert card.closed == 2


def test_blocks_that_nobody_fetched_are_lost_and_told(clock: FakeClock) -> None:
    kept: list[OnBlock] = []

    def play(on_block: OnBlock) -> None:
        kept.append(on_block)
        for _ in range(150):
            on_block(block(), 0.1, False)

    source, _ = source_of(clock, play)
    blocks = source.blocks()
    first = next(blocks)
    kept[0](block(), 0.1, False)
    scenes = [first.scene, *(next(blocks).scene for _ in range(100))]
    assert scenes == [0] * 100 + [1]


def test_close_ends_the_blocks_and_lets_go_of_the_card(clock: FakeClock) -> None:
    source, card = source_of(clock, lambda on_block: on_block(block(), 0.1, False))
    blocks = source.blocks()
    next(blocks)
    source.close()
    source.close()
    assert list(blocks) == []
    assert card.closed == 1
    assert list(source.blocks()) == []


def test_without_portaudio_the_error_says_what_to_install() -> None:
    if importlib.util.find_spec("sounddevice") is not None:
        try:
            import sounddevice  # noqa: F401 - only whether it can be loaded matters
        except OSError:
            pass
        else:
            pytest.skip("PortAudio is installed here; remove libportaudio2 to run this test")
    with pytest.raises(ConfigurationError, match=r"nightjar\[microphone\].*libportaudio2|libportaudio2.*nightjar\["):
        open_portaudio(None, 0.1, lambda samples, age_s, lost: None)
