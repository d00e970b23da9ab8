"""Video files as frames, and the one function that opens whatever a camera's configuration names.

A file's frames are captured at ``starts_at`` plus their presentation time, whatever the frame rate is.

Iterated by one thread; ``close`` may come from any.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import av

from edge_agent.errors import ConfigurationError, SourceError
from edge_agent.records import Frame
from edge_agent.sources.camera_clock import KnownCamera
from edge_agent.sources.decoding import AUTO, WholePictures
from edge_agent.sources.live import DEFAULT_TIMEOUT_S, LiveSource, is_live, without_secrets
from edge_agent.sources.pacing import Pace, Pacing
from edge_agent.sources.picture import lazy_frame
from edge_agent.sources.stills import IMAGE_SUFFIXES, StillsSource, list_images, log_skipped
from edge_wire.clock import Clock


class VideoSource(Protocol):
    """A ``ports.FrameSource`` that also says how far it can be believed."""

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

    def condition(self) -> str:
        """Say why what comes cannot be believed (frozen, black, corrupt); empty if it can. From any thread."""
        ...

    def timing(self) -> str:
        """Say in one line where capture times come from; empty for files. From any thread."""
        ...


class VideoFileSource:
    """One video file, from its first frame to its last.

    Args:
        camera: id that the frames carry.
        path: anything that FFmpeg reads.
        pacing: turns presentation time into capture time.

    Attributes:
        lost: how many pictures were torn or could not be decoded so far.
    """

    stills = False

    def __init__(self, camera: str, path: Path, pacing: Pacing) -> None:
        self._camera = camera
        self._path = path
        self._pacing = pacing
        self.lost = 0

    def frames(self) -> Iterator[Frame]:
        """Yield the file's frames.

        Raises:
            SourceError: the file is missing or not a video, or no frame of it can be decoded.
        """
        try:
            with av.open(str(self._path), metadata_errors="replace") as container:
                if not container.streams.video:
                    raise SourceError(f"{self._path}: holds no video; expected a video file.")
                stream = container.streams.video[0]
                stream.codec_context.thread_count = 1  # by default one a core, and several files may play at once
                whole = WholePictures(self._count_lost)
                began: float | None = None
                for picture in (picture for packet in container.demux(stream) for picture in whole.of(packet)):
                    if picture.time is None:
                        continue  # without a time a frame is no measurement
                    # Files cut out of longer ones begin at other times than 0.
                    began = picture.time if began is None else began
                    media_ns = round((picture.time - began) * 1e9)
                    if not self._pacing.wait_until(media_ns):
                        return
                    yield lazy_frame(picture, self._camera, self._pacing.captured(media_ns), 0, self._path.name)
                if began is None:
                    raise SourceError(f"{self._path}: holds no frame that can be decoded; expected a video file.")
        except (av.FFmpegError, OSError) as error:
            raise SourceError(f"{self._path}: cannot be read as video ({error.strerror}).") from error

    def close(self) -> None:
        """Let ``frames`` end."""
        self._pacing.close()

    def condition(self) -> str:
        """Return nothing: a recording is what it is."""
        return ""

    def timing(self) -> str:
        """Return nothing: a recording's times are those that it was given."""
        return ""

    def _count_lost(self) -> None:
        self.lost += 1


def open_frame_source(
    url: str | Path,
    *,
    camera: str,
    clock: Clock,
    pace: Pace = Pace.REALTIME,
    starts_at_utc_ns: int | None = None,
    fps: float | None = None,
    transport: str = "tcp",
    ca: Path | None = None,
    decoder: str = AUTO,
    known: KnownCamera | None = None,
    latency_ns: int | None = None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    on_skipped: Callable[[Path, SourceError], None] = log_skipped,
) -> VideoSource:
    """Return the source that ``url`` names; live sources and videos are opened when iterated.

    Args:
        url: an image, a folder of images, a video file, ``rtsp://…``, ``/dev/videoN``, N alone, or a link in
            ``/dev/v4l``.
        camera: id that the frames carry.
        clock: where capture times come from.
        pace: for files: in the time that they took, or as fast as they can be read.
        starts_at_utc_ns: for files: UTC nanoseconds of the first frame; None: now.
        fps: for folders: the pictures are consecutive frames at this rate.
        transport: for ``rtsp://``: ``tcp`` or ``udp``.
        ca: for ``rtsps://``: certificate (PEM) of the camera or of the authority that signed it; None: the system's.
        decoder: for live sources: ``auto``, ``software`` or a kind of FFmpeg's, such as ``cuda``.
        known: for live sources: what is kept of the camera from one connection to the next.
        latency_ns: for live sources: how long before its arrival a frame was exposed.
        timeout_s: for live sources: how long to wait for a connection or a frame.
        on_skipped: for folders: is told each picture that could not be read.

    Raises:
        ConfigurationError: ``url`` names nothing that can be opened, or ``fps`` is out of bounds.
    """
    text = str(url)
    if fps is not None and not 0 < fps <= 1000:
        raise ConfigurationError(f"fps: got {fps}, expected frames per second above 0 and up to 1000.")
    if "://" in text and not text.startswith(("rtsp://", "rtsps://")):
        raise ConfigurationError(f"got {without_secrets(text)!r}, expected rtsp://, /dev/videoN, a file or a folder.")
    if is_live(text):
        return LiveSource(
            camera,
            text,
            clock,
            transport=transport,
            ca=ca,
            decoder=decoder,
            known=known,
            latency_ns=latency_ns,
            timeout_s=timeout_s,
        )
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
