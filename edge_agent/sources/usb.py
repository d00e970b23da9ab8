"""USB cameras (V4L2) by the names that the system gives them.

``/dev/videoN`` counts in the order of plugging in; the links in ``/dev/v4l/by-id`` name the make and serial number, and
those in ``/dev/v4l/by-path`` the socket, so that two cameras do not change places after a power cut.
"""

from __future__ import annotations

from pathlib import Path

from edge_agent.errors import SourceError

_BY_ID = Path("/dev/v4l/by-id")


def is_usb(url: str) -> bool:
    """Whether ``url`` names a V4L2 device: ``/dev/videoN``, N alone, or a link in ``/dev/v4l``."""
    return url.isdecimal() or url.startswith(("/dev/video", "/dev/v4l/"))


def device_of(url: str, by_id: Path = _BY_ID) -> str:
    """Return the device that ``url`` means now; links are followed at each call, as they move with the camera.

    Raises:
        SourceError: it is not plugged in; the text names what is.
    """
    path = Path(f"/dev/video{url}" if url.isdecimal() else url)
    if path.exists():
        return str(path.resolve())
    names = sorted(link.name for link in by_id.iterdir()) if by_id.is_dir() else []
    there = f"plugged in: {', '.join(names)} (in {by_id})" if names else "none is plugged in that has a name"
    raise SourceError(f"{path}: no such device; {there}; ls /dev/video* lists all.")
