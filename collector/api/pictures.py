"""Pictures, from wherever they are kept."""

import asyncio
from pathlib import Path
from typing import Final, Protocol

from collector.errors import NotFoundError, StoreError

_JPEG: Final = b"\xff\xd8\xff"


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
    path = pictures.path(sha256)
    try:
        content = await asyncio.to_thread(path.read_bytes)
    except FileNotFoundError as error:
        raise NotFoundError(f"picture {sha256.hex()}: has not arrived") from error
    except OSError as error:
        raise StoreError(f"picture {path}: {error}") from error
    if not content.startswith(_JPEG):
        raise NotFoundError(f"picture {sha256.hex()}: is no JPEG")
    return content
