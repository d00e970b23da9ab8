from pathlib import Path

import pytest

from edge_agent.errors import SourceError
from edge_agent.sources.usb import device_of, is_usb


@pytest.mark.parametrize("url", ["/dev/video0", "3", "/dev/v4l/by-id/usb-Lens_A-video-index0", "/dev/v4l/by-path/p"])
def test_what_names_a_usb_camera(url: str) -> None:
    assert is_usb(url)


@pytest.mark.parametrize("url", ["rtsp://cam/live", "/dev/null", "road.mp4", "/srv/dev/video0"])
def test_what_does_not(url: str) -> None:
    assert not is_usb(url)


def test_a_stable_name_is_followed_at_each_opening_as_the_camera_moves(tmp_path: Path) -> None:
    link = tmp_path / "usb-Lens_A-video-index0"
    for number in (0, 2):
        (tmp_path / f"video{number}").touch()
        link.unlink(missing_ok=True)
        link.symlink_to(tmp_path / f"video{number}")
        assert device_of(str(link)) == str(tmp_path / f"video{number}")


def test_a_camera_that_is_not_plugged_in_is_named_and_what_is_is_listed(tmp_path: Path) -> None:
    for name in ("usb-Lens_B-video-index0", "usb-Lens_A-video-index0"):
        (tmp_path / name).touch()
    gone = str(tmp_path / "usb-Lens_C-video-index0")
    with pytest.raises(SourceError, match=r"Lens_C.*no such device; plugged in: usb-Lens_A.*, usb-Lens_B.* \(in"):
        device_of(gone, by_id=tmp_path)
    with pytest.raises(SourceError, match=r"/dev/video97: no such device; none is plugged in that has a name"):
        device_of("97", by_id=tmp_path / "absent")
