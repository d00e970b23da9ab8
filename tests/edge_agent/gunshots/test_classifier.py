from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge_agent.errors import ModelError
from edge_agent.gunshots.classifier import Mn04ShotClassifier, OnnxShotClassifier, gun_probability
from edge_agent.inference.manifest import packaged_folder

SHIPPED = ("gunshot", "gunshot-research")


def shipped(name: str) -> OnnxShotClassifier:
    return OnnxShotClassifier(packaged_folder() / "gunshot" / f"{name}.onnx")


@pytest.mark.parametrize("name", SHIPPED)
def test_probabilities_likeliest_first(name: str) -> None:
    classifier = shipped(name)
    assert classifier.name == name
    assert 0 < classifier.threshold < 1
    noise = np.random.default_rng(1).standard_normal(96_000).astype(np.float32) * 0.01
    classes = classifier.classify(noise, 48_000)
    assert set(classes) == {"gunshot", "fireworks", "impulsive", "background"}
    assert sum(classes.values()) == pytest.approx(1, abs=1e-4)
    assert list(classes.values()) == sorted(classes.values(), reverse=True)


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("sound", ["silence", "clipped", "short", "nothing"])
def test_silent_clipped_and_short_sound_is_judged_without_error(name: str, sound: str) -> None:
    samples = {
        "silence": np.zeros(32_000, np.float32),
        "clipped": np.sign(np.random.default_rng(2).standard_normal(32_000)).astype(np.float32),
        "short": np.full(7, 0.1, np.float32),
        "nothing": np.zeros(0, np.float32),
    }[sound]
    probability = gun_probability(shipped(name).classify(samples, 16_000))
    assert 0 <= probability <= 1
    if sound in ("silence", "nothing"):
        assert probability < shipped(name).threshold


def test_long_sound_is_judged_by_its_likeliest_window(assets: Path) -> None:
    import soundfile

    classifier = shipped("gunshot")
    folder = assets / "data/audio/live_fire/FP1/test_001"
    samples, rate_hz = soundfile.read(folder / "test_001.audio.SCP-00-BNG-5567.flac", dtype="float32")
    whole = gun_probability(classifier.classify(samples, rate_hz))
    windows = [
        gun_probability(classifier.classify(samples[first : first + 2 * rate_hz], rate_hz))
        for first in range(0, len(samples) - 2 * rate_hz + 1, rate_hz)
    ]
    assert whole >= max(windows) - 0.05
    assert whole >= classifier.threshold


def test_gun_classes_are_taken_together() -> None:
    assert gun_probability({"gunshot": 0.4, "gun_burst": 0.3, "fireworks": 0.3}) == pytest.approx(0.7)
    assert gun_probability({"background": 1.0}) == 0


def test_another_network_is_refused(write_network: Callable[..., Path]) -> None:
    with pytest.raises(ModelError, match="expected 'logmel'"):
        OnnxShotClassifier(write_network("other.onnx", (1, 3)))


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    whole = (packaged_folder() / "gunshot" / "gunshot.onnx").read_bytes()
    (tmp_path / "gunshot.onnx").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError, match=r"gunshot\.onnx"):
        OnnxShotClassifier(tmp_path / "gunshot.onnx")


@pytest.mark.parametrize("rate_hz", [12_000, 44_100, 48_000])
def test_a_trunk_and_a_head_make_a_classifier(sound_networks, rate_hz: int) -> None:
    classifier = Mn04ShotClassifier(sound_networks.trunk(), sound_networks.head())
    assert (classifier.name, classifier.threshold, classifier.provider) == ("tiny", 0.5, "cpu")
    noise = np.random.default_rng(1).standard_normal(rate_hz).astype(np.float32)
    loud, faint = (classifier.classify(noise * level, rate_hz) for level in (0.5, 0.001))
    assert set(loud) == {"gunshot", "fireworks", "impulsive", "background"}
    assert sum(loud.values()) == pytest.approx(1, abs=1e-4)
    assert list(loud.values()) == sorted(loud.values(), reverse=True)
    assert loud != faint  # the head is given what the trunk made of this very sound


def test_of_long_sound_the_window_likeliest_to_hold_a_shot_counts(sound_networks) -> None:
    classifier = OnnxShotClassifier(sound_networks.student())
    sound = np.random.default_rng(1).standard_normal(80_000).astype(np.float32) * np.linspace(0, 1, 80_000) ** 4
    whole = classifier.classify(sound.astype(np.float32), 16_000)
    windows = [classifier.classify(sound[first : first + 32_000].astype(np.float32), 16_000) for first in (0, 16_000)]
    assert gun_probability(whole) >= max(map(gun_probability, windows)) - 1e-3


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"rate_hz": "44100"}, "made for 2 s at 44100 Hz, expected 2 s at"),
        ({"window_s": "1.0"}, "made for 1 s at"),
        ({"threshold": "much"}, "metadata could not convert string to float: 'much'; expected name"),
        ({"classes": "fireworks,door,impulsive,background"}, "expected one whose name begins with 'gun'"),
        ({"classes": "gunshot,background"}, r"got output 'probabilities' \[batch, 4\], expected .* \[batch, 2\]"),
    ],
)
def test_a_file_for_another_version_of_the_agent_is_refused(sound_networks, changed: dict[str, str], told: str) -> None:
    with pytest.raises(ModelError, match=told):
        OnnxShotClassifier(sound_networks.student(**changed))


def test_a_picture_of_another_size_is_refused(sound_networks) -> None:
    with pytest.raises(ModelError, match=r"got input 'logmel' \[batch, 1, 7, 9\], expected"):
        OnnxShotClassifier(sound_networks.student(shape=("batch", 1, 7, 9)))


def test_trunk_and_head_in_each_others_place_are_refused(sound_networks) -> None:
    trunk, head = sound_networks.trunk(), sound_networks.head()
    with pytest.raises(ModelError, match=r"head\.onnx: got input 'emb384' .* Use mn04_as\.onnx"):
        Mn04ShotClassifier(head, trunk)
    with pytest.raises(ModelError, match=r"trunk\.onnx: got input 'logmel' .* Use a head made by models/gunshot"):
        Mn04ShotClassifier(trunk, trunk)
