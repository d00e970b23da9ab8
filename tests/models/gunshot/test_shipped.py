"""What ships: small files that say what they are, a card that names their digests, everybody attributed."""

import csv
import hashlib
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from edge_agent.gunshots import features, mn04
from models.gunshot.corpus import CLASSES

FOLDER = Path(__file__).parents[3] / "models" / "gunshot"
FILES = ("gunshot", "gunshot-research", "gunshot-mn04")


@pytest.mark.parametrize("name", FILES)
def test_a_shipped_file_is_small_and_the_card_names_its_digest(name: str) -> None:
    content = (FOLDER / f"{name}.onnx").read_bytes()

    assert len(content) <= 2_000_000
    assert hashlib.sha256(content).hexdigest() in (FOLDER / "card.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", FILES)
def test_a_shipped_file_has_the_interface_and_gives_probabilities(name: str) -> None:
    session = onnxruntime.InferenceSession(str(FOLDER / f"{name}.onnx"), providers=["CPUExecutionProvider"])
    told = session.get_modelmeta().custom_metadata_map
    rng = np.random.default_rng(1)
    given = {
        "logmel": rng.standard_normal((3, 1, features.BANDS, features.FRAMES)).astype(np.float32),
        "emb384": rng.random((3, 384)).astype(np.float32),
        "prob527": rng.random((3, 527)).astype(np.float32),
    }

    (probabilities,) = session.run(None, {value.name: given[value.name] for value in session.get_inputs()})

    assert probabilities.shape == (3, len(CLASSES))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert told["name"] == name
    assert told["classes"] == ",".join(CLASSES)
    assert int(told["rate_hz"]) == (mn04.RATE_HZ if name == "gunshot-mn04" else features.RATE_HZ)
    assert float(told["window_s"]) == features.WINDOW_S
    assert 0 < float(told["threshold"]) < 1


def test_every_clean_recording_is_attributed(assets: Path) -> None:
    with (assets / "data/audio/clips/manifest.csv").open(newline="", encoding="utf-8") as file:
        clean = {(r["author"], r["source_url"]) for r in csv.DictReader(file) if r["clean"] == "1"}
    with (FOLDER / "ATTRIBUTION.csv").open(newline="", encoding="utf-8") as file:
        told = {(r["author"], r["source"]) for r in csv.DictReader(file)}

    assert clean <= told
