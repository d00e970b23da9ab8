"""Opens a delivered file, packed or not, and refuses what would unpack to more than a hotlist can be.

gzip and zip are told by their first bytes, not by name. Of zip only what deflate packed is taken, as everybody's zip
program does: Python unpacks the other methods without a bound, a block of a megabyte to gigabytes at once. What is
packed goes to an anonymous file that is gone when it is closed; limits are on what comes out, not on what the archive
says of itself. Of a zip archive Python reads all that is said of its members at once, half a gigabyte if it is so long:
what is read in one piece is bounded, and so is the number of members.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from collector.errors import ConfigurationError

MAX_BYTES = 1 << 30
"""What a file may unpack to: fifteen million rows of 70 bytes."""
_MAX_RATIO = 200
# Below this nobody asks how much smaller the archive was.
_RATIO_FROM_BYTES = 16 << 20
_BLOCK_BYTES = 1 << 20
# Of a zip archive's directory, which holds 46 bytes and a name for each member.
_MOST_DIRECTORY_BYTES = _BLOCK_BYTES
_GZIP, _ZIP = b"\x1f\x8b", b"PK\x03\x04"
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_SPREADSHEET = "[Content_Types].xml"


@dataclass(frozen=True, slots=True)
class Delivered:
    """A delivered file, open.

    Attributes:
        name: what to call it in errors.
        content: what is in it, unpacked; can be read from its beginning again.
        sha256: of the file as it was delivered.
        packing: how it was packed: empty, ``gzip``, or ``zip: MEMBER``.
    """

    name: str
    content: IO[bytes]
    sha256: bytes
    packing: str


@contextmanager
def delivered(path: Path, *, member: str | None = None, max_bytes: int = MAX_BYTES) -> Iterator[Delivered]:
    """Open the file at ``path``.

    Args:
        path: the file.
        member: which of a zip archive's files; None for its only one.
        max_bytes: what it may unpack to.

    Raises:
        ConfigurationError: it cannot be read or unpacked, or is more than it may be.
    """
    with ExitStack() as open_files:
        with _told(path):
            found = _opened(path, member, max_bytes, open_files)
        yield found


def _opened(path: Path, member: str | None, max_bytes: int, open_files: ExitStack) -> Delivered:
    file = open_files.enter_context(_InPieces(io.FileIO(path)))
    digest = hashlib.file_digest(file, "sha256").digest()
    file.seek(0)
    start = file.read(4)
    file.seek(0)
    if start == _ZIP:
        plain = open_files.enter_context(_anonymous())
        with zipfile.ZipFile(file) as archive:
            found = _member(archive, member, path)
            if found.compress_type not in _METHODS:
                raise ConfigurationError(
                    f"{path}: {found.filename} is packed by method {found.compress_type}, expected deflate, as zip "
                    "programs do unless they are told otherwise; unpack it and import what is in it"
                )
            with archive.open(found) as packed:
                _unpack(packed, plain, path, file_bytes=found.compress_size, max_bytes=max_bytes)
        return Delivered(f"{path}: {found.filename}", plain, digest, f"zip: {found.filename}")
    if member is not None:
        raise ConfigurationError(f"{path}: --member names a file of a zip archive, which this is not")
    if start.startswith(_GZIP):
        plain = open_files.enter_context(_anonymous())
        with gzip.GzipFile(fileobj=file) as packed_file:
            _unpack(packed_file, plain, path, file_bytes=_size(file), max_bytes=max_bytes)
        return Delivered(str(path), plain, digest, "gzip")
    if _size(file) > max_bytes:
        raise _too_much(path, max_bytes)
    return Delivered(str(path), file, digest, "")


class _InPieces(io.BufferedReader):
    """A file of which nobody reads more at once than a zip archive's directory may be long."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _MOST_DIRECTORY_BYTES:
            raise ConfigurationError(
                f"{self.name}: the archive's directory takes {size:,} bytes, expected at most "
                f"{_MOST_DIRECTORY_BYTES:,}, which is enough for thousands of files; unpack it and import what is in it"
            )
        return super().read(size)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except (zlib.error, EOFError, zipfile.BadZipFile, NotImplementedError, struct.error, ValueError) as error:
        # zipfile lets through what its own reading of a broken archive raises: a name in no encoding, a place before 0.
        raise ConfigurationError(f"{path}: cannot be unpacked ({error}); was it delivered whole?") from error
    except RuntimeError as error:
        # zipfile says so where a password is wanted.
        raise ConfigurationError(f"{path}: cannot be unpacked ({error}); unpack it and import what is in it") from error
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror or error}") from error


def _member(archive: zipfile.ZipFile, wanted: str | None, path: Path) -> zipfile.ZipInfo:
    files = [one for one in archive.infolist() if one.filename and not one.is_dir()]
    names = [one.filename for one in files]
    if _SPREADSHEET in names:
        raise ConfigurationError(f"{path}: this is a spreadsheet; save it as CSV")
    if wanted is not None:
        found = [one for one in files if one.filename == wanted]
        if not found:
            raise ConfigurationError(f"{path}: got --member {wanted!r}, expected one of {_some(names)}")
        return found[0]
    if len(files) != 1:
        raise ConfigurationError(f"{path}: got {len(files)} files in the archive, expected one; {_choose(names)}")
    return files[0]


def _choose(names: list[str]) -> str:
    return f"choose with --member out of {_some(names)}" if names else "is it empty?"


def _some(names: list[str]) -> str:
    shown = ", ".join(map(repr, names[:10]))
    return shown if len(names) <= 10 else f"{shown} and {len(names) - 10} more"


def _unpack(
    packed: IO[bytes] | gzip.GzipFile, plain: IO[bytes], path: Path, *, file_bytes: int, max_bytes: int
) -> None:
    total = 0
    while block := packed.read(_BLOCK_BYTES):
        if total == 0 and block.startswith((_GZIP, _ZIP)):
            raise ConfigurationError(f"{path}: there is an archive in the archive; unpack it and import what is in it")
        total += len(block)
        if total > max_bytes:
            raise _too_much(path, max_bytes)
        if total > _RATIO_FROM_BYTES and total > _MAX_RATIO * max(file_bytes, 1):
            raise ConfigurationError(
                f"{path}: unpacks to more than {_MAX_RATIO} times its size, which no hotlist does; "
                "if it is one, unpack it and import what is in it"
            )
        plain.write(block)
    plain.flush()
    plain.seek(0)


def _too_much(path: Path, max_bytes: int) -> ConfigurationError:
    return ConfigurationError(
        f"{path}: holds more than {max_bytes:,} bytes (hotlists.max_bytes); if it is a hotlist, raise that setting"
    )


@contextmanager
def _anonymous() -> Iterator[IO[bytes]]:
    with tempfile.TemporaryFile() as file:
        yield file


def _size(file: IO[bytes]) -> int:
    at = file.tell()
    size = file.seek(0, 2)
    file.seek(at)
    return size
