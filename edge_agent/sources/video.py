"""Video files as frames, and the one function that opens whatever a camera's configuration names.

A file's frames are captured at ``starts_at`` plus their presentation time, whatever the frame rate is.

Iterated by one thread; ``close`` may come from any.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import av
import numpy as np

from edge_agent.errors import ConfigurationError, SourceError
from edge_agent.records import Frame
from edge_agent.sources.decoding import decoded
from edge_agent.sources.live import DEFAULT_TIMEOUT_S, LiveSource, without_secrets
from edge_agent.sources.pacing import Pace, Pacing
from edge_agent.sources.stills import IMAGE_SUFFIXES, StillsSource, list_images, log_skipped
from edge_wire.clock import Clock


class VideoSource(Protocol):
    """A ``ports.FrameSource`` that also says whether each of its frames is a pass of its own."""

    @property
    def stills(self) -> bool:
        """Whether each frame is a pass of its own."""
        ...

    def frames(self) -> Iterator[Frame]:
        """Yield frames in capture order."""
        ...

    def close(self) -> None:
        """Let ``frames`` end soon."""
        ...


class VideoFileSource:
    """One video file, from its first frame to its last.

    Args:
        camera: id that the frames carry.
        path: anything that FFmpeg reads.
        pacing: turns presentation time into capture time.
    """

    stills = False

    def __init__(self, camera: str, path: Path, pacing: Pacing) -> None:
        self._camera = camera
        self._path = path
        self._pacing = pacing

    def frames(self) -> Iterator[Frame]:
        """Yield the file's frames.

        Raises:
            SourceError: the file is missing or not a video, or no frame of it can be decoded.
        """
        try:
            with av.open(str(self._path)) as container:
                if not container.streams.video:
                    raise SourceError(f"{self._path}: holds no video; expected a video file.")
                began: float | None = None
                for frame in decoded(container.demux(container.streams.video[0])):
                    if frame is None or frame.time is None:
                        continue  # without a time a frame is no measurement
                    # Files cut out of longer ones begin at other times than 0.
                    began = frame.time if began is None else began
                    media_ns = round((frame.time - began) * 1e9)
                    if not self._pacing.wait_until(media_ns):
                        return
                    image = np.ascontiguousarray(frame.to_ndarray(format="bgr24"))
                    yield Frame(self._camera, image, self._pacing.captured(media_ns), 0, self._path.name)
                if began is None:
                    raise SourceError(f"{self._path}: holds no frame that can be decoded; expected a video file.")
        except (av.FFmpegError, OSError) as error:
            raise SourceError(f"{self._path}: cannot be read as video ({error.strerror}).") from error

    def close(self) -> None:
        """Let ``frames`` end."""
        self._pacing.close()


def open_frame_source(
    url: str | Path,
    *,
    camera: str,
    clock: Clock,
    pace: Pace = Pace.REALTIME,
    starts_at_utc_ns: int | None = None,
    fps: float | None = None,
    latency_ns: int | None = None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    on_skipped: Callable[[Path, SourceError], None] = log_skipped,
) -> VideoSource:
    """Return the source that ``url`` names; live sources and videos are opened when iterated.

    Args:
        url: an image, a folder of images, a video file, ``rtsp://…``, ``/dev/videoN``, or N alone.
        camera: id that the frames carry.
        clock: where capture times come from.
        pace: for files: in the time that they took, or as fast as they can be read.
        starts_at_utc_ns: for files: UTC nanoseconds of the first frame; None: now.
        fps: for folders: the pictures are consecutive frames at this rate.
        latency_ns: for live sources: how long before its arrival a frame was exposed.
        timeout_s: for live sources: how long to wait for a connection or a frame.
        on_skipped: for folders: is told each picture that could not be read.

    Raises:
        ConfigurationError: ``url`` names nothing that can be opened, or ``fps`` is out of bounds.
    """
    text = str(url)
    if fps is not None and not 0 < fps <= 1000:
        raise ConfigurationError(f"fps: got {fps}, expected frames per second above 0 and up to 1000.")
    if text.isdecimal():
        text = f"/dev/video{text}"
    if "://" in text and not text.startswith(("rtsp://", "rtsps://")):
        raise ConfigurationError(f"got {without_secrets(text)!r}, expected rtsp://, /dev/videoN, a file or a folder.")
    if "://" in text or text.startswith("/dev/video"):
        return LiveSource(camera, text, clock, latency_ns=latency_ns, timeout_s=timeout_s)
    path = Path(text)
    pacing = Pacing(clock, pace, starts_at_utc_ns)
    try:
        if path.is_dir():
            return StillsSource(camera, list_images(path), pacing, fps=fps, on_skipped=on_skipped)
        found = path.is_file()
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be looked at ({error.strerror}).") from error
    if not found:
        raise ConfigurationError(f"{path}: no such file or folder; expected an image, a folder of images, or a video.")
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return StillsSource(camera, [path], pacing, fps=fps, on_skipped=on_skipped)
    return VideoFileSource(camera, path, pacing)
