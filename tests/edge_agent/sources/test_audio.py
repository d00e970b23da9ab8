from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from support import FakeClock

from edge_agent.errors import ConfigurationError, SourceError
from edge_agent.records import SampleTiming
from edge_agent.sources.audio import RecordingsSource, list_recordings, open_audio_source, read_blocks
from edge_agent.sources.microphone import MicrophoneSource
from edge_agent.sources.pacing import Pace, Pacing


def write(path: Path, seconds: float = 1.0, rate_hz: int = 8000, channels: int = 1) -> NDArray[np.float32]:
    rng = np.random.default_rng(len(path.name))
    samples = (rng.standard_normal((round(seconds * rate_hz), channels)) * 0.1).astype(np.float32)
    soundfile.write(path, samples, rate_hz)
    return samples


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg"])
def test_blocks_follow_each_other_to_the_sample(tmp_path: Path, clock: FakeClock, name: str) -> None:
    written = write(tmp_path / name, 1.1, 11_025)
    began_ns = clock.utc_ns()
    source = open_audio_source(tmp_path / name, microphone="street", clock=clock, pace=Pace.FAST)
    blocks = list(source.blocks())
    heard = np.concatenate([b.samples for b in blocks])
    assert len(heard) == len(written)
    assert {(b.microphone, b.rate_hz, b.scene, b.name) for b in blocks} == {("street", 11_025, 0, name)}
    first = 0
    for block in blocks:
        assert block.captured.utc_ns == began_ns + first * 1_000_000_000 // 11_025
        first += len(block.samples)
    assert max(len(b.samples) for b in blocks) <= 0.5 * 11_025


def test_starts_at_is_the_time_of_the_first_sample(tmp_path: Path, clock: FakeClock) -> None:
    write(tmp_path / "a.wav")
    source = open_audio_source(
        tmp_path / "a.wav", microphone="m", clock=clock, pace=Pace.FAST, starts_at_utc_ns=1_545_180_566_000_000_000
    )
    assert next(iter(source.blocks())).captured.utc_ns == 1_545_180_566_000_000_000


def test_realtime_gives_a_block_when_its_last_sample_has_been_played(tmp_path: Path, clock: FakeClock) -> None:
    write(tmp_path / "a.wav", 1.0)

    def pause(seconds: float) -> bool:
        clock.advance(round(seconds * 1e9))
        return False

    source = RecordingsSource("m", [tmp_path / "a.wav"], Pacing(clock, Pace.REALTIME, pause=pause))
    for block in source.blocks():
        end_ns = block.captured.boot_ns + len(block.samples) * 1_000_000_000 // block.rate_hz
        assert clock.boot_ns() == end_ns


def test_each_recording_of_a_folder_is_a_scene_and_they_follow_each_other(tmp_path: Path, clock: FakeClock) -> None:
    (tmp_path / "below").mkdir()
    for name in ("b.flac", "a.wav", "below/c.ogg"):
        write(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no sound")
    source = open_audio_source(tmp_path, microphone="m", clock=clock, pace=Pace.FAST)
    firsts = {b.scene: (b.name, b.captured.utc_ns - clock.utc_ns()) for b in reversed(list(source.blocks()))}
    assert firsts == {0: ("a.wav", 0), 1: ("b.flac", 1_000_000_000), 2: ("c.ogg", 2_000_000_000)}


def test_a_broken_recording_is_named(tmp_path: Path, clock: FakeClock) -> None:
    (tmp_path / "broken.wav").write_bytes(b"RIFF but nothing more")
    source = open_audio_source(tmp_path / "broken.wav", microphone="m", clock=clock, pace=Pace.FAST)
    with pytest.raises(SourceError, match=r"broken\.wav"):
        list(source.blocks())


@pytest.mark.parametrize("rate_hz", [3_999, 2_000_000_000])
def test_a_rate_that_no_microphone_has_is_refused_before_memory_is_made_for_it(tmp_path: Path, rate_hz: int) -> None:
    write(tmp_path / "a.wav", 1000 / rate_hz, rate_hz)
    with pytest.raises(SourceError, match=rf"got {rate_hz} samples a second, expected 4000 to 384000"):
        next(read_blocks(tmp_path / "a.wav"))


@pytest.mark.parametrize(("value", "told"), [(np.nan, "nan"), (np.inf, "inf"), (32_768.0, "32768"), (1e38, "1e\\+38")])
def test_what_is_no_sound_is_refused_where_it_stands(tmp_path: Path, value: float, told: str) -> None:
    samples = np.zeros(8_000, np.float32)
    samples[5_000] = value
    soundfile.write(tmp_path / "a.wav", samples, 8_000, subtype="FLOAT")
    blocks = read_blocks(tmp_path / "a.wav")
    assert [next(blocks)[0], next(blocks)[0]] == [0, 2_000]
    with pytest.raises(SourceError, match=f"got {told} after sample 4000, expected numbers from -1 to 1"):
        next(blocks)


def test_a_recording_that_breaks_off_inside_is_named(tmp_path: Path) -> None:
    write(tmp_path / "cut.flac", 3.0)
    whole = (tmp_path / "cut.flac").read_bytes()
    (tmp_path / "cut.flac").write_bytes(whole[: len(whole) // 3] + bytes(2000) + whole[len(whole) // 2 :])
    with pytest.raises(SourceError, match=r"cut\.flac"):
        list(read_blocks(tmp_path / "cut.flac"))


def test_an_empty_recording_and_samples_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "empty.wav", np.zeros(0, np.float32), 8000)
    with pytest.raises(SourceError, match="no samples"):
        list(read_blocks(tmp_path / "empty.wav"))
    soundfile.write(tmp_path / "nan.wav", np.array([0, np.nan], np.float32), 8000, subtype="FLOAT")
    with pytest.raises(SourceError, match="got nan after sample 0"):
        list(read_blocks(tmp_path / "nan.wav"))


def test_a_rate_too_low_to_hear_anything_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "slow.wav", 10, 100)
    with pytest.raises(SourceError, match="got 100 samples a second"):
        list(read_blocks(tmp_path / "slow.wav"))


def test_a_broken_recording_of_a_folder_costs_only_itself(tmp_path: Path, clock: FakeClock) -> None:
    write(tmp_path / "a.wav")
    (tmp_path / "b.wav").write_bytes(b"nothing")
    write(tmp_path / "c.wav")
    skipped: list[str] = []
    source = open_audio_source(
        tmp_path, microphone="m", clock=clock, pace=Pace.FAST, on_skipped=lambda path, _: skipped.append(path.name)
    )
    assert {b.name for b in source.blocks()} == {"a.wav", "c.wav"}
    assert skipped == ["b.wav"]


def test_a_folder_without_recordings_and_a_missing_path_are_configuration_errors(
    tmp_path: Path, clock: FakeClock
) -> None:
    with pytest.raises(ConfigurationError, match="no recordings"):
        list_recordings(tmp_path)
    with pytest.raises(ConfigurationError, match="no such file"):
        open_audio_source(tmp_path / "absent.wav", microphone="m", clock=clock)
    with pytest.raises(ConfigurationError, match="cannot be looked at"):
        open_audio_source("x" * 300, microphone="m", clock=clock)


def test_close_ends_the_source(tmp_path: Path, clock: FakeClock) -> None:
    write(tmp_path / "a.wav", 10)
    source = open_audio_source(tmp_path / "a.wav", microphone="m", clock=clock, pace=Pace.FAST)
    blocks = source.blocks()
    next(blocks)
    source.close()
    source.close()
    assert list(blocks) == []


@pytest.mark.parametrize("name", ["device", "device:USB Audio"])
def test_a_device_is_a_microphone(clock: FakeClock, name: str) -> None:
    assert isinstance(open_audio_source(name, microphone="m", clock=clock), MicrophoneSource)


def test_the_loudest_channel_is_heard_and_kept(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    loud, dead = rng.standard_normal(4000).astype(np.float32) * 0.2, np.zeros(4000, np.float32)
    soundfile.write(tmp_path / "two.wav", np.stack([dead, loud], axis=1), 8000)
    heard = np.concatenate([samples for _, _, samples in read_blocks(tmp_path / "two.wav")])
    np.testing.assert_allclose(heard, loud, atol=1e-4)


def test_the_blocks_say_which_channel_they_are_of_and_that_their_time_is_the_recordings(
    tmp_path: Path, clock: FakeClock
) -> None:
    loud = write(tmp_path / "one.wav", 12.0)
    soundfile.write(tmp_path / "two.wav", np.hstack([np.zeros_like(loud), loud]), 8000)
    source = open_audio_source(tmp_path / "two.wav", microphone="m", clock=clock, pace=Pace.FAST, starts_at_utc_ns=5)
    blocks = list(source.blocks())
    assert {b.channel for b in blocks} == {1}
    assert {b.timing for b in blocks} == {SampleTiming(0, 0, "recording")}
    assert {b.captured.error_ns for b in blocks} == {0}
    assert source.condition() == "input 1 of 2 is dead: silence while another hears sound"


def test_a_recording_that_is_not_there_is_said_to_be_not_there(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"gone\.wav: cannot be read \(No such file or directory\)"):
        list(read_blocks(tmp_path / "gone.wav"))
    (tmp_path / "torn.wav").write_bytes(b"RIFF")
    with pytest.raises(SourceError, match="cannot be read as a recording"):
        list(read_blocks(tmp_path / "torn.wav"))
