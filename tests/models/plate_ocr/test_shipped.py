"""The network in the repository: its interface, and that it reads."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import yaml

from models.plate_ocr.card import sha256_of
from models.plate_ocr.pictures import CHARACTERS, resized
from models.plate_ocr.scoring import Reader
from models.plate_rendering.faces import REGIONS, draw

FOLDER = Path(__file__).parents[3] / "models" / "plate_ocr"
NETWORK = FOLDER / "plate_ocr.onnx"
MOST_BYTES = 3_000_000


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader.open(NETWORK)


def test_it_is_small_and_the_card_names_its_digest() -> None:
    assert NETWORK.stat().st_size <= MOST_BYTES
    assert sha256_of(NETWORK) in (FOLDER / "card.md").read_text(encoding="utf-8")


def test_names_and_shapes_are_what_the_product_asks_for(reader: Reader) -> None:
    session: onnxruntime.InferenceSession = reader.session
    (given,) = session.get_inputs()

    assert given.type == "tensor(uint8)"
    assert given.shape[1:] == [64, 128, 3]
    assert not isinstance(given.shape[0], int)
    assert [output.name for output in session.get_outputs()] == ["columns", "region"]


@pytest.mark.parametrize("count", [1, 3])
def test_columns_and_regions_are_probabilities_for_any_number_of_crops(reader: Reader, count: int) -> None:
    pictures = np.random.default_rng(count).integers(0, 256, (count, 64, 128, 3), dtype=np.uint8)

    columns, regions = reader.answers(pictures)

    assert columns.shape == (count, 32, len(CHARACTERS) + 1)
    assert regions.shape == (count, len(REGIONS))
    for part in (columns, regions):
        assert part.min() >= 0
        np.testing.assert_allclose(part.sum(axis=-1), 1, atol=1e-4)


def test_a_crops_answer_does_not_depend_on_its_neighbours(reader: Reader) -> None:
    pictures = np.random.default_rng(5).integers(0, 256, (4, 64, 128, 3), dtype=np.uint8)

    together, _ = reader.answers(pictures)
    alone, _ = reader.answers(pictures[2:3])

    np.testing.assert_allclose(together[2:3], alone, atol=1e-4)


def test_the_yaml_says_what_the_network_is(reader: Reader) -> None:
    described = yaml.safe_load((FOLDER / "plate_ocr.yaml").read_text(encoding="utf-8"))

    assert described["alphabet"] == CHARACTERS + described["pad_char"]
    assert (described["img_height"], described["img_width"]) == (64, 128)
    assert described["image_color_mode"] == "rgb"
    assert tuple(described["plate_regions"]) == reader.regions == REGIONS


def test_it_reads_plates_seen_straight_on_and_names_their_states(reader: Reader) -> None:
    rng = np.random.default_rng(11)
    faces = [draw(rng, region) for region in ("US-CA", "US-TX", "US-NY", "US-FL", "DE", "GB", "FR") for _ in range(8)]
    pictures = np.stack([resized(face.image) for face in faces])

    texts = reader.texts(pictures)
    _, regions = reader.answers(pictures)

    right = sum(text == face.text for text, face in zip(texts, faces, strict=True))
    named = sum(reader.regions[row.argmax()] == face.region for row, face in zip(regions, faces, strict=True))
    assert right >= 0.85 * len(faces)
    assert named >= 0.75 * len(faces)
