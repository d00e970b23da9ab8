import hashlib

import cv2
import numpy as np

from edge_agent.plates.pictures import MAX_CROP_BYTES, crop_picture, frame_picture, sharpness


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)


def test_the_digest_is_of_the_exact_bytes() -> None:
    picture = crop_picture(noise(20, 60))
    assert picture.sha256 == hashlib.sha256(picture.jpeg).digest()
    assert (picture.width_px, picture.height_px) == (60, 20)
    decoded = cv2.imdecode(np.frombuffer(picture.jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    assert decoded.shape == (20, 60, 3)


def test_a_crop_stays_below_its_limit_whatever_it_shows() -> None:
    picture = crop_picture(noise(400, 900))
    assert len(picture.jpeg) <= MAX_CROP_BYTES
    assert abs(picture.width_px / picture.height_px - 900 / 400) < 0.05


def test_a_frame_keeps_its_size() -> None:
    picture = frame_picture(noise(90, 160))
    assert (picture.width_px, picture.height_px) == (160, 90)


def test_blur_and_distance_lower_the_sharpness() -> None:
    crop = noise(40, 80)
    assert sharpness(cv2.GaussianBlur(crop, (0, 0), 2)) < sharpness(crop)
    far = cv2.resize(crop, (20, 10), interpolation=cv2.INTER_AREA)
    assert sharpness(far) < sharpness(crop)
