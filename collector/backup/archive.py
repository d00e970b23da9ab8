"""The file that a backup is: a tar archive that ends with a manifest.

    keys/…                    the collector's signing key and its public half
    database/collector.db     an SQLite store, or
    database/tables/NAME      the rows of one table of a PostgreSQL store (COPY, binary)
    pictures/SHA256           pictures and clips, each named by its hash
    manifest.json             what must be there: hashes and sizes, schema, store id

The manifest comes last, so that an archive that was cut short has none. Of pictures it holds their number and one hash
over all their names, which are their own hashes, in order: millions of them need no list.
"""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from collector.errors import ConfigurationError

MANIFEST = "manifest.json"
DATABASE = "database/collector.db"
TABLES = "database/tables/"
KEYS = "keys/"
KEY = KEYS + "collector-key.pem"
PICTURES = "pictures/"
WARNING = "holds secrets: the collector's private key, plates, places and password hashes; keep it as safe as the rest"
_NAMES = re.compile(
    r"keys/collector-key(\.pub)?\.pem|database/collector\.db|database/tables/[a-z_]{1,60}|pictures/[0-9a-f]{64}"
    r"|manifest\.json"
)
_MOST_MANIFEST_BYTES = 64 << 20
_CHUNK_BYTES = 1 << 20
_SHOWN_NAME = 100


class ArchiveError(ConfigurationError):
    """The file is no backup, or a damaged one."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class File(_Part):
    """One file of the archive."""

    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    bytes: Annotated[int, Field(ge=0)]


class Pictures(_Part):
    """All pictures and clips: how many, how large, and a hash over their names in order."""

    count: int
    bytes: int
    names_sha256: str


class Table(_Part):
    """One table of a PostgreSQL store."""

    name: str
    columns: tuple[str, ...]


class Manifest(_Part):
    """What an archive holds.

    Attributes:
        format: which form of archive.
        warning: what whoever finds it should know.
        made_at: RFC 3339, UTC: the instant that it shows.
        version: of the collector that made it.
        database: which kind of store.
        schema_revision: its last migration.
        store_id: which store it was; a restored one is another.
        tables: of a PostgreSQL store, in the order in which they are filled.
        files: every file but pictures, by name.
        pictures: those.
        absent: hashes of pictures that the store names and that were not there, or damaged, when this was made.
    """

    format: Literal["nightjar-backup-1"] = "nightjar-backup-1"
    warning: str = WARNING
    made_at: str
    version: str
    database: Literal["sqlite", "postgresql"]
    schema_revision: str
    store_id: str
    tables: tuple[Table, ...] = ()
    files: dict[str, File]
    pictures: Pictures
    absent: tuple[str, ...] = ()


class Writer:
    """Writes an archive into an open file, pictures in the order of their names.

    Args:
        file: where to.
        made_at_s: what its files say when they were made, seconds of UTC.
    """

    def __init__(self, file: IO[bytes], made_at_s: int) -> None:
        self.files: dict[str, File] = {}
        self._tar = tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115  # closed by `end`
        self._made_at_s = made_at_s
        self._names = hashlib.sha256()
        self._count = 0
        self._bytes = 0

    def add(self, name: str, path: Path) -> None:
        """Add a file.

        Raises:
            OSError: it cannot be read, or the archive not be written.
        """
        with path.open("rb") as file:
            hashed = _Hashing(file)
            size = path.stat().st_size
            self._tar.addfile(self._entry(name, size), hashed)
        self.files[name] = File(sha256=hashed.sha256.hexdigest(), bytes=size)

    def add_picture(self, name: str, content: bytes) -> None:
        """Add a picture or clip whose hash is ``name``."""
        self._tar.addfile(self._entry(PICTURES + name, len(content)), io.BytesIO(content))
        self._names.update(bytes.fromhex(name))
        self._count += 1
        self._bytes += len(content)

    @property
    def pictures(self) -> Pictures:
        """What has been added of them."""
        return Pictures(count=self._count, bytes=self._bytes, names_sha256=self._names.hexdigest())

    def end(self, manifest: Manifest) -> None:
        """Write the manifest, and the end of the archive."""
        content = manifest.model_dump_json(indent=1).encode()
        self._tar.addfile(self._entry(MANIFEST, len(content)), io.BytesIO(content))
        self._tar.close()

    def _entry(self, name: str, size: int) -> tarfile.TarInfo:
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode, entry.mtime = size, 0o600, self._made_at_s
        return entry


class Reader:
    """Reads an archive from beginning to end, once, and believes nothing of it that its hashes do not prove."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._names = hashlib.sha256()
        self._last_picture = ""
        self._count = 0
        self._bytes = 0
        self._files: dict[str, File] = {}

    def read(self, keep: Callable[[str, Iterator[bytes]], None], progress: Callable[[int, int], None]) -> Manifest:
        """Go through the archive.

        Args:
            keep: is given the name and the content of every file but the manifest, and takes all of the content.
            progress: is told how many of how many bytes are read.

        Raises:
            ArchiveError: it is no backup, or not as it was made. What was kept by then is of no use.
        """
        manifest: Manifest | None = None
        try:
            size = self._path.stat().st_size
            with tarfile.open(self._path, mode="r:") as tar:
                for entry in tar:
                    if manifest is not None or not entry.isreg() or not _NAMES.fullmatch(entry.name):
                        raise self._damaged(f"{entry.name[:_SHOWN_NAME]!r} does not belong there")
                    content = tar.extractfile(entry)
                    assert content is not None
                    if entry.name == MANIFEST:
                        manifest = self._manifest(content.read(_MOST_MANIFEST_BYTES))
                    else:
                        self._take(entry, content, keep)
                    progress(entry.offset_data + entry.size, size)
        except tarfile.TarError as error:
            raise self._damaged(f"{error}") from error
        except OSError as error:
            raise ArchiveError(f"{error.filename or self._path}: {error.strerror or error}") from error
        if manifest is None:
            raise self._damaged("it has no manifest: it was cut short, or is no backup of a collector")
        self._compare(manifest)
        return manifest

    def _take(self, entry: tarfile.TarInfo, content: IO[bytes], keep: Callable[[str, Iterator[bytes]], None]) -> None:
        hashed = _Hashing(content)
        keep(entry.name, iter(lambda: hashed.read(_CHUNK_BYTES), b""))
        digest = hashed.sha256.hexdigest()
        name = entry.name.removeprefix(PICTURES)
        if name == entry.name:
            self._files[name] = File(sha256=digest, bytes=entry.size)
            return
        if digest != name:
            raise self._damaged(f"{entry.name} has the SHA-256 {digest}")
        if name <= self._last_picture:
            raise self._damaged(f"{entry.name} is not in its place")
        self._last_picture = name
        self._names.update(bytes.fromhex(name))
        self._count += 1
        self._bytes += entry.size

    def _manifest(self, content: bytes) -> Manifest:
        try:
            return Manifest.model_validate_json(content)
        except ValidationError as error:
            first = error.errors()[0]
            raise self._damaged(f"{MANIFEST}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error

    def _compare(self, manifest: Manifest) -> None:
        pictures = Pictures(count=self._count, bytes=self._bytes, names_sha256=self._names.hexdigest())
        for name in sorted(manifest.files.keys() | self._files.keys()):
            got, expected = self._files.get(name), manifest.files.get(name)
            if got != expected:
                raise self._damaged(f"{name}: got {_shown(got)}, expected {_shown(expected)}")
        if pictures != manifest.pictures:
            raise self._damaged(f"pictures: got {pictures.count}, expected {manifest.pictures.count}, or others")

    def _damaged(self, what: str) -> ArchiveError:
        return ArchiveError(f"{self._path}: is damaged: {what}; use another backup")


class _Hashing:
    """A file to read from that hashes what is read."""

    def __init__(self, file: Any) -> None:
        self.sha256 = hashlib.sha256()
        self._file = file

    def read(self, size: int = -1) -> bytes:
        content: bytes = self._file.read(size)
        self.sha256.update(content)
        return content

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _shown(file: File | None) -> str:
    return "nothing" if file is None else f"{file.bytes} bytes with SHA-256 {file.sha256}"
