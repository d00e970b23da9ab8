import asyncio
import contextlib
import hashlib
import io
import os
import shutil
import sqlite3
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, insert, select, text

from collector.backup.archive import ArchiveError
from collector.backup.making import Source, archive_path, make
from collector.backup.restoring import Target, restore, verify
from collector.errors import ConfigurationError, StoreError
from collector.fleet import signing_key
from collector.ingest.picture_folder import PictureFolder
from collector.store import tables
from collector.store.database import Store, sqlite_url

AT_NS = 1_795_256_000_000_000_000
CROP, CLIP = b"\xff\xd8 crop", b"OggS clip"


def silent(*_: object) -> None:
    pass


@dataclass
class Collector:
    """A collector's folder and store, with one of everything that a backup has to bring back."""

    url: str
    folder: Path
    store: Store

    @property
    def source(self) -> Source:
        database = Path(self.url.partition(":///")[2]) if self.url.startswith("sqlite") else None
        return Source(self.url, database, self.folder / "collector-key.pem", self.folder / "pictures")

    async def picture(self, content: bytes, *, written: bool = True) -> str:
        sha256 = hashlib.sha256(content).digest()
        if written:
            PictureFolder(self.folder / "pictures").keep(content, sha256)
        async with self.store.write() as tx:
            await tx.execute(
                insert(tables.media_file).values(
                    sha256=sha256,
                    device="lpr-1",
                    part=1,
                    epoch=7,
                    total_bytes=len(content),
                    complete=True,
                )
            )
        return sha256.hex()

    async def back_up(self, target: Path) -> Any:
        return await make(self.source, target, AT_NS, silent)


@pytest.fixture
async def collector(store_url: str, store: Store, tmp_path: Path, make: Any) -> Collector:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    signing_key.load_or_make(folder / "collector-key.pem")
    one = Collector(store_url, folder, store)
    await make.device().enrol(store)
    async with store.write() as tx:
        rows = [
            {"device": "lpr-1", "epoch": 7, "stream": 1, "sequence": n, "digest": os.urandom(32), "verdict": 1}
            for n in range(1, 101)
        ]
        await tx.execute(insert(tables.identity), rows)
        await tx.execute(insert(tables.lease).values(name="passages", holder=b"me", until_ns=1))
    await one.picture(CROP)
    await one.picture(CLIP)
    return one


@pytest.fixture
def empty(request: pytest.FixtureRequest, store_url: str, tmp_path: Path) -> Any:
    """Where to restore: a new folder and, for PostgreSQL, an empty database."""
    if store_url.startswith("sqlite"):
        yield Target(tmp_path / "restored")
        return
    with request.getfixturevalue("databases").new() as url:
        yield Target(tmp_path / "restored", url)


def url_of(target: Target) -> str:
    return target.url or sqlite_url(target.data_dir / "collector.db")


async def rows_of(store: Store) -> dict[str, int]:
    async with store.read() as tx:
        return {
            table.name: (await tx.execute(select(func.count()).select_from(table))).scalar_one()
            for table in tables.metadata.sorted_tables
        }


async def bring_back(path: Path, target: Target) -> Any:
    return await restore(path, target, who="cli:ada", at_ns=AT_NS, progress=silent)


async def test_everything_comes_back_in_a_store_of_another_id(
    collector: Collector, empty: Target, tmp_path: Path
) -> None:
    """PROTOCOL invariant 3: what the restored store acks is in it; devices learn that it is another one."""
    before = await rows_of(collector.store)
    path = tmp_path / "backups" / "b.tar"
    made = await collector.back_up(path)
    assert (path.stat().st_mode & 0o777, made.absent, made.pictures.count) == (0o600, (), 2)
    assert verify(path, silent) == made
    await bring_back(path, empty)
    restored = await Store.open(url_of(empty))
    try:
        assert restored.store_id != collector.store.store_id
        after = await rows_of(restored)
        assert after.pop("audit") == before.pop("audit") + 1
        assert (after.pop("lease"), before.pop("lease")) == (0, 1)
        assert after == before
        async with restored.read() as tx:
            last = (await tx.execute(select(tables.audit).order_by(tables.audit.c.number.desc()))).first()
            digests = list((await tx.execute(select(tables.identity.c.digest))).scalars())
        assert last is not None
        assert (last.who, last.action, last.detail["store_id"]) == ("cli:ada", "store.restore", restored.store_id.hex())
        async with collector.store.read() as tx:
            assert sorted(digests) == sorted((await tx.execute(select(tables.identity.c.digest))).scalars())
        async with restored.write() as tx:
            added = await tx.execute(insert(tables.feed).values(kind="device", ref="lpr-1"))
            assert added.inserted_primary_key is not None
            assert added.inserted_primary_key[0] > 1_000_000
    finally:
        await restored.close()
    for name in ("collector-key.pem", "collector-key.pub.pem"):
        assert (empty.data_dir / name).read_bytes() == (collector.folder / name).read_bytes()
    assert (empty.data_dir / "collector-key.pem").stat().st_mode & 0o777 == 0o600
    assert empty.data_dir.stat().st_mode & 0o777 == 0o700
    pictures = PictureFolder(empty.data_dir / "pictures")
    for content in (CROP, CLIP):
        assert pictures.path(hashlib.sha256(content).digest()).read_bytes() == content
    assert [name for _, folders, files in os.walk(tmp_path) for name in folders + files if name[0] == "."] == []


async def test_a_restore_replaces_nothing(collector: Collector, empty: Target, tmp_path: Path) -> None:
    path = tmp_path / "b.tar"
    await collector.back_up(path)
    with pytest.raises(ConfigurationError, match="not empty"):
        await bring_back(path, Target(collector.folder, empty.url))
    if empty.url is not None:
        with pytest.raises(ConfigurationError, match="expected an empty one"):
            await bring_back(path, Target(tmp_path / "restored", collector.url))
        assert not (tmp_path / "restored").exists()
    with pytest.raises(ConfigurationError, match="is of a"):
        await bring_back(path, Target(tmp_path / "restored", None if empty.url else "postgresql+asyncpg://h/d"))
    with pytest.raises(ConfigurationError, match="replaces nothing"):
        await collector.back_up(path)


async def test_a_damaged_backup_is_not_restored(collector: Collector, empty: Target, tmp_path: Path) -> None:
    path = tmp_path / "b.tar"
    await collector.back_up(path)
    content = path.read_bytes()
    for at in (content.index(CROP), len(content) // 2, content.index(b"BEGIN PRIVATE KEY")):
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        with pytest.raises(ArchiveError, match="is damaged"):
            await bring_back(path, empty)
    path.write_bytes(content[: content.rindex(b"manifest.json")])
    with pytest.raises(ArchiveError, match="cut short"):
        verify(path, silent)
    path.write_bytes(b"no archive")
    with pytest.raises(ArchiveError, match="is damaged"):
        verify(path, silent)
    assert not empty.data_dir.exists()


async def test_pictures_that_are_not_there_or_damaged_are_named(collector: Collector, tmp_path: Path) -> None:
    absent = await collector.picture(b"never written", written=False)
    damaged = await collector.picture(b"damaged")
    PictureFolder(collector.folder / "pictures").path(bytes.fromhex(damaged)).write_bytes(b"otherwise")
    made = await collector.back_up(tmp_path / "b.tar")
    assert (set(made.absent), made.pictures.count) == ({absent, damaged}, 2)


async def test_a_backup_is_of_one_instant_while_the_collector_writes(
    collector: Collector, empty: Target, tmp_path: Path
) -> None:
    stopped = asyncio.Event()
    written = 0

    async def write() -> None:
        # A feed row and an identity in each transaction: no snapshot holds one without the other.
        nonlocal written
        while not stopped.is_set():
            async with collector.store.write() as tx:
                written += 1
                row = {"device": "lpr-1", "epoch": 8, "stream": 1, "sequence": written, "digest": bytes(32)}
                await tx.execute(insert(tables.identity).values(**row, verdict=1))
                await tx.execute(insert(tables.feed).values(kind="test", ref=str(written)))

    writing = asyncio.create_task(write())
    await asyncio.sleep(0)
    await collector.back_up(tmp_path / "b.tar")
    stopped.set()
    await writing
    await bring_back(tmp_path / "b.tar", empty)
    restored = await Store.open(url_of(empty))
    try:
        async with restored.read() as tx:
            query = select(func.count()).select_from(tables.identity).where(tables.identity.c.epoch == 8)
            identities = (await tx.execute(query)).scalar_one()
            query = select(func.count()).select_from(tables.feed).where(tables.feed.c.kind == "test")
            assert (await tx.execute(query)).scalar_one() == identities <= written
    finally:
        await restored.close()


async def test_a_cancelled_backup_leaves_nothing(collector: Collector, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    task: asyncio.Task[Any]

    def cancel(*_: object) -> None:
        task.cancel()

    task = asyncio.create_task(make(collector.source, folder / "b.tar", AT_NS, cancel))
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert task.cancelled()
    assert list(folder.iterdir()) == []


async def test_a_folder_that_others_may_write_to_is_refused(collector: Collector, tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(ConfigurationError, match="chmod go-w"):
        await collector.back_up(folder / "b.tar")
    assert archive_path(folder, AT_NS).name == "nightjar-20261121T101320Z.tar"


async def test_nothing_but_what_belongs_there_is_unpacked(tmp_path: Path) -> None:
    for entry in (tarfile.TarInfo("../evil"), tarfile.TarInfo("/etc/passwd"), tarfile.TarInfo("database/collector.db")):
        path = tmp_path / "b.tar"
        if entry.name.startswith("database"):
            entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
        with tarfile.open(path, "w") as tar:
            tar.addfile(entry, io.BytesIO())
        with pytest.raises(ArchiveError, match="does not belong there"):
            await bring_back(path, Target(tmp_path / "restored"))
    assert not (tmp_path / "restored").exists()


async def test_a_store_that_is_damaged_is_not_backed_up(tmp_path: Path, migrated_file: Path) -> None:
    database = tmp_path / "collector.db"
    shutil.copy(migrated_file, database)
    with database.open("r+b") as file:
        file.seek(4096 * 3)
        file.write(os.urandom(4096 * 37))
    source = Source(sqlite_url(database), database, tmp_path / "key.pem", tmp_path / "pictures")
    with pytest.raises((StoreError, ConfigurationError)):
        await make(source, tmp_path / "b.tar", AT_NS, silent)
    assert not (tmp_path / "b.tar").exists()


async def test_an_older_sqlite_store_wants_its_migrations_first(tmp_path: Path, migrated_file: Path) -> None:
    database = tmp_path / "collector.db"
    shutil.copy(migrated_file, database)
    with contextlib.closing(sqlite3.connect(database)) as db:
        db.execute("UPDATE alembic_version SET version_num = '0003'")
        db.commit()
    source = Source(sqlite_url(database), database, tmp_path / "key.pem", tmp_path / "pictures")
    with pytest.raises(ConfigurationError, match="expected"):
        await make(source, tmp_path / "b.tar", AT_NS, silent)


async def test_audit_rows_stay_unalterable_after_a_restore(collector: Collector, empty: Target, tmp_path: Path) -> None:
    await collector.back_up(tmp_path / "b.tar")
    await bring_back(tmp_path / "b.tar", empty)
    restored = await Store.open(url_of(empty))
    try:
        with pytest.raises((StoreError, Exception), match="append-only"):
            async with restored.write() as tx:
                await tx.execute(text("DELETE FROM audit"))
    finally:
        await restored.close()
