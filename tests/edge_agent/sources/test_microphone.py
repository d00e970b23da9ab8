"""A sound card's blocks: numbered, timed, and never joined across a gap."""

from collections.abc import Callable

import numpy as np
import pytest
from support import FakeClock

from edge_agent.errors import SourceError
from edge_agent.sources.channels import DEAD_AFTER_S
from edge_agent.sources.microphone import MicrophoneSource
from edge_agent.sources.sound_cards import OnBlock
from edge_wire.timing import clock_source

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
    return MicrophoneSource("m", "usb", clock, open_stream=card.open, silent_after_s=0.01), card


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
    assert [round((b.captured.boot_ns - began) / 1e6) for b in heard] == [9, 102, 202]
    assert heard[2].captured.utc_ns - heard[2].captured.boot_ns == clock.utc_ns() - clock.boot_ns()
    assert {b.captured.error_ns for b in heard} == {clock.error_ns()}, "the clock's share alone"
    assert heard[0].timing.fit_error_ns > heard[2].timing.fit_error_ns > 2_000_000
    assert {b.timing.clock_source for b in heard} == {clock_source()}
    assert {(b.rate_hz, len(b.samples), b.channel) for b in heard} == {(RATE_HZ, BLOCK, 0)}


def test_the_way_from_the_membrane_to_the_sample_is_taken_off(clock: FakeClock) -> None:
    def play(on_block: OnBlock) -> None:
        clock.advance(100_000_000)
        on_block(block(), 0.1, False)

    heard = []
    for latency_ns in (0, 12_000_000):
        clock.now_boot_ns = clock.now_utc_ns = 1_000_000_000_000
        card = FakeCard(play)
        source = MicrophoneSource("m", "usb", clock, latency_ns=latency_ns, open_stream=card.open)
        heard.append(next(source.blocks()))
    assert heard[0].captured.utc_ns - heard[1].captured.utc_ns == 12_000_000
    assert [b.timing.latency_ns for b in heard] == [0, 12_000_000]


def test_lost_samples_begin_a_new_scene(clock: FakeClock) -> None:
    def play(on_block: OnBlock) -> None:
        for lost in (False, False, True, False):
            clock.advance(100_000_000)
            on_block(block(), 0.1, lost)

    source, _ = source_of(clock, play)
    blocks = source.blocks()
    scenes = [next(blocks).scene for _ in range(4)]
    assert [scene - scenes[0] for scene in scenes] == [0, 0, 1, 1]


def test_a_card_that_falls_silent_is_an_error_and_can_be_iterated_again(clock: FakeClock) -> None:
    source, card = source_of(clock, lambda on_block: on_block(block(), 0.1, False))
    scenes = []
    for _ in range(2):
        blocks = source.blocks()
        scenes.append(next(blocks).scene)
        with pytest.raises(SourceError, match="no sound from usb"):
            next(blocks)
    assert card.closed == 2
    assert scenes[0] != scenes[1]


def test_a_card_that_another_source_opens_anew_does_not_go_on_where_it_broke_off(clock: FakeClock) -> None:
    scenes = set()
    for _ in range(2):  # as the agent does: a source for each connection
        source, _ = source_of(clock, lambda on_block: on_block(block(), 0.1, False))
        scenes.add(next(source.blocks()).scene)
    assert len(scenes) == 2


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
    assert [scene - scenes[0] for scene in scenes] == [0] * 100 + [1]


def test_close_ends_the_blocks_and_lets_go_of_the_card(clock: FakeClock) -> None:
    source, card = source_of(clock, lambda on_block: on_block(block(), 0.1, False))
    blocks = source.blocks()
    next(blocks)
    source.close()
    source.close()
    assert list(blocks) == []
    assert card.closed == 1
    assert list(source.blocks()) == []


def test_the_channel_that_hears_is_named_and_a_dead_one_is_told(clock: FakeClock) -> None:
    street = np.random.default_rng(1).normal(0, 0.01, (BLOCK, 1)).astype(np.float32)

    def play(on_block: OnBlock) -> None:
        for _ in range(round(DEAD_AFTER_S / 0.1) - 10):
            on_block(np.hstack([np.zeros_like(street), street]), 0.1, False)

    kept: list[OnBlock] = []
    source, _ = source_of(clock, lambda on_block: (kept.append(on_block), play(on_block))[1])
    blocks = source.blocks()
    heard = [next(blocks) for _ in range(90)]
    assert {b.channel for b in heard} == {1}
    assert source.condition() == ""
    play(kept[0])
    for _ in range(20):
        next(blocks)
    assert source.condition() == "input 1 of 2 is dead: silence while another hears sound"
