"""From a set's name or a file to a classifier, with the models' folder as a device has it."""

import hashlib
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from edge_agent.errors import ConfigurationError, ModelError
from edge_agent.gunshots import mn04
from edge_agent.gunshots.classifier import Mn04ShotClassifier, OnnxShotClassifier
from edge_agent.gunshots.features import RATE_HZ, WINDOW_SAMPLES
from edge_agent.gunshots.opening import open_classifier, open_classifier_file
from edge_agent.gunshots.resampling import resample
from edge_agent.inference import models as models_room


def declared(name: str, **files: Path) -> str:
    text = f'[[sets]]\nname = "{name}"\nkind = "gunshot"\nrank = 1\nlicence = "MIT"\nsource = "a test"\n'
    for part, path in files.items():
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        text += f'[[sets.files]]\npart = "{part}"\nfile = "{path.name}"\nsha256 = "{digest}"\nsource = "a test"\n'
    return text


@pytest.fixture
def box(tmp_path: Path, sound_networks, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation with a student and a head; the trunk lies in the folder ``own``."""
    packaged, own = tmp_path / "packaged", tmp_path / "own"
    packaged.mkdir()
    own.mkdir()
    student, head, trunk = sound_networks.student(), sound_networks.head(), sound_networks.trunk()
    manifest = declared("gunshot", classifier=student) + declared("gunshot-mn04", trunk=trunk, head=head)
    (packaged / "manifest.toml").write_text(manifest, encoding="utf-8")
    student.rename(packaged / student.name)
    head.rename(packaged / head.name)
    trunk.rename(own / "renamed.onnx")
    monkeypatch.setattr(models_room, "packaged_folder", lambda: packaged)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    monkeypatch.delenv("NIGHTJAR_MODELS_DIR", raising=False)
    return packaged


def test_a_set_of_one_file_and_one_of_two(box: Path, tmp_path: Path) -> None:
    assert isinstance(open_classifier("gunshot"), OnnxShotClassifier)
    assert isinstance(open_classifier("gunshot-mn04", tmp_path / "own"), Mn04ShotClassifier)


def test_a_chosen_set_without_its_trunk_names_the_remedy(box: Path) -> None:
    with pytest.raises(ModelError) as told:
        open_classifier("gunshot-mn04")
    assert "trunk.onnx  sha256 " in str(told.value)
    assert "head.onnx" not in str(told.value)
    assert "`edge-agent models pull gunshot-mn04 --from FOLDER`" in str(told.value)
    assert "--models-dir FOLDER or NIGHTJAR_MODELS_DIR=FOLDER" in str(told.value)


def test_the_trunk_is_found_where_pull_puts_it(box: Path, tmp_path: Path) -> None:
    home = tmp_path / "share" / "nightjar" / "models"
    home.parent.mkdir(parents=True)
    (tmp_path / "own").rename(home)
    assert isinstance(open_classifier("gunshot-mn04"), Mn04ShotClassifier)


def test_another_file_of_the_trunks_name_is_not_run(box: Path, tmp_path: Path) -> None:
    (tmp_path / "own" / "renamed.onnx").unlink()
    (tmp_path / "own" / "trunk.onnx").write_bytes(b"swapped")
    with pytest.raises(ModelError, match=r"expected .* The file is damaged or is not what its name says"):
        open_classifier("gunshot-mn04", tmp_path / "own")


def test_a_file_that_a_person_vouches_for(box: Path, tmp_path: Path, sound_networks) -> None:
    own = sound_networks.student("own.onnx", name="of-my-own", threshold="0.25")
    classifier = open_classifier_file(own)
    assert (classifier.name, classifier.threshold) == ("of-my-own", 0.25)
    head = sound_networks.head("own-head.onnx", name="head-of-my-own")
    assert open_classifier_file(head, tmp_path / "own").name == "head-of-my-own"
    with pytest.raises(ModelError, match="models pull gunshot-mn04 --from FOLDER"):
        open_classifier_file(head)
    with pytest.raises(ModelError, match="no such file"):
        open_classifier_file(tmp_path / "gone.onnx")
    with pytest.raises(ModelError, match="expected 'logmel'"):
        open_classifier_file(tmp_path / "own" / "renamed.onnx")


def test_unknown_sets_and_folders_are_named(box: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"'loud': not in .* it has gunshot, gunshot-mn04"):
        open_classifier("loud")
    with pytest.raises(ConfigurationError, match="expected a folder of model files"):
        open_classifier("gunshot", tmp_path / "gone")


def test_with_the_real_trunk_our_head_gets_what_the_teacher_says(assets: Path, sound_networks) -> None:
    trunk, head = assets / "weights/mn04_as.onnx", sound_networks.head()
    sound = np.random.default_rng(5).standard_normal(WINDOW_SAMPLES).astype(np.float32) * 0.1 + 0.05
    level = (sound - sound.mean()).astype(np.float32)
    picture = mn04.log_mel(resample(level, RATE_HZ, mn04.RATE_HZ))
    session = onnxruntime.InferenceSession(str(trunk), providers=["CPUExecutionProvider"])
    heard, embedding = session.run(["prob527", "emb384"], {"logmel": picture[None, None]})
    of_embedding, of_classes = sound_networks.head_weights()
    logits = (embedding @ of_embedding + heard @ of_classes)[0]
    expected = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    classes = Mn04ShotClassifier(trunk, head).classify(sound, RATE_HZ)
    assert [classes[name] for name in ("gunshot", "fireworks", "impulsive", "background")] == pytest.approx(
        expected, abs=1e-5
    )
