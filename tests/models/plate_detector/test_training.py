"""Training goes on from what it left: a checkpoint, or the ONNX file. Run by tests/models/test_recipes_train.py."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from models.plate_detector.exporting import export, load_into
from models.plate_detector.feeding import Batch, Sizes, draw
from models.plate_detector.network import PlateNetwork
from models.plate_detector.scenes import NOTHING, Photograph, Sampler
from models.plate_detector.training import Plan, Training, image_tensor

HEIGHT_PX, WIDTH_PX = 64, 128


class Drawn:
    """Crops of one photograph: noise with a bright plate."""

    def __init__(self) -> None:
        image = np.random.default_rng(1).integers(0, 90, (120, 200, 3)).astype(np.uint8)
        image[50:75, 60:110] = 230
        self._sampler = Sampler([Photograph(image, np.array([[60, 50, 110, 75]], np.float32), NOTHING)], None)
        self._rng = np.random.default_rng(2)

    def take(self) -> Batch:
        return draw(self._sampler, Sizes(batch=4, crop_px=(64, 96), deployed_px=(HEIGHT_PX, WIDTH_PX)), self._rng)


def started(seed: int = 1) -> Training:
    return Training(Plan(budget_s=6.0, seed=seed), Drawn())


@pytest.fixture(scope="module")
def trained() -> Training:
    torch.set_num_threads(1)
    training = started()
    training.run(100.0, lambda training: None)
    return training


def test_it_learns_and_the_rate_falls_to_nothing(trained: Training) -> None:
    assert trained.progress.seen > trained.progress.steps > 5
    assert np.isfinite(trained.progress.score_loss)
    assert trained.rate_at(6.0, 1_000) == 0.0 < trained.rate_at(5.9, 1_000) < trained.rate_at(1.0, 1_000)


def test_a_checkpoint_goes_on_where_it_stopped(trained: Training, tmp_path: Path) -> None:
    trained.save(tmp_path / "checkpoint.pt")
    again = started(seed=2)
    again.load(tmp_path / "checkpoint.pt")
    assert again.progress == trained.progress
    for ours, theirs in zip(again.network.parameters(), trained.network.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_the_onnx_file_runs_and_training_goes_on_from_it(trained: Training, tmp_path: Path) -> None:
    path = tmp_path / "plate_detector.onnx"
    export(trained.average, path, HEIGHT_PX, WIDTH_PX)
    picture = np.random.default_rng(3).integers(0, 255, (HEIGHT_PX, WIDTH_PX, 3)).astype(np.uint8)
    shown = image_tensor(picture)
    (rows,) = onnxruntime.InferenceSession(path).run(None, {"images": shown.numpy()})
    assert rows.shape[1] == 7

    again = PlateNetwork()
    load_into(again, path)

    with torch.no_grad():
        torch.testing.assert_close(again.eval()(shown), trained.average(shown), atol=1e-4, rtol=1e-4)
