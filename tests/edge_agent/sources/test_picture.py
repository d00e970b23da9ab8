"""A decoded picture is converted once it is asked for, and as before."""

import threading

import av
import numpy as np
import pytest

from edge_agent.records import CaptureTime
from edge_agent.sources.picture import lazy_frame

WHEN = CaptureTime(1, 2, 3)
RNG = np.random.default_rng(3)
# Not a multiple of 16 or 32: the decoder's lines are longer than the picture.
SCENE = np.kron(RNG.integers(0, 255, (9, 15, 3)), np.ones((10, 10, 1))).astype(np.uint8)


def decoded(pix_fmt: str) -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(SCENE, format="bgr24").reformat(format=pix_fmt)


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuvj420p", "yuv422p", "nv12", "gray", "yuv420p10le", "bgr24"])
def test_image_and_luma_show_the_same_scene(pix_fmt: str) -> None:
    picture = decoded(pix_fmt)  # one: what makes 10 bits out of 8 leaves a few samples to chance
    frame = lazy_frame(picture, "cam", WHEN, 4, "a.mp4")
    assert (frame.camera, frame.captured, frame.scene, frame.name) == ("cam", WHEN, 4, "a.mp4")
    assert frame.image.shape == SCENE.shape
    assert frame.image.flags.c_contiguous
    assert (frame.image == picture.to_ndarray(format="bgr24")).all()
    assert frame.luma.shape == SCENE.shape[:2]
    assert frame.luma.dtype == np.uint8
    brightness = SCENE @ np.array([0.114, 0.587, 0.299])
    assert np.corrcoef(frame.luma.ravel(), brightness.ravel())[0, 1] > 0.99


def test_the_luma_is_the_decoders_own_plane_and_makes_no_picture() -> None:
    picture = decoded("yuv420p")
    luma = lazy_frame(picture, "cam", WHEN, 0).luma
    assert np.shares_memory(luma, np.frombuffer(picture.planes[0], np.uint8))
    del picture
    assert luma.any()


def test_two_threads_may_ask_at_once() -> None:
    frame = lazy_frame(decoded("yuv420p"), "cam", WHEN, 0)
    seen: list[bool] = []
    expected = decoded("yuv420p").to_ndarray(format="bgr24")
    threads = [threading.Thread(target=lambda: seen.append(bool((frame.image == expected).all()))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [True] * 8
