"""The recipe trains on a handful of recordings, goes on, and exports. Run by tests/models/test_recipes_train.py."""

import csv
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import soundfile
import torch

from models.gunshot import recipe
from models.gunshot.corpus import CLASSES
from models.gunshot.exporting import ShippedStudent, export_heads, export_student
from models.gunshot.heads import ShippedHead, train_heads
from models.gunshot.network import Student
from models.gunshot.scoring import Calibration
from models.gunshot.training import averaged_in

# PyTorch's exporter uses what PyTorch deprecates.
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning")


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of rendered bangs and noises, three to a fold."""
    folder = tmp_path_factory.mktemp("clips")
    rng = np.random.default_rng(0)
    rows = []
    for fold in range(4):
        for label, name in (("1", "rifle"), ("0", "fireworks"), ("0", "dog")):
            sound = rng.standard_normal(16_000) * 0.01
            if label == "1":
                sound[4000:8000] += rng.standard_normal(4000) * np.exp(-np.arange(4000) / 600) * 0.5
            clip = f"{name}{fold}.flac"
            soundfile.write(folder / clip, sound, 16_000)
            rows.append((clip, label, "made", name, f"{name}{fold}", fold, 1))
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("clip", "label", "dataset", "cls", "source", "split", "clean"), *rows])
    return folder


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_the_recipe_makes_files_from_a_folder_and_goes_on(clips: Path, tmp_path: Path) -> None:
    command = ["--clips", str(clips), "--work", str(tmp_path / "work"), "--out", str(tmp_path / "out")]
    command += ["--views", "0.01", "--training", "0.0002", "--workers", "2"]

    assert recipe.main(command) == 0
    first = {path.name: path.read_bytes() for path in (tmp_path / "out").glob("*.onnx")}
    assert recipe.main(command) == 0  # nothing is left to train

    assert sorted(first) == ["gunshot-research.onnx", "gunshot.onnx"]  # no teacher, no head for it
    scores = (tmp_path / "work" / "gunshot-clips.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(scores) == 12
    assert "| `gunshot` | all clips | 4, 8 |" in (tmp_path / "work" / "figures.md").read_text(encoding="utf-8")
    assert averaged_in(tmp_path / "work" / "gunshot-all.pt").training is False


def test_an_exported_student_says_what_the_network_says(tmp_path: Path) -> None:
    torch.manual_seed(1)
    shipped = ShippedStudent(Student().eval(), 0.6, Calibration(1.3, 0.4, 0.7)).eval()
    pictures = torch.randn(3, 1, 64, 200)

    export_student(shipped, tmp_path / "gunshot.onnx", name="gunshot")
    session = onnxruntime.InferenceSession(str(tmp_path / "gunshot.onnx"))

    told = session.get_modelmeta().custom_metadata_map
    assert (told["name"], told["classes"], told["threshold"]) == ("gunshot", ",".join(CLASSES), "0.700")
    # Weights are stored as float16.
    np.testing.assert_allclose(
        session.run(None, {"logmel": pictures.numpy()})[0], shipped(pictures).detach().numpy(), atol=5e-3
    )


def test_heads_learn_and_are_exported(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    kinds = rng.integers(0, 4, 400).astype(np.int8)
    embeddings = (rng.standard_normal((400, 384)) + 2 * rng.standard_normal((4, 384))[kinds]).astype(np.float16)

    heads = train_heads(embeddings, kinds, np.full(400, 1 / 400), steps=60, count=2)
    shipped = ShippedHead(heads, Calibration(1.2, -0.3, 0.5)).eval()
    export_heads(shipped, tmp_path / "head.onnx", name="gunshot-mn04")

    given = torch.from_numpy(embeddings.astype(np.float32))
    heard = torch.full((400, 527), 1e-3)
    said = shipped(given, heard).detach().numpy()
    session = onnxruntime.InferenceSession(str(tmp_path / "head.onnx"))
    assert (heads(given).argmax(1).numpy() == kinds).mean() > 0.9
    np.testing.assert_allclose(
        session.run(None, {"emb384": given.numpy(), "prob527": heard.numpy()})[0], said, atol=5e-3
    )
