"""Photographs as frames: one picture, or a folder of them.

Without ``fps`` each picture is a scene of its own, because nothing says that two photographs show the same moment; with
it the folder is one pass, with frame ``i`` at ``i / fps`` seconds. A picture that cannot be read is named, counted and
skipped: one bad file does not cost the others.

Iterated by one thread; ``close`` may come from any.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import structlog
from numpy.typing import NDArray

from edge_agent.errors import ConfigurationError, SourceError
from edge_agent.records import Frame
from edge_agent.sources.pacing import Pacing

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})
_log = structlog.get_logger()


def load_image(path: Path) -> NDArray[np.uint8]:
    """Return the picture at ``path`` as (H, W, 3) uint8 BGR.

    Raises:
        SourceError: there is no such file, or it is no picture.
    """
    try:
        encoded = np.fromfile(path, np.uint8)
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror}).") from error
    try:
        image = cv2.imdecode(encoded, cv2.IMREAD_COLOR) if encoded.size else None
    except cv2.error as error:
        raise SourceError(f"{path}: cannot be decoded ({error.err}).") from error
    if image is None:
        raise SourceError(f"{path}: got {encoded.size} bytes that are no picture; expected a JPEG or PNG.")
    return np.asarray(image, np.uint8)


def list_images(folder: Path) -> list[Path]:
    """Return the pictures in ``folder`` and below, sorted.

    Raises:
        ConfigurationError: there are none, or a folder in it cannot be listed.
    """
    try:
        images = sorted(p for p in folder.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file())
    except OSError as error:
        raise ConfigurationError(f"{folder}: cannot be listed ({error.strerror}).") from error
    if not images:
        raise ConfigurationError(
            f"{folder}: no pictures in it; expected files ending in {', '.join(sorted(IMAGE_SUFFIXES))}."
        )
    return images


def log_skipped(path: Path, error: SourceError) -> None:
    """Log a picture that was skipped."""
    _log.warning("picture skipped", path=str(path), reason=str(error))


class StillsSource:
    """Photographs in the order given.

    Args:
        camera: id that the frames carry.
        paths: the files, at least one.
        pacing: turns media time into capture time; picture ``i`` stands at ``i / fps`` seconds (1 without ``fps``).
        fps: makes all pictures one scene.
        on_skipped: is told each picture that could not be read, and why.

    Attributes:
        skipped: how many pictures could not be read.
    """

    def __init__(
        self,
        camera: str,
        paths: Sequence[Path],
        pacing: Pacing,
        *,
        fps: float | None = None,
        on_skipped: Callable[[Path, SourceError], None] = log_skipped,
    ) -> None:
        self._camera = camera
        self._paths = tuple(paths)
        self._pacing = pacing
        self._fps = fps
        self._on_skipped = on_skipped
        self.skipped = 0

    @property
    def stills(self) -> bool:
        """Whether each frame is a pass of its own."""
        return self._fps is None

    def frames(self) -> Iterator[Frame]:
        """Yield the pictures that can be read.

        Raises:
            SourceError: none of them can.
        """
        self.skipped = 0
        for i, path in enumerate(self._paths):
            media_ns = round(i * 1e9 / (self._fps or 1.0))
            if not self._pacing.wait_until(media_ns):
                return
            try:
                image = load_image(path)
            except SourceError as error:
                self.skipped += 1
                self._on_skipped(path, error)
                continue
            scene = i if self.stills else 0
            yield Frame(self._camera, image, self._pacing.captured(media_ns), scene, path.name)
        if self.skipped == len(self._paths):
            raise SourceError(f"{self._paths[0].parent}: none of its {self.skipped} pictures can be read.")

    def close(self) -> None:
        """Let ``frames`` end."""
        self._pacing.close()

    def condition(self) -> str:
        """Return nothing: a photograph is what it is."""
        return ""

    def timing(self) -> str:
        """Return nothing: a photograph's time is the one that it was given."""
        return ""
