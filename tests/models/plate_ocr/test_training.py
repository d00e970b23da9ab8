"""Training goes on from what it left: a checkpoint, or the ONNX file. Run by tests/models/test_recipes_train.py."""

from pathlib import Path

import numpy as np
import pytest
import torch

from models.plate_ocr.exporting import export, weights_in
from models.plate_ocr.samples import Samples, held_out
from models.plate_ocr.scoring import Reader
from models.plate_ocr.training import BATCH, Training

REGIONS = ("US-TX", "US-CA", "DE")


class Few:
    """Always the same rendered plates."""

    def __init__(self) -> None:
        self._samples, _ = held_out(BATCH, 5)
        self._samples.regions[:] = np.arange(BATCH) % len(REGIONS)

    def batch(self, count: int, rng: np.random.Generator) -> Samples:
        return self._samples.take(rng.integers(0, BATCH, count))


def started(regions: tuple[str, ...] = REGIONS, seed: int = 1) -> Training:
    return Training(regions, seed=seed, device=torch.device("cpu"))


@pytest.fixture(scope="module")
def trained() -> Training:
    torch.set_num_threads(1)
    training = started()
    training.run(Few(), budget_s=4, every_s=100, noted=lambda training: None)
    return training


def test_the_loss_falls(trained: Training) -> None:
    assert trained.progress.samples == trained.progress.step * BATCH > 0
    assert np.isfinite(trained.progress.loss)
    assert np.isfinite(trained.progress.region_loss)


def test_a_checkpoint_goes_on_where_it_stopped(trained: Training, tmp_path: Path) -> None:
    trained.save(tmp_path / "checkpoint.pt")
    again = started(seed=2)

    again.restore(tmp_path / "checkpoint.pt")

    assert again.progress.step == trained.progress.step
    pictures = held_out(2, 6)[0].pictures
    np.testing.assert_allclose(again.answers(pictures)[0], trained.answers(pictures)[0], atol=1e-6)


# PyTorch's exporter uses what PyTorch deprecates.
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning")
def test_the_onnx_file_says_what_the_average_says_and_goes_on(trained: Training, tmp_path: Path) -> None:
    export(trained.averaged, REGIONS, tmp_path / "plate_ocr.onnx")
    pictures = held_out(3, 6)[0].pictures

    columns, regions = Reader.open(tmp_path / "plate_ocr.onnx").answers(pictures)
    again = started(seed=3)
    again.adopt(*weights_in(tmp_path / "plate_ocr.onnx"))

    # Weights are stored as float16.
    np.testing.assert_allclose(columns, trained.answers(pictures)[0], atol=5e-3)
    np.testing.assert_allclose(again.answers(pictures)[0], columns, atol=1e-4)
    np.testing.assert_allclose(again.answers(pictures)[1], regions, atol=1e-4)


def test_regions_that_both_know_keep_their_weights_in_another_order(trained: Training, tmp_path: Path) -> None:
    trained.save(tmp_path / "checkpoint.pt")
    again = started(("DE", "FR", "US-TX"), seed=4)

    again.restore(tmp_path / "checkpoint.pt")

    before, after = trained.averaged.region.weight, again.averaged.region.weight
    np.testing.assert_array_equal(after[0].detach(), before[2].detach())
    np.testing.assert_array_equal(after[2].detach(), before[0].detach())


def test_another_networks_weights_are_refused(trained: Training) -> None:
    weights = trained.averaged.state_dict()
    weights["columns.weight"] = weights["columns.weight"][:3]

    with pytest.raises(SystemExit, match=r"columns.weight: got \(3, 512\)"):
        started().adopt(weights, REGIONS)
