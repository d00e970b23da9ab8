import hashlib
import io
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from edge_agent.gunshots.detector import ShotDetector
from edge_agent.records import AudioBlock, CaptureTime, HeardShot

Street = Callable[..., NDArray[np.float32]]
Blocks = Callable[..., Iterator[AudioBlock]]


def hear_all(detector: ShotDetector, blocks: Iterator[AudioBlock]) -> list[HeardShot]:
    return [shot for block in blocks for shot in detector.hear(block)] + detector.finish()


def test_one_shot_gives_one_arrival_at_its_sample(street: Street, blocks_of: Blocks, classifier, began) -> None:
    (shot,) = hear_all(ShotDetector(classifier, 0.5), blocks_of(street([2.5])))
    assert shot.at_s == pytest.approx(2.5, abs=0.0005)
    assert shot.captured.utc_ns - began.utc_ns == pytest.approx(round(shot.at_s * 1e9), abs=100_000)
    assert shot.captured.error_ns == began.error_ns
    assert 0 < shot.onset_error_ns < 1_000_000
    assert (shot.microphone, shot.model, shot.rate_hz, shot.clipped) == ("street", "fake", 16_000, False)
    assert (shot.probability, dict(shot.classes)) == (0.9, {"gunshot": 0.9, "background": pytest.approx(0.1)})
    assert shot.peak_dbfs == pytest.approx(-6.0, abs=0.3)
    assert -40 < shot.rms_dbfs < shot.peak_dbfs


def test_the_window_holds_a_second_before_and_after(street: Street, blocks_of: Blocks, classifier) -> None:
    samples = street([2.5])
    hear_all(ShotDetector(classifier, 0.5), blocks_of(samples))
    (window,) = classifier.heard
    assert len(window) == 32_000
    assert abs(int(np.abs(window).argmax()) - 16_000) < 400


def test_the_clip_holds_a_second_before_and_three_after(street: Street, blocks_of: Blocks, classifier) -> None:
    samples = street([2.5], seconds=8)
    (shot,) = hear_all(ShotDetector(classifier, 0.5), blocks_of(samples))
    assert shot.clip is not None
    assert shot.clip_sha256 == hashlib.sha256(shot.clip).digest()
    heard, rate_hz = soundfile.read(io.BytesIO(shot.clip), dtype="float32")
    first = round((shot.at_s - 1) * 16_000)
    assert (rate_hz, len(heard)) == (16_000, 64_000)
    np.testing.assert_allclose(heard, samples[first : first + 64_000], atol=1e-4)


@pytest.mark.parametrize(("clip_after_s", "told_s"), [(3.0, 5.75), (0.0, 3.75)])
def test_a_shot_is_told_when_clip_and_window_are_complete(
    street: Street, blocks_of: Blocks, classifier, clip_after_s: float, told_s: float
) -> None:
    detector = ShotDetector(classifier, 0.5, clip_after_s=clip_after_s)
    told = [len(detector.hear(block)) for block in blocks_of(street([2.5], seconds=10))]
    assert [number for number, shots in enumerate(told, 1) if shots] == [told_s * 4]


def test_every_round_of_a_burst_is_told_and_they_share_a_clip(street: Street, blocks_of: Blocks, classifier) -> None:
    at_s = [2.0 + 0.1 * i for i in range(5)]
    shots = hear_all(ShotDetector(classifier, 0.5), blocks_of(street(at_s, seconds=8)))
    assert [shot.at_s for shot in shots] == pytest.approx(at_s, abs=0.001)
    assert len({shot.clip_sha256 for shot in shots}) == 1
    assert len(classifier.heard) <= 2


def test_what_follows_fainter_is_an_echo(street: Street, blocks_of: Blocks, classifier) -> None:
    samples = street([2.0]) + 0.4 * street([2.2], noise=0.0)
    (shot,) = hear_all(ShotDetector(classifier, 0.5), blocks_of(samples))
    assert shot.at_s == pytest.approx(2.0, abs=0.001)


def test_what_is_not_a_shot_is_not_told(street: Street, blocks_of: Blocks, classifier) -> None:
    classifier.gunshot = 0.3
    assert hear_all(ShotDetector(classifier, 0.5), blocks_of(street([2.5]))) == []
    assert len(classifier.heard) == 1


def test_a_quiet_street_never_reaches_the_classifier(street: Street, blocks_of: Blocks, classifier) -> None:
    assert hear_all(ShotDetector(classifier, 0.5), blocks_of(street([], seconds=20))) == []
    assert classifier.heard == []


def test_silence_is_no_error(blocks_of: Blocks, classifier) -> None:
    assert hear_all(ShotDetector(classifier, 0.5), blocks_of(np.zeros(80_000, np.float32))) == []


def test_clipped_sound_is_told_as_clipped(street: Street, blocks_of: Blocks, classifier) -> None:
    (shot,) = hear_all(ShotDetector(classifier, 0.5), blocks_of(street([2.5], peak=8.0)))
    assert shot.clipped
    assert shot.peak_dbfs == pytest.approx(0.0, abs=0.01)
    everywhere = np.sign(street([], seconds=4, noise=1.0)).astype(np.float32)
    assert all(shot.clipped for shot in hear_all(ShotDetector(classifier, 0.5), blocks_of(everywhere)))


@pytest.mark.parametrize("seconds", [0.05, 0.3, 1.2])
def test_a_short_recording_with_a_shot_at_its_start(street: Street, blocks_of: Blocks, classifier, seconds) -> None:
    shots = hear_all(ShotDetector(classifier, 0.5), blocks_of(street([0.01], seconds=seconds)))
    assert shots[0].at_s == pytest.approx(0.01, abs=0.002)


def test_a_shot_near_the_end_gets_a_whole_window(street: Street, blocks_of: Blocks, classifier) -> None:
    (shot,) = hear_all(ShotDetector(classifier, 0.5), blocks_of(street([5.9], seconds=6)))
    assert shot.at_s == pytest.approx(5.9, abs=0.001)
    assert [len(window) for window in classifier.heard] == [32_000]


def test_scenes_do_not_run_into_each_other(street: Street, blocks_of: Blocks, classifier) -> None:
    detector = ShotDetector(classifier, 0.5)
    first, second = street([1.9], seconds=2), street([0.5], seconds=3)
    shots = [shot for block in blocks_of(first, scene=0) for shot in detector.hear(block)]
    shots += hear_all(detector, blocks_of(second, scene=1))
    assert [round(shot.at_s, 2) for shot in shots] == [1.9, 0.5]
    assert detector.floor_dbfs is None


def test_capture_times_follow_each_block_not_the_first(street: Street, classifier) -> None:
    """A sound card's clock drifts: the block that holds the onset says when it was."""
    samples = street([4.1], seconds=8)
    detector = ShotDetector(classifier, 0.5)
    shots: list[HeardShot] = []
    for number, first in enumerate(range(0, len(samples), 4000)):
        captured = CaptureTime(number * 250_100_000, number * 250_100_000, 0)
        shots += detector.hear(AudioBlock("street", samples[first : first + 4000], 16_000, captured, 0))
    (shot,) = shots + detector.finish()
    assert shot.captured.utc_ns == pytest.approx(16 * 250_100_000 + 100_000_000, abs=1_000_000)


def test_memory_is_bounded(street: Street, blocks_of: Blocks, classifier) -> None:
    detector = ShotDetector(classifier, 0.5)
    for block in blocks_of(street([3.0, 20.0], seconds=60)):
        detector.hear(block)
        assert detector.held_s < 8


@pytest.mark.parametrize("size", [160, 1600, 5000, 96_000])
def test_the_blocks_length_changes_nothing(street: Street, blocks_of: Blocks, classifier, size: int) -> None:
    shots = hear_all(ShotDetector(classifier, 0.5), blocks_of(street([1.0, 1.2, 4.0]), size=size))
    assert [shot.at_s for shot in shots] == pytest.approx([1.0, 1.2, 4.0], abs=0.001)
