import asyncio
import hashlib
import os
import re
from pathlib import Path

import pytest

from collector.config import FeedFolder
from collector.hotlists.feeds.folder import FolderSource
from collector.hotlists.feeds.records import FeedError
from collector.hotlists.feeds.snapshot_folder import SnapshotFolder

MOST = 1_000_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


def source(folder: Path, **more: object) -> FolderSource:
    return FolderSource(FeedFolder.model_validate({"path": folder, "files": "*.csv", "settle_s": 0.05} | more))


def put(folder: Path, name: str, content: bytes, at_s: int) -> None:
    (folder / name).write_bytes(content)
    os.utime(folder / name, (at_s, at_s))


async def test_the_latest_file_that_matches_is_delivered_once(folder: Path, kept: SnapshotFolder) -> None:
    put(folder, "a.csv", b"old", 1_000)
    put(folder, "b.csv", b"new", 2_000)
    put(folder, "c.txt", b"other", 3_000)
    put(folder, ".d.csv", b"hidden", 4_000)
    one = await source(folder).fetch("", kept, MOST)
    assert one is not None
    assert (one.name, one.path.read_bytes(), one.size_bytes) == ("b.csv", b"new", 3)
    assert (one.sha256, one.made_at_ns) == (hashlib.sha256(b"new").digest(), 2_000 * 10**9)
    assert one.path.stat().st_mode & 0o077 == 0
    assert await source(folder).fetch(one.modified, kept, MOST) is None


async def test_a_file_that_is_being_written_is_left_alone_until_it_stands_still(
    folder: Path, kept: SnapshotFolder
) -> None:
    put(folder, "a.csv", b"half", 1_000)
    fetching = asyncio.create_task(source(folder, settle_s=0.3).fetch("", kept, MOST))
    while not fetching.done():
        with (folder / "a.csv").open("ab") as file:
            file.write(b" more")
        await asyncio.wait({fetching}, timeout=0.05)
    assert await fetching is None
    whole = await source(folder).fetch("", kept, MOST)
    assert whole is not None
    assert whole.path.read_bytes() == (folder / "a.csv").read_bytes()


async def test_with_a_marker_only_what_is_said_to_be_done_counts(folder: Path, kept: SnapshotFolder) -> None:
    marked = source(folder, done_marker=True, files="*")
    put(folder, "a.csv", b"whole", 1_000)
    put(folder, "b.csv", b"half", 2_000)
    assert await marked.fetch("", kept, MOST) is None
    put(folder, "a.csv.done", b"", 1_000)
    one = await marked.fetch("", kept, MOST)
    assert one is not None
    assert one.name == "a.csv"


async def test_links_are_not_followed(folder: Path, tmp_path: Path, kept: SnapshotFolder) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    (folder / "a.csv").symlink_to(tmp_path / "secret")
    assert await source(folder).fetch("", kept, MOST) is None


async def test_what_is_too_large_or_not_there_is_said(folder: Path, kept: SnapshotFolder) -> None:
    put(folder, "a.csv", b"x" * 2_000, 1_000)
    with pytest.raises(FeedError, match=r"got more than 1024 bytes; `most_bytes`"):
        await source(folder).fetch("", kept, 1_024)
    assert not list(kept.path_of(bytes(32)).parent.iterdir())
    with pytest.raises(FeedError, match=re.escape("gone/*.csv: No such file")):
        await source(folder / "gone").fetch("", kept, MOST)


def test_what_a_killed_collector_left_is_cleared_away(kept: SnapshotFolder) -> None:
    with kept.writing(10) as one:
        one.write(b"one")
    with kept.writing(10) as two:
        two.write(b"two")
    (kept.path_of(one.sha256).parent / ".partial-1").write_bytes(b"")
    kept.clear([two.sha256])
    assert list(kept.path_of(one.sha256).parent.iterdir()) == [kept.path_of(two.sha256)]


async def test_a_file_whose_name_nobody_could_see_does_not_count(folder: Path, kept: SnapshotFolder) -> None:
    put(folder, "a.csv", b"old", 1_000)
    put(folder, "b\x1b[2J.csv", b"new", 2_000)
    put(folder, os.fsdecode(b"c\xff.csv"), b"newer", 3_000)
    one = await source(folder).fetch("", kept, MOST)
    assert one is not None
    assert one.name == "a.csv"
