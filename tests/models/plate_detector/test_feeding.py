"""The feed: what the drawing process hands over depends on the seed alone, and the process ends with the feed."""

from __future__ import annotations

import multiprocessing

import numpy as np
import pytest

from models.plate_detector.feeding import Batch, Feed, Sizes, draw
from models.plate_detector.scenes import NOTHING, Photograph, Sampler

SIZES = Sizes(batch=2, crop_px=(64, 96), deployed_px=(64, 128), whole=0.4)


def sampler() -> Sampler:
    image = np.random.default_rng(1).integers(0, 256, (120, 200, 3)).astype(np.uint8)
    return Sampler([Photograph(image, np.array([[60, 50, 110, 75]], np.float32), NOTHING)], None)


def same(a: Batch, b: Batch) -> bool:
    boxes = zip([*a.plates, *a.unknown], [*b.plates, *b.unknown], strict=True)
    return np.array_equal(a.images, b.images) and all(np.array_equal(x, y) for x, y in boxes)


def test_batches_are_crops_and_now_and_then_whole_pictures() -> None:
    rng, drawer = np.random.default_rng(3), sampler()
    shapes = {draw(drawer, SIZES, rng).images.shape for _ in range(40)}
    assert shapes == {(2, 64, 64, 3), (2, 96, 96, 3), (2, 64, 128, 3)}


def test_another_process_draws_what_the_seed_says_and_ends_with_the_feed() -> None:
    with Feed(sampler(), SIZES, 5) as feed:
        handed = [feed.take() for _ in range(3)]
        (process,) = multiprocessing.active_children()
    rng, drawer = np.random.default_rng(5), sampler()
    assert all(same(batch, draw(drawer, SIZES, rng)) for batch in handed)
    assert process.exitcode is not None


def test_a_drawing_process_that_fails_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    with Feed(Sampler([], None), SIZES, 5) as feed, pytest.raises(RuntimeError, match="status 1"):
        feed.take()
    assert "IndexError" in capfd.readouterr().err
