"""Makes a backup while the collector serves.

The archive is written beside its place in a folder of its own, fsynced and renamed: whatever ends it early, there is a
whole archive or none. It is for its owner alone, and is not written where that cannot be had.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from collector.backup import archive
from collector.backup.archive import Manifest, Table, Writer
from collector.errors import ConfigurationError
from collector.fleet import signing_key
from collector.ingest.picture_folder import PictureFolder
from collector.store import snapshots
from collector.store.database import Store, sqlite_url

_DIGEST_BYTES = 32
Progress = Callable[[str, int, int | None], None]
"""Told what is done, and how much of how much of it."""


@dataclass(frozen=True, slots=True)
class Source:
    """What is backed up.

    Attributes:
        url: of the store.
        database: its file, where it is an SQLite store.
        key: the signing key.
        pictures: the folder of pictures and clips.
    """

    url: str
    database: Path | None
    key: Path
    pictures: Path


def archive_path(target: Path, at_ns: int) -> Path:
    """Return the archive's path: ``target`` itself, or a file of today's name if that is a folder."""
    if target.is_dir():
        return target / f"nightjar-{datetime.fromtimestamp(at_ns / 1e9, UTC):%Y%m%dT%H%M%SZ}.tar"
    return target


async def make(source: Source, target: Path, at_ns: int, progress: Progress) -> Manifest:
    """Write a backup to ``target``.

    Raises:
        ConfigurationError: it cannot be written there, or not kept from others; nothing is left behind.
        StoreError: the store cannot be read.
    """
    try:
        _check_place(target)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as name:
            staging = Path(name)
            whole = staging / "archive.tar"
            manifest = await _write(source, staging, whole, at_ns, progress)
            whole.rename(target)
            _sync_folder(target.parent)
    except OSError as error:
        raise ConfigurationError(
            f"{error.filename or target}: {error.strerror or error}; no backup was made (it needs room for the store "
            "twice and for the pictures once)"
        ) from error
    return manifest


async def _write(source: Source, staging: Path, whole: Path, at_ns: int, progress: Progress) -> Manifest:
    with os.fdopen(os.open(whole, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        if mode & 0o077:
            raise ConfigurationError(
                f"{whole.parent.parent}: got mode {mode:04o} for a file that should be 0600: this file system lets "
                f"others read it, and a backup {archive.WARNING}; choose another place"
            )
        writer = Writer(file, at_ns // 1_000_000_000)
        for path in (source.key, signing_key.public_path(source.key)):
            if path.exists():
                writer.add(archive.KEYS + path.name.replace(source.key.stem, "collector-key", 1), path)
        if source.database is not None:
            copy = staging / "collector.db"
            await snapshots.copy_file(source.database, copy, lambda done, of: progress("the store", done, of))
            made = await _write_rest(writer, source, sqlite_url(copy), staging, at_ns, progress)
        else:
            made = await _write_rest(writer, source, source.url, staging, at_ns, progress)
        writer.end(made)
        file.flush()
        os.fsync(file.fileno())
    return made


async def _write_rest(
    writer: Writer, source: Source, url: str, staging: Path, at_ns: int, progress: Progress
) -> Manifest:
    tables: tuple[Table, ...] = ()
    digests = staging / "digests"
    store = await Store.open_to_read(url)
    try:
        # All of it in one transaction: what it sees is of one instant.
        async with store.read() as tx:
            revision = await snapshots.revision(tx)
            if source.database is None:
                copies = await snapshots.copy_tables(tx, staging, lambda done, of: progress("the store", done, of))
                tables = tuple(Table(name=one.table, columns=one.columns) for one in copies)
            with digests.open("wb") as file:
                async for sha256 in snapshots.files_of(tx):
                    file.write(sha256)
    finally:
        await store.close()
    if source.database is not None:
        writer.add(archive.DATABASE, staging / "collector.db")
    for table in tables:
        writer.add(archive.TABLES + table.name, staging / table.name)
        (staging / table.name).unlink()
    absent = await _write_pictures(writer, PictureFolder(source.pictures), digests, progress)
    return Manifest(
        made_at=datetime.fromtimestamp(at_ns / 1e9, UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        version=metadata.version("nightjar"),
        database="sqlite" if source.database is not None else "postgresql",
        schema_revision=revision,
        store_id=store.store_id.hex(),
        tables=tables,
        files=writer.files,
        pictures=writer.pictures,
        absent=absent,
    )


async def _write_pictures(
    writer: Writer, pictures: PictureFolder, digests: Path, progress: Progress
) -> tuple[str, ...]:
    absent = []
    with digests.open("rb") as file:
        of = os.fstat(file.fileno()).st_size // _DIGEST_BYTES
        for done in range(of):
            sha256 = file.read(_DIGEST_BYTES)
            content = await asyncio.to_thread(_content, pictures.path(sha256))
            if content is None or hashlib.sha256(content).digest() != sha256:
                absent.append(sha256.hex())
            else:
                writer.add_picture(sha256.hex(), content)
            progress("pictures", done + 1, of)
    return tuple(absent)


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _check_place(target: Path) -> None:
    """Make the archive's folder; refuse one in which others could put another archive into this one's place.

    Raises:
        ConfigurationError: it is such a folder, or there is such a file already.
    """
    folder = target.parent
    if target.exists():
        raise ConfigurationError(f"{target}: is there already; a backup replaces nothing")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & 0o022 and not mode & stat.S_ISVTX:
        raise ConfigurationError(
            f"{folder}: got mode {mode:04o}, a folder that others may write to, and a backup {archive.WARNING}; "
            f"run: chmod go-w {folder}"
        )


def _sync_folder(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
