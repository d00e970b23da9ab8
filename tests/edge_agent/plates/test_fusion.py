import numpy as np
import pytest

from edge_agent.plates.fusion import confidence_of, fused, weights_of


def slots(*best: float) -> np.ndarray:
    """Three characters, the first with these probabilities, slot by slot."""
    return np.array([[p, (1 - p) * 0.75, (1 - p) * 0.25] for p in best], np.float32)


def test_a_confidence_is_the_product_over_the_slots() -> None:
    assert confidence_of(slots(0.9, 0.5)) == pytest.approx(0.45)
    assert confidence_of(np.stack([slots(0.9, 0.5), slots(1.0, 1.0)])) == pytest.approx([0.45, 1.0])


def test_crops_of_one_frame_sharpen_nothing() -> None:
    same = np.stack([slots(0.8, 0.7)] * 5)
    assert fused(same, weights_of(same)) == pytest.approx(slots(0.8, 0.7))


def test_a_crop_that_was_sure_outweighs_several_that_were_not() -> None:
    crops = np.stack([slots(0.98, 0.97), *[slots(0.2, 0.3)[:, [1, 0, 2]]] * 3])
    answer = fused(crops, weights_of(crops))
    assert answer.argmax(axis=1).tolist() == [0, 0]
    assert confidence_of(answer) < confidence_of(crops[0])


def test_crops_that_cannot_be_read_divide_nothing_by_zero() -> None:
    hopeless = np.zeros((3, 4, 5), np.float32)
    assert weights_of(hopeless) == pytest.approx([1 / 3] * 3)
