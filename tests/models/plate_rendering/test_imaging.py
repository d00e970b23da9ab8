"""Plates as a reader is given them: reproducible, legible, as large as cameras show them, grey where infrared."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edge_agent.plates.reader import DEFAULT_PAD
from models.plate_calibration import views as views_of_calibration
from models.plate_rendering import camera, imaging
from models.plate_rendering.faces import Face

Image = NDArray[np.uint8]


def _face(ground: tuple[int, int, int] = (235, 238, 240), ink: tuple[int, int, int] = (60, 30, 25)) -> Face:
    image = np.full((128, 256, 3), ground, np.uint8)
    cv2.putText(image, "4ABC567", (12, 90), cv2.FONT_HERSHEY_SIMPLEX, 1.75, ink, 6, cv2.LINE_AA)
    return Face(image, "4ABC567", "US-CA", 1)


@pytest.fixture(scope="module")
def views() -> list[imaging.View]:
    face = _face((40, 190, 235), (120, 30, 20))
    return [imaging.view(face, np.random.default_rng(seed)) for seed in range(150)]


def test_a_seed_shows_the_same_picture_again() -> None:
    face = _face()
    before = face.image.copy()

    first, second = (imaging.view(face, np.random.default_rng(3)) for _ in range(2))
    other = imaging.view(face, np.random.default_rng(4))

    assert first.infrared == second.infrared
    np.testing.assert_array_equal(first.image, second.image)
    assert first.image.shape != other.image.shape or (first.image != other.image).any()
    np.testing.assert_array_equal(face.image, before)


def test_plates_are_as_wide_as_roadside_cameras_show_them(views: list[imaging.View]) -> None:
    widths = np.array([view.image.shape[1] for view in views])

    assert widths.min() >= 36
    assert widths.max() <= 480
    # Most are 50 to 140 px wide, and the padding about a quarter more.
    assert 0.55 < float(((widths > 50) & (widths < 180)).mean()) < 0.95


def test_infrared_is_grey_and_some_of_the_views(views: list[imaging.View]) -> None:
    infrared = [view for view in views if view.infrared]

    assert 0.05 < len(infrared) / len(views) < 0.2
    for view in infrared:
        assert (view.image == view.image[:, :, :1]).all()


def test_characters_keep_their_contrast(views: list[imaging.View]) -> None:
    legible = [camera.legibility(view.image) for view in views]

    assert min(legible) > 2.5
    assert float(np.median(legible)) > 15


def test_the_whole_serial_is_within_the_cut() -> None:
    # A face of one colour that no vehicle has: no side of the picture may show much less of it than of its middle.
    face = Face(np.full((80, 384, 3), (255, 0, 255), np.uint8), "", "DE", 1)
    shares = []
    for seed in range(60):
        view = imaging.view(face, np.random.default_rng(seed))
        if view.infrared:
            continue
        image = view.image.astype(np.int16)
        magenta = (image[:, :, 0] + image[:, :, 2] - 2 * image[:, :, 1]) > 120
        if magenta.any():
            columns = np.flatnonzero(magenta.any(axis=0))
            shares.append((columns[-1] - columns[0] + 1) / image.shape[1])

    assert len(shares) > 30
    assert float(np.median(shares)) == pytest.approx(1 / 1.24, abs=0.07)


def test_patches_of_photographs_stand_behind_some_plates() -> None:
    patch = np.zeros((40, 60, 3), np.uint8)
    patch[::2] = (0, 255, 0)
    changed = 0
    for seed in range(40):
        plain = imaging.view(_face(), np.random.default_rng(seed)).image
        behind = imaging.view(_face(), np.random.default_rng(seed), [patch]).image
        changed += plain.shape != behind.shape or bool((plain != behind).any())

    assert changed > 10


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_turned_plate_keeps_its_corners_in_order(share: float) -> None:
    for seed in range(200):
        upper_left, upper_right, lower_right, lower_left = imaging.turned(np.random.default_rng(seed), 0.5, share)

        assert upper_left[0] < upper_right[0]
        assert lower_left[0] < lower_right[0]
        assert upper_left[1] < lower_left[1]
        assert upper_right[1] < lower_right[1]


def _flat() -> Image:
    return np.full((60, 120, 3), 128, np.uint8)


def _striped() -> Image:
    image = _flat()
    image[:, ::8] = 20
    image[:, 1::8] = 20
    return image


@pytest.mark.parametrize(("grey", "mild"), [(False, False), (True, False), (False, True)])
def test_a_camera_changes_neither_size_nor_what_it_was_given(grey: bool, mild: bool) -> None:
    for seed in range(30):
        given = _striped()
        image = camera.shoot(given, np.random.default_rng(seed), 100.0, grey=grey, mild=mild)

        assert image.shape == (60, 120, 3)
        assert image.dtype == np.uint8
        np.testing.assert_array_equal(given, _striped())


def test_plates_are_cut_as_the_product_cuts_them_and_as_its_calibration_does() -> None:
    # Written out there too, so that training needs none of the product's packages.
    assert imaging._PAD == DEFAULT_PAD
    assert imaging._BOX_ERROR == views_of_calibration._BOX_ERROR


def test_noise_is_bounded_by_the_contrast_that_it_would_drown() -> None:
    deviations = [float(camera.grained(_flat(), np.random.default_rng(seed), most=50.0).std()) for seed in range(40)]

    assert max(deviations) < 2.0


def test_a_picture_larger_than_the_noise_is_refused() -> None:
    with pytest.raises(ValueError, match="1100 x 20 px, expected less than 1024"):
        camera.grained(np.zeros((20, 1100, 3), np.uint8), np.random.default_rng(0), most=5.0)
