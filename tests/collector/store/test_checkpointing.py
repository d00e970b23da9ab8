"""An SQLite store's log is brought into the file beside the writers, and does not grow for ever."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from collector.store import feed
from collector.store.checkpointing import LAST_RESORT_PAGES, Checkpointing
from collector.store.database import Store, sqlite_url
from collector.store.feed import FeedKind


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(tmp_path / "c.db", isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute(f"PRAGMA wal_autocheckpoint={LAST_RESORT_PAGES}")
        database.execute("CREATE TABLE t (content BLOB)")
        yield database


def write(writer: sqlite3.Connection, pages: int) -> None:
    writer.execute("INSERT INTO t VALUES (zeroblob(?))", (4_000 * pages,))


async def done() -> None:
    await asyncio.wait([task for task in asyncio.all_tasks() if task.get_name() == "checkpointing"])


async def test_a_commit_of_the_store_does_not_carry_its_log_over(tmp_path: Path) -> None:
    store = await Store.open(sqlite_url(tmp_path / "c.db"))
    async with store.write() as tx:
        await feed.append_all(tx, [(FeedKind.READ, "x" * 4_000)] * 1_500)
        assert (await tx.execute(text("PRAGMA wal_autocheckpoint"))).scalar_one() == LAST_RESORT_PAGES
    assert (tmp_path / "c.db").stat().st_size < 4_000_000 < (tmp_path / "c.db-wal").stat().st_size
    await store.close()
    assert (tmp_path / "c.db").stat().st_size > 4_000_000
    assert not (tmp_path / "c.db-wal").exists()


async def test_the_log_is_carried_over_while_a_writer_has_its_turn(writer: sqlite3.Connection, tmp_path: Path) -> None:
    turn = asyncio.Lock()
    log = Checkpointing(tmp_path / "c.db", turn, after_s=0)
    write(writer, 100)
    assert (tmp_path / "c.db").stat().st_size < 400_000
    async with turn:
        log.committed()
        log.committed()
        await done()
    assert (tmp_path / "c.db").stat().st_size > 400_000
    await log.close()


async def test_what_was_written_meanwhile_is_carried_over_in_a_writer_s_turn(
    writer: sqlite3.Connection, tmp_path: Path
) -> None:
    with closing(sqlite3.connect(tmp_path / "c.db", isolation_level=None)) as reader:

        class Turn(asyncio.Lock):
            async def acquire(self) -> bool:
                reader.execute("ROLLBACK")
                return await super().acquire()

        write(writer, 400)
        # Stands for whoever writes while the log is carried over: what follows stays in it.
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM t").fetchall()
        write(writer, 10)
        log = Checkpointing(tmp_path / "c.db", Turn(), after_s=0, long_pages=300)
        log.committed()
        await done()
        await log.close()
    write(writer, 1)
    _, pages, _ = writer.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    assert pages < 10


async def test_a_file_that_cannot_be_written_is_said_and_tried_again(tmp_path: Path) -> None:
    (tmp_path / "c.db").write_text("this is no database " * 100)
    log = Checkpointing(tmp_path / "c.db", asyncio.Lock(), after_s=0)
    with capture_logs() as said:
        for _ in range(2):
            log.committed()
            await done()
    assert [one["event"] for one in said] == ["log_not_carried_over"] * 2
    await log.close()


async def test_who_closes_does_not_wait_for_the_next_look(tmp_path: Path) -> None:
    log = Checkpointing(tmp_path / "c.db", asyncio.Lock(), after_s=3_600)
    log.committed()
    async with asyncio.timeout(60):
        await log.close()
