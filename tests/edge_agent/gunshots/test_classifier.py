from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge_agent.errors import ModelError
from edge_agent.gunshots.classifier import OnnxShotClassifier, gun_probability
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
