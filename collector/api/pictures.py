"""Pictures and clips, from wherever they are kept."""

import asyncio
from pathlib import Path
from typing import Final, Protocol

from collector.errors import NotFoundError, StoreError

_JPEG: Final = b"\xff\xd8\xff"
_SOUNDS: Final = {b"OggS": "audio/ogg", b"fLaC": "audio/flac"}


class Pictures(Protocol):
    """Files by their hash, each put in its place whole."""

    def path(self, sha256: bytes) -> Path:
        """Where the file with this hash is, or would be."""
        ...


async def jpeg(pictures: Pictures, sha256: bytes) -> bytes:
    """Return a picture's bytes.

    Raises:
        NotFoundError: it has not arrived, or is something else (a clip, or what a device calls a picture).
        StoreError: the file system refused.
    """
    content = await _content(pictures, sha256, "picture")
    if not content.startswith(_JPEG):
        raise NotFoundError(f"picture {sha256.hex()}: is no JPEG")
    return content


async def sound(pictures: Pictures, sha256: bytes) -> tuple[bytes, str]:
    """Return a clip's or recording's bytes and media type.

    Raises:
        NotFoundError: it has not arrived, or is something else.
        StoreError: the file system refused.
    """
    content = await _content(pictures, sha256, "clip")
    kind = _SOUNDS.get(content[:4])
    if kind is None:
        raise NotFoundError(f"clip {sha256.hex()}: is neither Ogg nor FLAC")
    return content, kind


async def _content(pictures: Pictures, sha256: bytes, what: str) -> bytes:
    path = pictures.path(sha256)
    try:
        return await asyncio.to_thread(path.read_bytes)
    except FileNotFoundError as error:
        raise NotFoundError(f"{what} {sha256.hex()}: has not arrived") from error
    except OSError as error:
        raise StoreError(f"{what} {path}: {error}") from error
