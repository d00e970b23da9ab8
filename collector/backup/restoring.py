"""Brings a backup back: into a folder and a database in which nothing is.

Everything is unpacked beside its place and proved by its hashes first; only then is it put there, by one rename. The
restored store is another store (``store_id``): devices learn of it, state what they hold, and send again what it lacks.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from collector.backup import archive
from collector.backup.archive import Manifest, Reader
from collector.errors import ConfigurationError
from collector.ingest.picture_folder import PictureFolder
from collector.store import snapshots
from collector.store.database import Store, Transaction, sqlite_url

Progress = Callable[[str, int, int | None], None]
"""Told what is done, and how much of how much of it."""
_DATABASE = "collector.db"
_OF_FILE_SYSTEM = "lost+found"
_TABLES = "tables"


@dataclass(frozen=True, slots=True)
class Target:
    """Where a backup is brought back to.

    Attributes:
        data_dir: the folder of keys and pictures, and of an SQLite store.
        url: of the PostgreSQL store; None for an SQLite store in ``data_dir``.
    """

    data_dir: Path
    url: str | None = None


def verify(path: Path, progress: Progress) -> Manifest:
    """Read a whole backup and prove it by its hashes; nothing is written.

    Raises:
        ArchiveError: it is no backup, or not as it was made.
    """

    def pass_over(_: str, content: Iterator[bytes]) -> None:
        for _piece in content:
            pass

    return Reader(path).read(pass_over, lambda done, of: progress("reading", done, of))


async def restore(path: Path, target: Target, *, who: str, at_ns: int, progress: Progress) -> Manifest:
    """Bring a backup back.

    Raises:
        ConfigurationError: there is something already where it should go, it is damaged, it is of the other kind of
            store, or there is no room; nothing was changed.
        StoreError: the database could not be filled; nothing was changed.
    """
    data_dir = target.data_dir.absolute()
    try:
        with tempfile.TemporaryDirectory(dir=_beside(data_dir), prefix=f".{data_dir.name}-restoring-") as name:
            staging = Path(name) / "whole"
            staging.mkdir(mode=0o700)
            manifest = _unpack(path, staging, progress)
            _check_kind(path, manifest, target)
            detail = {"backup": path.name, "made_at": manifest.made_at, "of_store": manifest.store_id}

            async def anew(tx: Transaction) -> None:
                await snapshots.begin_anew(tx, who=who, subject=path.name, detail=detail, at_ns=at_ns)

            if target.url is None:
                store = await Store.open(sqlite_url(staging / _DATABASE))
                try:
                    async with store.write() as tx:
                        await anew(tx)
                finally:
                    await store.close()
                _put_in_place(staging, data_dir)
            else:
                await _fill(staging, data_dir, target.url, manifest, anew, progress)
    except OSError as error:
        raise ConfigurationError(
            f"{error.filename or data_dir}: {error.strerror or error}; nothing was restored"
        ) from error
    return manifest


async def _fill(
    staging: Path,
    data_dir: Path,
    url: str,
    manifest: Manifest,
    anew: Callable[[Transaction], object],
    progress: Progress,
) -> None:
    rows = staging.parent / _TABLES
    if (staging / _TABLES).exists():
        (staging / _TABLES).rename(rows)
    copies = [snapshots.TableCopy(one.name, one.columns) for one in manifest.tables]
    await snapshots.bring_back_tables(
        url,
        rows,
        copies,
        manifest.schema_revision,
        lambda done, of: progress("the store", done, of),
        anew,
        lambda: _put_in_place(staging, data_dir),
    )


def _unpack(path: Path, staging: Path, progress: Progress) -> Manifest:
    pictures = PictureFolder(staging / "pictures")

    def keep(name: str, content: Iterator[bytes]) -> None:
        folder, _, file = name.rpartition("/")
        if f"{folder}/" == archive.PICTURES:
            place = pictures.path(bytes.fromhex(file))
        elif f"{folder}/" == archive.TABLES:
            place = staging / _TABLES / file
        else:
            place = staging / file
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as written:
            for piece in content:
                written.write(piece)

    return Reader(path).read(keep, lambda done, of: progress("unpacking", done, of))


def _check_kind(path: Path, manifest: Manifest, target: Target) -> None:
    got = "sqlite" if target.url is None else "postgresql"
    if manifest.database != got:
        fix = (
            "name an empty PostgreSQL database with --store"
            if manifest.database == "postgresql"
            else "leave out --store: it goes into --to DATA_DIR"
        )
        raise ConfigurationError(f"{path}: is of a {manifest.database} store, got a {got} one to restore to; {fix}")
    if manifest.database == "sqlite" and archive.DATABASE not in manifest.files:
        raise ConfigurationError(f"{path}: has no {archive.DATABASE}; use another backup")


def _beside(data_dir: Path) -> Path:
    """Return the folder to unpack in, from which one rename leads to ``data_dir``, unless that is a disk of its own.

    Raises:
        ConfigurationError: the folder is there, and something is in it.
    """
    data_dir.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if data_dir.exists() and any(one.name != _OF_FILE_SYSTEM for one in data_dir.iterdir()):
        raise ConfigurationError(
            f"{data_dir}: is not empty, and a restore replaces nothing; stop the collector and move it away first: "
            f"mv {data_dir} {data_dir}.before"
        )
    return data_dir if os.path.ismount(data_dir) else data_dir.parent


def _put_in_place(staging: Path, data_dir: Path) -> None:
    owner = data_dir.stat() if data_dir.exists() else None
    if owner is not None and os.geteuid() == 0:
        # Made by root for the collector's account: what is in it is to be that account's too.
        for folder, _, files in os.walk(staging):
            for place in (folder, *(os.path.join(folder, file) for file in files)):  # of os.walk
                shutil.chown(place, owner.st_uid, owner.st_gid)
    # One for all, before the rename: file by file a million pictures take half an hour.
    os.sync()
    if os.path.ismount(data_dir):
        # The database last: without it nothing of this is taken for a collector's.
        for one in sorted(staging.iterdir(), key=lambda one: one.name == _DATABASE):
            one.rename(data_dir / one.name)
    else:
        staging.rename(data_dir)
    opened = os.open(data_dir.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
